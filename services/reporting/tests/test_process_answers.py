"""What the processes that reporting starts may say, and what is made of anything else."""

import subprocess
import sys

import pytest
from brobyg_reporting.adapters import processes
from brobyg_reporting.adapters.processes import BuildProcess, WorkerProcesses
from brobyg_reporting.errors import WorkerFailed

_NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
_PRINTS = """
import os, sys
from brobyg_reporting.adapters.answers import answers
to = answers()
print("a library's warning", flush=True)
os.write(1, b"a log line\\n")
print("the answer", file=to, flush=True)
"""


def test_only_answers_are_on_stdout() -> None:
    """What a library prints, by Python or below it, goes to stderr."""
    ran = subprocess.run(
        [sys.executable, "-c", _PRINTS], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "the answer\n"
    assert ran.stderr == "a library's warning\na log line\n"


async def test_a_build_that_says_anything_else_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a message of ours, not with what was said."""
    monkeypatch.setattr(processes, "_BUILD", "this")  # a module that prints a poem
    told: list[str] = []
    with pytest.raises(WorkerFailed, match="said what is no answer") as failed:
        await BuildProcess("127.0.0.1:1", _NOWHERE).build(["need"], told.append)
    assert "Zen" not in str(failed.value)
    assert told == []


async def test_a_worker_s_error_is_told_by_its_type_alone() -> None:
    """Its text may be of the log, and is read at /readyz."""
    workers = WorkerProcesses("127.0.0.1:1", _NOWHERE)
    shares = {0: {("brobyg.nothing.v1", 0): 1}}
    with pytest.raises(WorkerFailed, match=r"met ConnectionRefusedError; run") as failed:
        await workers.fill(1, shares, 1, lambda _: None)
    assert "127.0.0.1" not in str(failed.value)
