"""Logs, files and programs of the machine: readable, whole, and explained when they fail."""

import json
import sys
from pathlib import Path

import pytest
from brobyg_local import tools
from brobyg_local.errors import CommandFailed, ComponentFailed, ProgramMissing
from brobyg_local.logs import likely_cause, tail
from brobyg_local.state import read_json, write_atomically


def test_the_last_lines_of_a_services_log_are_told_as_one_reads_them(tmp_path: Path) -> None:
    said = {
        "event": "relay.failed",
        "level": "error",
        "timestamp": "2026-11-30T07:00:00Z",
        "service": "matching",
        "attempt": 3,
    }
    lines = ["Traceback", json.dumps(said), '{"cut": "in mid', "[1]", "7", "{}"]
    (tmp_path / "log").write_text("\n".join(lines))
    assert tail(tmp_path / "log") == [
        "Traceback",
        "2026-11-30T07:00:00Z error relay.failed attempt=3",
        '{"cut": "in mid',
        "[1]",
        "7",
        "{}",
    ]
    assert tail(tmp_path / "log", 2) == ["7", "{}"]
    assert tail(tmp_path / "none") == []


def test_half_a_file_is_never_seen(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_atomically(path, '{"a": 1}', mode=0o600)
    write_atomically(path, '{"a": 2}', mode=0o600)
    assert read_json(path) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_program_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="Maven") as missing:
        tools.find_maven(lambda _text: None)
    assert "sudo apt-get install maven" in missing.value.explain()


def test_a_download_that_hangs_is_ended_and_named() -> None:
    hang = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(CommandFailed, match="the download was not done after 1 s") as hung:
        tools.run("the download", hang, timeout=1, advice="look at the network")
    assert "look at the network" in hung.value.explain()


def test_a_tool_that_fails_is_named_with_its_last_lines() -> None:
    command = [sys.executable, "-c", "print('no such host'); raise SystemExit(3)"]
    with pytest.raises(CommandFailed, match=r"mvn failed with exit code 3:\n  no such host"):
        tools.run("mvn", command, advice="", timeout=20)


@pytest.mark.parametrize(
    "line",
    [
        "OSError: [Errno 98] error while attempting to bind: address already in use",
        "ConnectionRefusedError: [Errno 111]",
        "java.io.IOException: No space left on device",
    ],
)
def test_what_usually_goes_wrong_has_its_cause_and_advice(line: str) -> None:
    assert likely_cause(line) is not None


def test_a_log_without_trouble_has_no_cause() -> None:
    assert likely_cause("all is well") is None


def test_a_failure_without_a_log_is_still_a_sentence() -> None:
    told = ComponentFailed("mail", "it ended", advice="try again").explain()
    assert told == "mail did not start: it ended\nWhat to do: try again"
