"""The service on real parts; makes the modules that the tests share importable."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock
from brobyg_kit.tables import outbox, stream, timer
from brobyg_kit.testing import Running, served

sys.path.insert(0, str(Path(__file__).parent))

Serve = Callable[..., AbstractAsyncContextManager[Running]]


class Addresses(Protocol):
    """Where the real parts are."""

    kafka: str
    database: str


#: Pathways that only tests have.
PATHWAYS = Path(__file__).parents[3] / "tests" / "pathways"


@pytest.fixture(autouse=True)
def toy_pathways(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy pathways are there beside the system's own."""
    monkeypatch.setenv("BROBYG_PATHWAYS", str(PATHWAYS))


@pytest_asyncio.fixture(loop_scope="module")
async def own(serve: Serve, clock: ManualClock) -> AsyncIterator[Running]:
    """A service and a database for one test that changes its time or its tables."""
    from matching_api import KEYS

    async with serve(SERVICE, clock=clock, **KEYS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(addresses: Addresses) -> AsyncIterator[Running]:
    """One service for all tests that leave time and tables as they are."""
    from matching_api import KEYS
    from matching_samples import NOW

    clock = ManualClock(NOW)
    async with served(SERVICE, addresses.database, addresses.kafka, clock=clock, **KEYS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def matching(shared: Running) -> Running:
    """The shared service, emptied."""
    from matching_samples import query

    assert shared.runtime.database is not None
    tables = ", ".join(one.name for one in (timer, stream, outbox, *metadata.sorted_tables))
    await query(shared.runtime.database, f"truncate {tables}")
    return shared
