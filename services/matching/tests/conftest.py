"""The service on real parts; makes the modules that the tests share importable."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock
from brobyg_kit.tables import metadata as kit_metadata
from brobyg_kit.tables import replica
from brobyg_kit.testing import Running, served
from brobyg_matching.adapters.tables import metadata
from brobyg_matching.bootstrap import SERVICE

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
    from matching_api import KEYS, database_of, give_reference

    async with serve(SERVICE, clock=clock, **KEYS) as running:
        await give_reference(database_of(running))
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(addresses: Addresses) -> AsyncIterator[Running]:
    """One service for all tests that leave time and tables as they are."""
    from matching_api import KEYS, database_of, give_reference
    from matching_samples import NOW

    clock = ManualClock(NOW)
    async with served(SERVICE, addresses.database, addresses.kafka, clock=clock, **KEYS) as running:
        await give_reference(database_of(running))
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def matching(shared: Running) -> Running:
    """The shared service, emptied."""
    from brobyg_kit.testing import emptied
    from matching_samples import query

    assert shared.runtime.database is not None
    own = [one for one in metadata.sorted_tables if one.name != "roster"]
    # The reference data stays.
    kits = [one for one in kit_metadata.sorted_tables if one is not replica]
    await emptied(shared.runtime.database, [one.name for one in (*kits, *own)])
    # What the process holds in memory is no longer so.
    await query(shared.runtime.database, "update roster set version = version + 1")
    return shared
