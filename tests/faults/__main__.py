"""`python -m tests.faults [name]`: plays the small week once undisturbed and once with each fault; writes var/faults/report.json.

Exit code 0 when every week ended as the undisturbed one, 1 otherwise.
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
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    if not chosen:
        _say(f"there is no such fault; there are: {', '.join(fault.name for fault in FAULTS)}")
        return 2
    system = System(Places(FOLDER / "system"), _say, given={}, ports={})
    try:
        results = [_result(system, fault) for fault in [Fault("none", ()), *chosen]]
    finally:
        system.down()
    FOLDER.mkdir(parents=True, exist_ok=True)
    entries = [_entry(outcome, results[0][0], seconds) for outcome, seconds in results]
    passed = all(entry["passed"] for entry in entries)
    path = FOLDER / "report.json"
    path.write_text(json.dumps({"passed": passed, "faults": entries}, indent=2) + "\n", encoding="utf-8")
    for entry, (outcome, _) in zip(entries, results, strict=True):
        _say(f"{'passed' if entry['passed'] else 'FAILED'}  {outcome.name}  {'; '.join(outcome.broken)}")
    _say(f"{path}")
    return 0 if passed else 1


def _result(system: System, fault: Fault) -> tuple[Outcome, float]:
    _say(f"== {fault.name}")
    began = time.monotonic()
    try:
        found = outcome_of(system, fault, _say)
    except Exception as error:  # noqa: BLE001 - one week that can't be played must not hide the others
        said = error.explain() if isinstance(error, LocalError) else str(error)
        found = Outcome(fault.name, None, [f"{type(error).__name__}: {said}"], {})
    return found, round(time.monotonic() - began, 1)


def _entry(outcome: Outcome, calm: Outcome, seconds: float) -> dict[str, object]:
    same = outcome.facts is not None and outcome.facts == calm.facts
    passed = same and not outcome.broken
    return {**asdict(outcome), "same_week": same, "passed": passed, "wall_seconds": seconds}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
