"""Live versions that this code may write: the first ones, or its own in place of other code's.

When a projection was written by other code, readers go on reading it while this builds one of its
own beside it, in a process of its own, and switches. The consumer goes on with the others; it waits
when it is the event log.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from brobyg_kit.backoff import Backoff
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_reporting.errors import ReportingError
from brobyg_reporting.ports import Builder, Versions
from brobyg_reporting.use_cases.follow import BY_TABLE, follow
from brobyg_reporting.use_cases.rebuild import LOG

log = get_logger(__name__)

#: Pauses between two looks at which version is live, seconds of wall time: short after a change.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
#: How often readiness is told how far a build has come, seconds of wall time.
_PROGRESS_EVERY = 2.0

#: A connection of the service's own, to look which version is live.
Connect = Callable[[], AbstractAsyncContextManager[Versions]]


async def create_first(connect: Connect) -> None:
    """Create empty tables and show them where there are none yet, as after the first migration."""
    async with connect() as versions:
        if not await versions.live() and await versions.create_first():
            log.info("version.created")


@dataclass(slots=True)
class Upgrade:
    """Sees to it that the live versions are of this code, and hold what the log does."""

    connect: Connect
    builder: Builder
    heartbeat: Heartbeat
    #: What is in the way or being done, for readiness; empty when all is well.
    note: str = ""
    #: How far the current build has come; empty before it has begun.
    _progress: str = ""
    #: Whether the consumer may write the log: nothing else is worth not being ready.
    _writes: bool = False
    _waiting: bool = False
    #: Whether the log was looked through for events that an older release did not know.
    _marked: bool = False

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
        """Build what of this code is not live; what is in the way, if anything.

        A version of this code that was live and replaced is not built again: two releases that
        run side by side would take turns for ever. What a release that is side by side has logged
        and not folded is folded. Raises RebuildRefused when another process builds.
        """
        async with self.connect() as versions:
            live = await versions.live()
            self._writes = LOG in live and live[LOG].own
            if not live:
                return ""
            foreign = [n for n in (LOG, *BY_TABLE) if n not in live or not live[n].own]
            replaced = sorted(await versions.replaced() & {*foreign})
        wanted = [name for name in foreign if name not in replaced]
        if wanted and LOG not in replaced:
            await self._build(wanted)
        if LOG not in foreign:
            async with self.connect() as versions:
                await self._catch_up(versions)
                if not live.keys() <= {LOG, *BY_TABLE} and await versions.retire_gone():
                    log.info("version.retired")
        if not replaced:
            return ""
        return (
            f"other code's versions of {', '.join(replaced)} replaced this code's: end this"
            " process, or run 'brobyg reporting rebuild' and 'switch' to go back to this code's"
        )

    async def _catch_up(self, versions: Versions) -> None:
        """Fold and mark what another release has logged and not known or not folded.

        Here and not in a process of its own: the consumer too folds so much in a transaction.
        """
        if self._marked and not await versions.lacking():
            return
        await follow(versions, on_offsets=lambda _: self.heartbeat.beat())
        async with versions.transaction():
            await versions.mark_known()
        self._marked = True

    async def _build(self, names: Sequence[str]) -> None:
        self._progress = ""
        building = asyncio.create_task(self.builder.build(names, self._note))
        try:
            while not building.done():
                self._tell(
                    f"other code wrote the live version of {', '.join(names)}; one of this code's"
                    f" is being built: {self._progress or 'begun'}"
                )
                await asyncio.wait({building}, timeout=_PROGRESS_EVERY)
        finally:
            building.cancel()
            await asyncio.gather(building, return_exceptions=True)
        result = building.result()
        log.info("version.switched", version=result.version, events=result.events)

    def _note(self, progress: str) -> None:
        self._progress = progress

    def _tell(self, trouble: str) -> None:
        """Tell what is in the way; log that the wait begins, and that it is over.

        The process is not ready only while the consumer waits too.
        """
        self.note = trouble
        if trouble and not self._writes:
            self.heartbeat.struggle(trouble)
        else:
            self.heartbeat.beat()
        if trouble and not self._waiting:
            log.warning("version.waiting")
        elif self._waiting and not trouble:
            log.info("version.wait_over")
        self._waiting = bool(trouble)
