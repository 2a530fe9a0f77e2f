"""Events that could not be handled: tried again with growing pauses, then dead; those of the same subject wait behind.

A parked row holds where the record is (topic, partition, offset) and never its content: the record is read from Kafka again when it is
tried. What is dead is published in the service's dead-letter topic, in the transaction that declares it dead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import msgspec

from brobyg_kit.database import Transaction, array_literal
from brobyg_kit.event import Event

#: Tries of one event before it is dead, the first included. With the pauses below that is about eleven minutes.
MAX_ATTEMPTS = 7
#: Pause after the first failure (seconds of wall time); each following one is four times as long.
FIRST_PAUSE = 0.5


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """As operators write it: `topic[partition]@offset`."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Received(msgspec.Struct, frozen=True, gc=False):
    """An event and where it came from."""

    event: Event
    origin: Origin
    #: Why the record can't be read, when `event` only stands for it.
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked event, as `brobyg dlq` shows it."""

    id: int
    event_id: str
    subject: str
    type: str
    origin: Origin
    state: str
    reason: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime


def reason_of(error: BaseException) -> str:
    """Why, as the kind of error and where it was raised: an error's text may quote a person's data and is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else ""
    )
    return f"{type(error).__name__}{place}"


def dead_letter_topic(service: str) -> str:
    """The topic in which a service publishes what it could not handle."""
    return f"brobyg.{service}.dead-letter.v1"


