"""What the contract tests share: the sources under `schemas/`, and validators of their schemas by the standard's own rules."""

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
    """A test that takes `event` runs for each event type; one that takes an example for each golden one, the envelope's or only the events'."""
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
    """`validator_of("appointment.booked")` or `validator_of("cloudevent")`: its JSON Schema's validator, formats checked."""
    return validators()
