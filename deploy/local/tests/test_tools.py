"""Which of the machine's programs will do."""

from pathlib import Path

import pytest
from brobyg_local import tools
from brobyg_local.errors import ProgramMissing


def programs(folder: Path, version: str) -> Path:
    """A folder with PostgreSQL's programs, as far as their names and their version go."""
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


def test_a_postgresql_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (
        programs(tmp_path / "old", "14.11 (Debian 14.11-1)"),
        programs(tmp_path / "new", "16beta1"),
    )
    monkeypatch.setattr(tools, "_postgres_folders", lambda: [old, new])
    assert tools.find_postgres(lambda _text: None) == new


def test_where_every_postgresql_is_too_old_each_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = programs(tmp_path / "old", "14.11")
    monkeypatch.setattr(tools, "_postgres_folders", lambda: [old])
    monkeypatch.setattr(tools.os, "geteuid", lambda: 1000)
    with pytest.raises(ProgramMissing, match="no PostgreSQL 15 or newer") as missing:
        tools.find_postgres(lambda _text: None)
    assert f"too old: {old}" in str(missing.value)
