"""What the contract tests share: the sources under `schemas/`, and validators."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(
        0, str(ROOT)
    )  # `schemas.tools` is a tool of the repository, not an installed package

from schemas.tools.sources import SCHEMAS, Sources  # noqa: E402  # after the path is set

from .validators import ValidatorOf, validators  # noqa: E402  # after the path is set


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `event` for each event type, one that takes an example for each.

    `valid_example` is any example, `valid_event_example` one of an event's data.
    """
    sources = Sources(SCHEMAS)
    if "event" in metafunc.fixturenames:
        metafunc.parametrize("event", list(sources.events))
    for kind in ("valid", "invalid"):
        files = sorted(SCHEMAS.glob(f"examples/*/{kind}-*.json"))
        of_events = [file for file in files if file.parent.name != "cloudevent"]
        for fixture, wanted in ((f"{kind}_example", files), (f"{kind}_event_example", of_events)):
            if fixture in metafunc.fixturenames:
                metafunc.parametrize(
                    fixture, wanted, ids=[f"{file.parent.name}/{file.stem}" for file in wanted]
                )


@pytest.fixture(scope="session")
def sources() -> Sources:
    """Today's schemas."""
    return Sources(SCHEMAS)


@pytest.fixture(scope="session")
def validator_of() -> ValidatorOf:
    """Validators of JSON Schemas: `validator_of("appointment.booked")`, or of "cloudevent"."""
    return validators()
