"""`make faults` tells each verdict as it comes, and goes on where it was ended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.small_week import ROOT
from tests.faults.__main__ import run_all
from tests.faults.faults import Fault, FaultResult

FAULTS = [Fault(name, ()) for name in ("none", "one", "two", "three")]


class Ended(BaseException):
    """What ends a run early."""


class Weeks:
    """Plays each week in no time; notes which were played."""

    def __init__(self, ends_at: str = "", fails: str = "") -> None:
        self.played: list[str] = []
        self.ends_at = ends_at
        self.fails = fails

    def run(self, fault: Fault) -> FaultResult:
        if fault.name == self.ends_at:
            raise Ended
        self.played.append(fault.name)
        broken = ["somebody was told twice"] if fault.name == self.fails else []
        return FaultResult(fault.name, {}, broken, {})


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    with pytest.raises(Ended):
        run_all(FAULTS, path, Weeks(ends_at="two", fails="one").run, anew=False)
    return path


def test_a_run_that_is_ended_early_leaves_the_verdicts_it_had(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = json.loads(report.read_text())
    assert (left["passed"], left["finished"]) == (False, False)
    assert [(one["name"], one["passed"]) for one in left["faults"]] == [
        ("none", True),
        ("one", False),
    ]


def test_each_verdict_is_told_before_the_next_week(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Ended):
        run_all(FAULTS, tmp_path / "r.json", Weeks(ends_at="two", fails="one").run, anew=False)
    told = capsys.readouterr().err
    assert "passed  none" in told
    assert "FAILED  one" in told
    assert "somebody was told twice" in told


def test_the_next_run_goes_on_where_it_was_ended(report: Path) -> None:
    weeks = Weeks()
    assert run_all(FAULTS, report, weeks.run, anew=False) == 1
    assert weeks.played == ["two", "three"]
    found = json.loads(report.read_text())
    assert (found["passed"], found["finished"], len(found["faults"])) == (False, True, 4)
    assert run_all(FAULTS, report, weeks.run, anew=False) == 0
    assert len(weeks.played) == 2 + 4


@pytest.mark.parametrize("why", ["asked to", "other code"])
def test_a_run_begins_anew_when_asked_to_or_when_the_code_is_another(
    report: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "other code":
        monkeypatch.setattr("tests.faults.__main__.version_of_code", lambda: "another")
    weeks = Weeks()
    assert run_all(FAULTS, report, weeks.run, anew=why == "asked to") == 0
    assert weeks.played == ["none", "one", "two", "three"]


def test_the_help_tells_the_faults_and_plays_nothing() -> None:
    command = [sys.executable, "-m", "tests.faults", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "kill-matching" in done.stdout
    assert "goes on where it stopped" in done.stdout.replace("\n", " ")
    command = [sys.executable, "-m", "tests.faults", "no-such-fault"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "there is no fault no-such-fault" in done.stderr
