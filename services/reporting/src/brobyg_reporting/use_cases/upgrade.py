"""A live version that this code may write: the first one, or its own in place of other code's.

When the live version was written by other code, the consumer waits and readers go on reading it,
while this builds a version of its own beside it and switches.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_reporting.errors import ReportingError
from brobyg_reporting.ports import LiveVersion, Means, Versions
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

log = get_logger(__name__)

#: How often it is looked which version is live, seconds of wall time.
_EVERY = 2.0
#: No records are read in the service's own process, which answers requests meanwhile.
_REQUEST = RebuildRequest(few=0)


@dataclass(slots=True)
class Upgrade:
    """Sees to it that the live version is one of this code."""

    #: A connection of the service's own, to look which version is live.
    versions: Callable[[], AbstractAsyncContextManager[Versions]]
    means: Means
    heartbeat: Heartbeat
    _phase: str = "begun"

    async def run(self) -> None:
        """Look again and again until cancelled. Raises what Kafka and the database raise."""
        while True:
            try:
                trouble = await self.once()
            except ReportingError as error:
                trouble = str(error)
                log.warning("version.not_built", reason=trouble)
            self.heartbeat.struggle(trouble) if trouble else self.heartbeat.beat()
            await asyncio.sleep(_EVERY)

    async def once(self) -> str:
        """Build a version of this code if the live one is not; what is in the way, if anything.

        A version of this code that was live and replaced is not built again: two releases that
        run side by side would take turns for ever. Raises RebuildRefused when another process
        builds one.
        """
        async with self.versions() as versions:
            live = await versions.live()
            if live is None:
                if await versions.create_first():
                    log.info("version.created")
                return ""
            if live.own:
                return ""
            if await versions.was_replaced():
                return (
                    f"version {live.number} of the projections replaced this code's: end this"
                    " process, or run 'brobyg reporting rebuild' to go back to this code's"
                )
        await self._build(live)
        return ""

    async def _build(self, live: LiveVersion) -> None:
        log.info("version.building", live=live.number)
        building = asyncio.create_task(rebuild(self.means, _REQUEST, self._note))
        try:
            while not building.done():
                self.heartbeat.struggle(
                    f"version {live.number} of the projections was written by other code; one of"
                    f" this code's is being built: {self._phase}"
                )
                await asyncio.wait({building}, timeout=_EVERY)
        finally:
            building.cancel()
            await asyncio.gather(building, return_exceptions=True)
        result = building.result()
        log.info("version.switched", version=result.version, events=result.events)

    def _note(self, phase: str, done: int, total: int) -> None:
        self._phase = f"{phase} {done} of {total}"
