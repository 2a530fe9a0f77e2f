"""A live version that this code may write: the first one, or its own in place of other code's.

When the live version was written by other code, the consumer waits and readers go on reading it,
while this builds a version of its own beside it and switches.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from brobyg_kit.backoff import Backoff
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_reporting.errors import ReportingError
from brobyg_reporting.ports import LiveVersion, RebuildPorts, Versions
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

log = get_logger(__name__)

#: Pauses between two looks at which version is live, seconds of wall time: short after a change.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
#: How often readiness is told how far a build has come, seconds of wall time.
_PROGRESS_EVERY = 2.0
#: No records are read in the service's own process, which answers requests meanwhile.
_REQUEST = RebuildRequest(in_process_limit=0)

#: A connection of the service's own, to look which version is live.
Connect = Callable[[], AbstractAsyncContextManager[Versions]]


async def create_first(connect: Connect) -> None:
    """Create an empty version and show it where there is none yet, as after the first migration."""
    async with connect() as versions:
        if await versions.live() is None and await versions.create_first():
            log.info("version.created")


@dataclass(slots=True)
class Upgrade:
    """Sees to it that the live version is one of this code."""

    connect: Connect
    ports: RebuildPorts
    heartbeat: Heartbeat
    #: How far the current build has come; empty before it has begun.
    _progress: str = ""
    _waiting: bool = False

    async def run(self) -> None:
        """Look again and again until cancelled. Raises what Kafka and the database raise."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            was_waiting = self._waiting
            try:
                self._tell(await self.once())
            except ReportingError as error:
                self._tell(str(error))
            if self._waiting != was_waiting:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def once(self) -> str:
        """Build a version of this code if the live one is not; what is in the way, if anything.

        A version of this code that was live and replaced is not built again: two releases that
        run side by side would take turns for ever. Raises RebuildRefused when another process
        builds one.
        """
        async with self.connect() as versions:
            live = await versions.live()
            if live is None or live.own:
                return ""
            if await versions.was_replaced():
                return (
                    f"version {live.number} of the projections replaced this code's: end this"
                    " process, or run 'brobyg reporting rebuild' to go back to this code's"
                )
        await self._build(live)
        return ""

    async def _build(self, live: LiveVersion) -> None:
        self._progress = ""
        building = asyncio.create_task(rebuild(self.ports, _REQUEST, self._note))
        try:
            while not building.done():
                self._tell(
                    f"version {live.number} of the projections was written by other code; one of"
                    f" this code's is being built: {self._progress or 'begun'}"
                )
                await asyncio.wait({building}, timeout=_PROGRESS_EVERY)
        finally:
            building.cancel()
            await asyncio.gather(building, return_exceptions=True)
        result = building.result()
        log.info("version.switched", version=result.version, events=result.events)

    def _note(self, phase: str, done: int, total: int) -> None:
        self._progress = f"{phase} {done} of {total}"

    def _tell(self, trouble: str) -> None:
        """Tell readiness what is in the way; log that the wait begins, and that it is over."""
        if trouble:
            self.heartbeat.struggle(trouble)
        else:
            self.heartbeat.beat()
        if trouble and not self._waiting:
            log.warning("version.waiting")
        elif self._waiting and not trouble:
            log.info("version.wait_over")
        self._waiting = bool(trouble)
