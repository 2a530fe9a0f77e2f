"""A test's database is a copy of a template, and the template follows the migrations."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from brobyg_kit import testing
from brobyg_kit.testing import new_database, template_family
from sqlalchemy import MetaData

REVISION = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "things_0001", None, ("things",), None
def upgrade(): op.execute("create table {name} ()")
"""


def own_migrations(folder: Path, table: str) -> Path:
    (folder / "0001_things.py").write_text(REVISION.format(name=table), encoding="utf-8")
    return folder


@pytest.fixture
async def versions(postgres: str, tmp_path: Path) -> AsyncIterator[Path]:
    """A folder for migrations, whose templates are dropped after the test."""
    yield tmp_path
    connection = await asyncpg.connect(f"{postgres}/postgres")
    for row in await connection.fetch(
        "select datname from pg_database where starts_with(datname, $1)", template_family(tmp_path)
    ):
        await connection.execute(f'drop database "{row["datname"]}" with (force)')
    await connection.close()


async def tables(server: str, versions: Path) -> set[str]:
    """The tables of a new database."""
    name = f"kit_{uuid.uuid4().hex[:10]}"
    async with new_database(server, name, MetaData(), versions) as url:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch(
            "select table_name from information_schema.tables where table_schema = 'public'"
        )
        await connection.close()
    return {row["table_name"] for row in rows}


async def test_a_new_database_has_what_the_migrations_make_also_after_they_changed(
    postgres: str, versions: Path
) -> None:
    before = await tables(postgres, own_migrations(versions, "one"))
    assert {"one", "outbox", "inbox"} <= before
    after = await tables(postgres, own_migrations(versions, "another"))
    assert after == before - {"one"} | {"another"}


async def test_many_at_once_migrate_once(
    postgres: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated: list[str] = []
    migrate = testing.migrate

    async def counted(url: str, metadata: MetaData, versions: Path) -> list[str]:
        migrated.append(url)
        return await migrate(url, metadata, versions)

    monkeypatch.setattr(testing, "migrate", counted)
    own_migrations(versions, "one")
    found = await asyncio.gather(*(tables(postgres, versions) for _ in range(5)))
    assert all("one" in names for names in found)
    assert len(migrated) == 1


async def test_a_template_that_was_left_unfinished_is_made_anew(
    postgres: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(url: str, metadata: MetaData, versions: Path) -> list[str]:
        raise InterruptedError

    own_migrations(versions, "one")
    with monkeypatch.context() as patched:
        patched.setattr(testing, "migrate", killed)
        with pytest.raises(InterruptedError):
            await tables(postgres, versions)
    assert "one" in await tables(postgres, versions)


def test_the_keys_of_a_process_are_removed_when_it_is_ended_by_sigterm(tmp_path: Path) -> None:
    program = (
        "import signal; from brobyg_kit.testing import token_keys;"
        "signal.signal(signal.SIGTERM, signal.default_int_handler);"
        "print(token_keys()[0], flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)}, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert tmp_path in Path(process.stdout.readline().strip()).parents
        process.terminate()
        process.wait(60)
    assert list(tmp_path.iterdir()) == []