class Parking:
    """The parked events of one service, in its own database. All methods act inside the caller's transaction."""

    def __init__(self, service: str) -> None:
        """For the service of this name."""
        self._service = service

    async def held(self, tx: Transaction, subjects: Sequence[str]) -> set[str]:
        """Those of `subjects` that have something parked. Waits for a retry of theirs that is under way, so none slips in between."""
        rows = await tx.connection.fetch(
            "select subject from parked_event where subject = any($1::text::text[]) order by id for update",
            array_literal(subjects),
        )
        return {row["subject"] for row in rows}

    async def wait_behind(self, tx: Transaction, received: Sequence[Received]) -> None:
        """Let these wait behind what is parked of their subject."""
        for one in received:
            await self._insert(
                tx, one, "waiting", "waits behind an earlier event of the same subject", 0, None
            )

    async def park(
        self, tx: Transaction, received: Received, error: BaseException, *, permanent: bool = False
    ) -> None:
        """Put aside an event whose handling failed for the first time; `permanent` when trying again cannot help."""
        if permanent:
            self._publish(tx, await self._insert(tx, received, "dead", reason_of(error), 1, None))
        else:
            await self._insert(
                tx, received, "retrying", reason_of(error), 1, timedelta(seconds=FIRST_PAUSE)
            )

    async def due(self, tx: Transaction) -> Parked | None:
        """One event whose pause is over, not locked; None when there is none."""
        row = await tx.connection.fetchrow(
            "select * from parked_event where state = 'retrying'"
            " and next_attempt_at <= clock_timestamp()"
            " order by next_attempt_at limit 1 for update skip locked"
        )
        return _parked(row) if row is not None else None

    async def claim(self, tx: Transaction, parked: Parked) -> bool:
        """Lock the event with all that waits behind it; False when another has tried it since."""
        rows = await tx.connection.fetch(
            "select id, state, attempts from parked_event where subject = $1 order by id for update",
            parked.subject,
        )
        as_it_was = (parked.id, "retrying", parked.attempts)
        return any((row["id"], row["state"], row["attempts"]) == as_it_was for row in rows)

    async def handled(self, tx: Transaction, parked: Parked) -> None:
        """The event went through: forget it, and let the next of its subject try at once."""
        await tx.connection.execute("delete from parked_event where id = $1", parked.id)
        await tx.connection.execute(
            "update parked_event set state = 'retrying', next_attempt_at = clock_timestamp()"
            " where id = (select min(id) from parked_event where subject = $1) and state = 'waiting'",
            parked.subject,
        )

    async def put_off(self, tx: Transaction, parked: Parked) -> None:
        """The event's record can't be read just now: later, and not counted as a try."""
        await tx.connection.execute(
            "update parked_event set next_attempt_at = clock_timestamp() + $2::interval where id = $1",
            parked.id,
            timedelta(seconds=30),
        )

    async def failed(
        self, tx: Transaction, parked: Parked, error: BaseException, *, permanent: bool = False
    ) -> None:
        """The event failed again: a longer pause, or dead after the last try. No effect when somebody else has tried it meanwhile."""
        attempts = parked.attempts + 1
        dead = permanent or attempts >= MAX_ATTEMPTS
        row = await tx.connection.fetchrow(
            "update parked_event set state = $2, reason = $3, attempts = $4, last_failed_at = clock_timestamp(),"
            " next_attempt_at = clock_timestamp() + $5::interval"
            " where id = $1 and state = 'retrying' and attempts = $4 - 1 returning *",
            parked.id,
            "dead" if dead else "retrying",
            reason_of(error),
            attempts,
            None if dead else timedelta(seconds=FIRST_PAUSE * 4 ** (attempts - 1)),
        )
        if dead:
            self._publish(tx, row)

    async def replay(self, tx: Transaction, ids: Sequence[int] | None) -> int:
        """Have dead events (all, or these) tried again at once, from a fresh count; how many."""
        status = await tx.connection.execute(
            "update parked_event set state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp()"
            " where state = 'dead' and ($1::bigint[] is null or id = any($1))",
            list(ids) if ids is not None else None,
        )
        return int(status.split()[-1])

    async def discard(self, tx: Transaction, ids: Sequence[int]) -> int:
        """Give up on these dead events for good and let what waits behind them through; how many.

        Their ids go into the inbox: were their records read again, they would be handled after what has followed them.
        """
        rows = await tx.connection.fetch(
            "select * from parked_event where state = 'dead' and id = any($1::bigint[]) order by id for update",
            list(ids),
        )
        await tx.connection.execute(
            "insert into inbox (event_id) select unnest($1::uuid[]) on conflict do nothing",
            [row["event_id"] for row in rows],
        )
        for row in rows:
            await self.handled(tx, _parked(row))
        return len(rows)

    async def listed(
        self, connection: "asyncpg.Pool[asyncpg.Record]", limit: int = 100
    ) -> list[Parked]:
        """The oldest `limit` parked events."""
        return [
            _parked(row)
            for row in await connection.fetch(
                "select * from parked_event order by id limit $1", limit
            )
        ]

    async def counted(self, connection: "asyncpg.Pool[asyncpg.Record]") -> int:
        """How many are parked in all."""
        return int(await connection.fetchval("select count(*) from parked_event"))

    async def found(self, connection: "asyncpg.Pool[asyncpg.Record]", id: int) -> Parked | None:
        """The parked event of this id; None when there is none."""
        row = await connection.fetchrow("select * from parked_event where id = $1", id)
        return _parked(row) if row is not None else None

    async def _insert(
        self,
        tx: Transaction,
        received: Received,
        state: str,
        reason: str,
        attempts: int,
        pause: timedelta | None,
    ) -> asyncpg.Record | None:
        """The new row; None when the event is parked already."""
        event, origin = received.event, received.origin
        return await tx.connection.fetchrow(
            "insert into parked_event (event_id, subject, type, topic, partition, record_offset, state, reason, attempts, next_attempt_at)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10::interval) on conflict (event_id) do nothing returning *",
            event.id, event.subject, event.type, origin.topic, origin.partition, origin.offset, state, reason, attempts, pause,
        )  # fmt: skip

    def _publish(self, tx: Transaction, row: asyncpg.Record | None) -> None:
        if row is None:
            return
        dead = _parked(row)
        letter = {
            "service": self._service,
            "event_id": dead.event_id,
            "event_type": dead.type,
            "origin": dead.origin,
            "reason": dead.reason,
            "attempts": dead.attempts,
            "first_failed_at": dead.first_failed_at,
            "last_failed_at": dead.last_failed_at,
            "dead_at": tx.clock.now(),
        }
        tx.send(dead_letter_topic(self._service), dead.event_id, msgspec.json.encode(letter))


def _parked(row: asyncpg.Record) -> Parked:
    return Parked(
        id=row["id"],
        event_id=str(row["event_id"]),
        subject=row["subject"],
        type=row["type"],
        origin=Origin(row["topic"], row["partition"], row["record_offset"]),
        state=row["state"],
        reason=row["reason"],
        attempts=row["attempts"],
        first_failed_at=row["first_failed_at"],
        last_failed_at=row["last_failed_at"],
    )
