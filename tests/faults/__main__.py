"""`python -m tests.faults [name]`: plays the small week once undisturbed and once with each fault; writes var/faults/report.json.

Exit code 0 when every week, the undisturbed one too, ended as the small week must, 1 otherwise.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from brobyg_local.errors import LocalError
from brobyg_local.places import Places
from brobyg_local.system import System

from tests.faults.cases import FAULTS, Fault, Outcome, outcome_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var" / "faults"


def main(names: list[str]) -> int:
    """Run all faults, or those named; returns the exit code."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        _say(f"there is no fault {', '.join(unknown)}; there are: {', '.join(known)}")
        return 2
    chosen = [known[name] for name in names or known]
    system = System(Places(FOLDER / "system"), _say, given={}, ports={})
    try:
        results = [_result(system, fault) for fault in [Fault("none", ()), *chosen]]
    finally:
        system.down()
    FOLDER.mkdir(parents=True, exist_ok=True)
    entries = [
        {**asdict(outcome), "passed": not outcome.broken, "wall_seconds": seconds}
        for outcome, seconds in results
    ]
    passed = all(entry["passed"] for entry in entries)
    path = FOLDER / "report.json"
    path.write_text(
        json.dumps({"passed": passed, "faults": entries}, indent=2) + "\n", encoding="utf-8"
    )
    for entry, (outcome, _) in zip(entries, results, strict=True):
        _say(f"{'passed' if entry['passed'] else 'FAILED'}  {outcome.name}")
        for sentence in outcome.broken:
            _say(f"        {sentence}")
    _say(f"{path}")
    return 0 if passed else 1


def _result(system: System, fault: Fault) -> tuple[Outcome, float]:
    _say(f"== {fault.name}")
    began = time.monotonic()
    try:
        found = outcome_of(system, fault, _say)
    except Exception as error:  # noqa: BLE001 - one week that can't be played must not hide the others
        said = error.explain() if isinstance(error, LocalError) else str(error)
        found = Outcome(fault.name, {}, [f"{type(error).__name__}: {said}"], {})
    return found, round(time.monotonic() - began, 1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
