"""One batch: a transaction with its inbox; halved where it fails, down to the event to park.

Effects, inbox rows and outbox rows commit together, and offsets follow. A crash in between brings
the batch again, and the inbox drops it: one effect per event id.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import compress
from zlib import crc32

import asyncpg
from sqlalchemy import ARRAY, bindparam, func, select

from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import (
    is_never_the_callers,
    is_transient,
    is_waited_out,
    trouble_of,
)
from brobyg_kit.event import LaterVersion, UnknownWord
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Parking, Received, is_permanent
from brobyg_kit.statements import array_literal
from brobyg_kit.subscription import Subscription
from brobyg_kit.tables import Id, inbox
from brobyg_kit.unknown import Unknown, shown

log = get_logger(__name__)

#: Seconds of wall time before an error that looks like the database's, while the database answers,
#: is attributed to an event: a statement that can never end in time would else be tried for ever.
PATIENCE = 30.0
#: Parts of a batch that are handled beside each other, see `Subscription.locked_by`.
_PARTS = 2
#: On the driver: it is one of the two hottest statements, and goes without a result as a rule.
_INBOX = "insert into inbox (event_id) select unnest($1::text::uuid[])"
_KNOWN = select(inbox.c.event_id).where(
    inbox.c.event_id == func.any(bindparam("ids", type_=ARRAY(Id)))
)


class Interrupted(Exception):
    """Waiting for the database was ended by a stop or a rebalance; no offset was committed."""


class Batches:
    """Handles the batches of one subscription. Several may be in hand at once."""

    def __init__(self, database: Database, subscription: Subscription, metrics: Metrics) -> None:
        """`database` is open before the first batch."""
        self._database, self._subscription, self._metrics = database, subscription, metrics
        self.parking = Parking(subscription.service)
        self.unknown = Unknown(subscription.types, metrics)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Stop waiting for the database: what waits raises Interrupted."""
        self._stopped.set()

    async def until_done(
        self,
        heartbeat: Heartbeat,
        work: Callable[[bool], Awaitable[None]],
        given_up: asyncio.Event | None = None,
    ) -> None:
        """Do `work`, again after a growing pause while the database prevents it.

        `work` is told whether an ambiguous error is to be attributed to an event: when it has
        gone on for longer than `PATIENCE` and the database answers. Raises Interrupted instead of
        trying again after `stop` or once `given_up` is set, and whatever `work` raises that is no
        trouble with the database.
        """
        began, backoff, blaming = time.monotonic(), Backoff(), False
        while True:
            try:
                await work(blaming)
                return
            except Exception as error:
                if not is_waited_out(error):
                    raise
                self._metrics.consumer_retries.inc()
                pause = backoff.next()
                heartbeat.struggle(trouble_of(error))
                log.warning("consumer.retrying", error=error, retry_seconds=pause)
            await self._pause(pause, given_up)
            blaming = time.monotonic() - began >= PATIENCE and await self._database.answers()

    async def _pause(self, seconds: float, given_up: asyncio.Event | None) -> None:
        """Sleep for so many seconds; raise Interrupted once stopped or `given_up`."""
        events = [self._stopped] if given_up is None else [self._stopped, given_up]
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            done, _ = await asyncio.wait(
                waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()
        if done:
            raise Interrupted

    async def process(
        self,
        batch: Sequence[Received],
        *,
        blaming: bool = False,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """Handle each part of the batch in one transaction, see `Subscription.locked_by`.

        A part that fails is halved, down to one to park; the others are carried through first.
        `heartbeat` is updated before each half, as each may take as long as a statement's timeout.

        Raises what `is_waited_out` when the database is at fault; what was committed by then
        stays and is not done twice. With `blaming`, a transient error too is attributed to an
        event as long as the database answers.
        """
        parts = [
            self._halving(part, blaming=blaming, heartbeat=heartbeat)
            for part in self._apart(batch)
            if part
        ]
        for error in await asyncio.gather(*parts, return_exceptions=True):
            if error is not None:
                raise error

    def _apart(self, batch: Sequence[Received]) -> Sequence[Sequence[Received]]:
        """Those of one subject are in one part, in their order, and so are those of one lock."""
        locked_by = self._subscription.locked_by
        if locked_by is None or len(batch) == 1:
            return [batch]
        parts: list[list[Received]] = [[] for _ in range(_PARTS)]
        of_subject: dict[str, list[Received]] = {}
        for one in batch:
            subject = one.event.subject
            part = of_subject.get(subject)
            if part is None:
                lock = "" if one.error is not None else locked_by(one.event)
                part = parts[crc32((lock or subject).encode()) % _PARTS]
                of_subject[subject] = part
            part.append(one)
        return parts

    async def _halving(
        self, batch: Sequence[Received], *, blaming: bool, heartbeat: Heartbeat | None
    ) -> None:
        try:
            await self._in_one_transaction(batch)
        except Exception as error:
            if not await self.is_the_events(error, blaming=blaming):
                raise
            if len(batch) == 1:
                await self._give_up(batch[0], error)
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                if heartbeat is not None:
                    heartbeat.struggle(f"looks for the event at fault ({type(error).__name__})")
                await self._halving(half, blaming=blaming, heartbeat=heartbeat)

    async def is_the_events(self, error: Exception, *, blaming: bool) -> bool:
        """Whether an event is at fault, and not the database: then none must be parked."""
        if is_never_the_callers(error):
            return False
        return not is_transient(error) or (blaming and await self._database.answers())

    async def handle_alone(self, tx: Transaction, one: Received) -> None:
        """Handle one event that was parked, unless it was handled after all."""
        if one.error is not None:
            raise one.error
        if not self._subscription.inbox or await self._new(tx, [one]):
            await self._replace_parked(tx, [one])
            await self._handle(tx, [one])
            tx.after_commit(lambda: self.unknown.look([one]))

    async def _give_up(self, one: Received, error: Exception) -> None:
        """Park the event, unless it is passed over. What a later version says is counted.

        One of a later major version waits for the upgrade, and what follows on its subject with it.
        """
        async with self._database.transaction() as tx:
            if self.is_passed_over(one, error):
                await self.pass_over(tx, one, error)
                return
            log.error("event.parked", error=error, origin=str(one.origin), type=one.event.type)
            await self.parking.park(tx, one, error, permanent=is_permanent(error))
            if isinstance(error, UnknownWord):
                self._count_passed_over(tx, one)
            elif isinstance(error, LaterVersion):
                tx.after_commit(lambda: self.unknown.count(one))

    def is_passed_over(self, one: Received, error: Exception) -> bool:
        """Whether it has a word of a later version: parked, it would hold up its subject.

        A record of a compacted topic is tried again instead: it holds up none of its key, and says
        how something is until the next one comes, which may be never.
        """
        return (
            isinstance(error, UnknownWord) and one.origin.topic not in self._subscription.compacted
        )

    async def pass_over(self, tx: Transaction, one: Received, error: Exception) -> None:
        """Mark the event as handled, without effect."""
        log.warning("event.passed_over", error=error, origin=str(one.origin), type=one.event.type)
        if self._subscription.inbox:
            await self._new(tx, [one])
        self._count_passed_over(tx, one)

    def _count_passed_over(self, tx: Transaction, one: Received) -> None:
        tx.after_commit(self._metrics.events_passed_over.labels(shown(one.event.type)).inc)
        tx.after_commit(lambda: self.unknown.count(one))

    async def _in_one_transaction(self, batch: Sequence[Received]) -> None:
        async with self._database.transaction() as tx:
            received = await self._to_handle(tx, batch)
            await self._handle(tx, received)
        for kind, number in Counter([shown(one.event.type) for one in received]).items():
            self._metrics.events_handled.labels(kind).inc(number)
        self.unknown.look(received)

    async def _handle(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Store what is copied, and give the service what it handles."""
        copies = self._subscription.copies
        if copies is not None:
            await copies.keep(tx, batch)
            batch = [one for one in batch if one.origin.topic not in copies.only_copied]
        events = [one.event for one in batch]
        if events:
            await self._subscription.handle(tx, events)

    async def _to_handle(self, tx: Transaction, batch: Sequence[Received]) -> Sequence[Received]:
        """Those that were not handled before and need not wait behind a parked one, in order.

        A record of a compacted topic never waits: it replaces those of its key before it.
        """
        compacted = self._subscription.compacted
        held = await self.parking.held(tx, list({one.event.subject for one in batch}))
        if held:
            waits = [
                one.event.subject in held and one.origin.topic not in compacted for one in batch
            ]
            behind = list(compress(batch, waits))
            await self.parking.wait_behind(tx, await self._not_handled(tx, behind, held))
            batch = [one for one, must in zip(batch, waits, strict=True) if not must]
        if self._subscription.inbox:
            new = await self._new(tx, batch)
            self._metrics.events_repeated.inc(len(batch) - len(new))
            batch = new
        if held:
            await self._replace_parked(tx, batch)
        for one in batch:
            if one.error is not None:
                raise one.error
        return batch

    async def _replace_parked(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Drop what is parked of the keys of those of `batch` that are of a compacted topic."""
        compacted = self._subscription.compacted
        records = [one for one in batch if one.origin.topic in compacted]
        if records:
            await self.parking.replace(tx, records)

    async def _not_handled(
        self, tx: Transaction, batch: Sequence[Received], held: Mapping[str, Origin]
    ) -> Sequence[Received]:
        """Those that were not handled before, which need not wait when they come again.

        Without an inbox: those that come after what is parked of their subject.
        """
        if not self._subscription.inbox:
            return [one for one in batch if not one.origin.precedes(held[one.event.subject])]
        ids = [one.event.id for one in batch]
        known = set((await tx.connection.execute(_KNOWN, {"ids": ids})).scalars())
        return [one for one in batch if str(uuid.UUID(one.event.id)) not in known]

    async def _new(self, tx: Transaction, batch: Sequence[Received]) -> Sequence[Received]:
        """Those whose id is not in the inbox yet; now it is.

        Usually all are new, and `on conflict` costs PostgreSQL twice the work.
        """
        ids = array_literal([one.event.id for one in batch])
        try:
            async with tx.driver.transaction():
                await tx.driver.execute(_INBOX, ids)
            return batch
        except asyncpg.UniqueViolationError:
            rows = await tx.driver.fetch(f"{_INBOX} on conflict do nothing returning event_id", ids)
        new, fresh = {row["event_id"] for row in rows}, []
        for one in batch:
            if (event_id := uuid.UUID(one.event.id)) in new:
                new.discard(event_id)  # the same event twice in one batch
                fresh.append(one)
        return fresh
