"""Makes the modules beside the tests importable, and gives the service on real parts."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio
from brobyg_kit import tables
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running, served
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.cases.adapters.tables import metadata

sys.path.insert(0, str(Path(__file__).parent))

from referral_bench import KEYS, Served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_service(postgres: str, kafka: str) -> AsyncIterator[Running]:
    """The service's API, started once for the run."""
    clock = ManualClock(datetime(2026, 11, 30, 8, 0, tzinfo=UTC))
    async with served(SERVICE, postgres, kafka, clock=clock, role="api", **KEYS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def service(one_service: Running) -> Served:
    """The service's API with an empty database; the outbox is not relayed."""
    served_api = Served(one_service)
    await served_api.rows(f"truncate {', '.join({**tables.metadata.tables, **metadata.tables})}")
    return served_api
