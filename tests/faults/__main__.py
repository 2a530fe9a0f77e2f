"""`python -m tests.faults [name ...]`: see `--help`."""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brobyg_local.errors import LocalError
from brobyg_local.state import read_json, write_atomically

from tests.e2e.run import own_system
from tests.faults.faults import FAULTS, Fault, FaultResult, run_fault

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var" / "faults"
HELP = """Plays the small week once undisturbed and once with each fault.

Each verdict is printed, and the report written, as soon as there is one. A run that was ended early
goes on where it stopped, unless the code has changed since. Exit code 0: every week, the
undisturbed one too, ended as it must; 1: one did not, or the run was ended early."""


def main(arguments: Sequence[str]) -> int:
    """Run all faults, or those named; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.faults",
        description=HELP,
        epilog=f"faults: {', '.join(fault.name for fault in FAULTS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it complains of was done to it
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "names", nargs="*", metavar="fault", help="only these, a minute or two each"
    )
    parser.add_argument("--anew", action="store_true", help="forget a run that was ended early")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(names)):
        parser.error(f"there is no fault {', '.join(unknown)}; there are: {', '.join(names)}")
    chosen = [Fault("none", ()), *(one for one in FAULTS if one.name in (given.names or names))]
    system = own_system(FOLDER / "system", say, durable=True)
    try:
        return run_all(
            chosen,
            FOLDER / "report.json",
            lambda fault: run_fault(system, fault, say),
            anew=given.anew,
        )
    finally:
        system.down()


def run_all(
    faults: Sequence[Fault], report: Path, run: Callable[[Fault], FaultResult], *, anew: bool
) -> int:
    """Run `faults`, without those that `report` has from a run of this code that was ended
    early.
    """
    version = version_of_code()
    wanted = [fault.name for fault in faults]
    kept = read_json(report)
    entries: list[dict[str, Any]] = []
    if not anew and kept.get("finished") is False and kept.get("version") == version:
        found = kept["faults"] if isinstance(kept["faults"], list) else []
        entries = [entry for entry in found if entry["name"] in wanted]
        say(f"going on after {len(entries)} of {len(faults)} weeks; --anew begins from the first")
    done = {entry["name"] for entry in entries}
    for fault in faults:
        if fault.name in done:
            continue
        say(f"== {fault.name}")
        entries.append(_entry(fault, run))
        finished = len(entries) == len(faults)
        passed = finished and all(entry["passed"] for entry in entries)
        document = {"passed": passed, "finished": finished, "version": version, "faults": entries}
        report.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(report, json.dumps(document, indent=2) + "\n")
    failed = [entry["name"] for entry in entries if not entry["passed"]]
    say(f"{len(entries) - len(failed)} passed, {' '.join([str(len(failed)), 'failed', *failed])}")
    say(f"report: {report}")
    return 1 if failed else 0


def _entry(fault: Fault, run: Callable[[Fault], FaultResult]) -> dict[str, Any]:
    """Run one fault, print its verdict; returns its part of the report."""
    began = time.monotonic()
    try:
        found = run(fault)
    except Exception as error:  # noqa: BLE001 - one week must not hide the others
        said = error.explain() if isinstance(error, LocalError) else str(error)
        found = FaultResult(fault.name, {}, [f"{type(error).__name__}: {said}"], {})
    seconds = round(time.monotonic() - began, 1)
    say(f"{'FAILED' if found.broken else 'passed'}  {fault.name}  ({seconds:.0f} s)")
    for sentence in found.broken:
        say(f"        {sentence}")
    return {**asdict(found), "passed": not found.broken, "wall_seconds": seconds}


def version_of_code() -> str:
    """Changes when a tracked file does."""
    digest = hashlib.sha256()
    for command in (["git", "rev-parse", "HEAD"], ["git", "diff", "HEAD"]):
        digest.update(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout)
    return digest.hexdigest()[:16]


def say(text: str) -> None:
    """Tell on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
