"""Makes the modules beside the tests importable, and gives the service on real parts."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from brobyg_kit import tables
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running, emptied, served
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.metadata import metadata
from brobyg_referral.reference.adapters.tables import reference_entry

sys.path.insert(0, str(Path(__file__).parent))

from reference_data import store_reference
from referral_bench import KEYS, Served
from referral_reference import MORE

PATHWAYS = Path(__file__).parents[3] / "tests" / "pathways"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_service(postgres: str, kafka: str) -> AsyncIterator[Running]:
    """The service's API, started once for the run."""
    clock = ManualClock(datetime(2026, 11, 30, 8, 0, tzinfo=UTC))
    async with served(SERVICE, postgres, kafka, clock=clock, role="api", **KEYS) as running:
        assert running.runtime.database is not None
        await store_reference(running.runtime.database, *MORE)
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def service(one_service: Running, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The service's API with no more than reference data in it; the outbox is not relayed."""
    monkeypatch.setenv("BROBYG_PATHWAYS", str(PATHWAYS))
    served_api = Served(one_service)
    own = {**tables.metadata.tables, **metadata.tables}.keys() - {reference_entry.name}
    await emptied(served_api.database, sorted(own))
    return served_api
