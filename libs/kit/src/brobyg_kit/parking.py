"""Events that could not be handled: tried again with growing pauses, then dead.

Later events of the same subject wait behind a parked one. A parked row holds where the record is
(topic, partition, offset) and never its content: the record is read from Kafka again for each try.
What is dead is published on the service's dead-letter topic, in the transaction that declares it
dead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Row, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import cause_of
from brobyg_kit.errors import raised_at
from brobyg_kit.event import Event, LaterVersion, UndecodableEvent, UnknownWord
from brobyg_kit.tables import Instant, discarded_event, inbox, parked_event

#: Tries of one event before it is dead, the first included: about eleven minutes with the pauses.
MAX_ATTEMPTS = 7
#: Pauses between the tries of one event, seconds of wall time.
PAUSES = Backoff(first=0.5, longest=600.0, factor=4.0)

#: Why somebody gives up on a dead event.
DiscardReason = Literal["done_otherwise", "sent_again", "out_of_date", "mistaken"]
#: The same in words.
DISCARD_REASONS: Mapping[DiscardReason, str] = {
    "done_otherwise": "what it asks for has been done in another way",
    "sent_again": "its sender has sent it anew, or corrected it",
    "out_of_date": "what it says matters no more",
    "mistaken": "it should not have been sent",
}

_HELD = (
    select(
        parked_event.c.subject,
        parked_event.c.topic,
        parked_event.c.partition,
        parked_event.c.record_offset,
    )
    .where(parked_event.c.subject == func.any(bindparam("subjects", type_=ARRAY(Text))))
    .order_by(parked_event.c.id)
    .with_for_update()
)


def _from_now(seconds: float) -> ColumnElement[datetime]:
    return func.clock_timestamp(type_=Instant) + timedelta(seconds=seconds)


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a record is in Kafka."""

    topic: str
    partition: int
    offset: int

    def precedes(self, other: "Origin") -> bool:
        """Whether it comes before `other` in the same partition."""
        return (self.topic, self.partition) == (other.topic, other.partition) and (
            self.offset < other.offset
        )

    def __str__(self) -> str:
        """As operators write it: `topic[partition]@offset`."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Received(msgspec.Struct, frozen=True, gc=False):
    """An event and where it came from."""

    event: Event
    origin: Origin
    #: Why the record can't be read; `event` is then a placeholder.
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
    """The field that can't be read, else the kind of error and where in the code it was raised.

    Another error's text may quote a person's data and is left out.
    """
    if isinstance(error, UndecodableEvent):
        return str(error)
    kind, place = type(cause_of(error)).__name__, raised_at(error)
    return f"{kind} at {place}" if place else kind


def is_permanent(error: BaseException) -> bool:
    """Whether trying again can't help; an upgrade helps with what a later version says."""
    later = isinstance(error, UnknownWord | LaterVersion)
    return isinstance(error, UndecodableEvent) and not later


def dead_letter_topic(service: str) -> str:
    """The topic on which a service publishes what it could not handle."""
    return f"brobyg.{service}.dead-letter.v1"


class Parking:
    """The parked events of one service. Methods that take a `Transaction` act inside it."""

    def __init__(self, service: str) -> None:
        """For the service of this name."""
        self._service = service

    async def held(self, tx: Transaction, subjects: Sequence[str]) -> dict[str, Origin]:
        """Those of `subjects` that have something parked, with where the oldest of it is.

        Blocks while one of theirs is being retried, so that no later event slips in between.
        """
        rows = await tx.connection.execute(_HELD, {"subjects": list(subjects)})
        held: dict[str, Origin] = {}
        for subject, *place in rows:
            held.setdefault(subject, Origin(*place))
        return held

    async def wait_behind(self, tx: Transaction, received: Sequence[Received]) -> None:
        """Park these behind what is already parked of their subject."""
        reason = "waits behind an earlier event of the same subject"
        for one in received:
            await self._insert(tx, one, "waiting", reason, 0, None)

    async def park(
        self, tx: Transaction, received: Received, error: BaseException, *, permanent: bool = False
    ) -> None:
        """Park an event that failed for the first time; `permanent` when a retry can't help."""
        state, pause = ("dead", None) if permanent else ("retrying", PAUSES.after(1))
        row = await self._insert(tx, received, state, reason_of(error), 1, pause)
        if permanent:
            self._publish(tx, row)

    async def is_parked(self, tx: Transaction, event_id: str) -> bool:
        """Whether the event of this id is parked, in whatever state."""
        mine = select(parked_event.c.id).where(parked_event.c.event_id == event_id)
        return (await tx.connection.execute(mine)).first() is not None

    async def due(self, tx: Transaction) -> Parked | None:
        """One event whose pause is over, which no other process has locked; None without one."""
        found = await tx.connection.execute(
            select(parked_event)
            .where(
                parked_event.c.state == "retrying",
                parked_event.c.next_attempt_at <= func.clock_timestamp(),
            )
            .order_by(parked_event.c.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = found.one_or_none()
        return _parked(row) if row is not None else None

    async def claim(self, tx: Transaction, parked: Parked) -> bool:
        """Lock the event and all that waits behind it; False when another has tried it since."""
        found = await tx.connection.execute(
            select(parked_event.c.id, parked_event.c.state, parked_event.c.attempts)
            .where(parked_event.c.subject == parked.subject)
            .order_by(parked_event.c.id)
            .with_for_update()
        )
        as_it_was = (parked.id, "retrying", parked.attempts)
        return as_it_was in {tuple(row) for row in found}

    async def handled(self, tx: Transaction, parked: Parked) -> None:
        """Remove an event that was handled, and have the next of its subject tried at once."""
        await tx.connection.execute(delete(parked_event).where(parked_event.c.id == parked.id))
        first = select(func.min(parked_event.c.id)).where(parked_event.c.subject == parked.subject)
        await tx.connection.execute(
            update(parked_event)
            .where(parked_event.c.id == first.scalar_subquery(), parked_event.c.state == "waiting")
            .values(state="retrying", next_attempt_at=func.clock_timestamp())
        )

    async def put_off(self, tx: Transaction, parked: Parked) -> None:
        """Try again in 30 seconds, not counted as a try: the record can't be read just now."""
        await tx.connection.execute(
            update(parked_event)
            .where(parked_event.c.id == parked.id)
            .values(next_attempt_at=_from_now(30))
        )

    async def failed(
        self, tx: Transaction, parked: Parked, error: BaseException, *, permanent: bool = False
    ) -> None:
        """Record another failure: a longer pause, or dead after the last attempt.

        An event of a later major version never dies: it waits for the upgrade.
        No effect when another process has tried it meanwhile.
        """
        attempts = parked.attempts + 1
        dead = permanent or (attempts >= MAX_ATTEMPTS and not isinstance(error, LaterVersion))
        changed = await tx.connection.execute(
            update(parked_event)
            .where(
                parked_event.c.id == parked.id,
                parked_event.c.state == "retrying",
                parked_event.c.attempts == parked.attempts,
            )
            .values(
                state="dead" if dead else "retrying",
                reason=reason_of(error),
                attempts=attempts,
                last_failed_at=func.clock_timestamp(),
                next_attempt_at=None if dead else _from_now(PAUSES.after(attempts)),
            )
            .returning(parked_event)
        )
        if dead:
            self._publish(tx, changed.one_or_none())

    async def replay(self, tx: Transaction, ids: Sequence[int] | None) -> int:
        """Have dead events (all, or these) tried again at once, from attempt 1; how many."""
        statement = (
            update(parked_event)
            .where(parked_event.c.state == "dead")
            .values(state="retrying", attempts=0, next_attempt_at=func.clock_timestamp())
        )
        if ids is not None:
            statement = statement.where(parked_event.c.id.in_(ids))
        return (await tx.connection.execute(statement)).rowcount

    async def discard(
        self, tx: Transaction, ids: Sequence[int], reason: DiscardReason, actor: str
    ) -> int:
        """Drop these dead events and have what waits behind them tried; how many.

        It is kept why, and by whom: `actor` is an id that names nobody. Their ids go into the
        inbox: were their records read again, they would be handled after the events that have
        followed them. A service without an inbox has to drop them itself.
        """
        found = await tx.connection.execute(
            select(parked_event)
            .where(parked_event.c.state == "dead", parked_event.c.id.in_(ids))
            .order_by(parked_event.c.id)
            .with_for_update()
        )
        rows = found.all()
        await self._drop(tx, rows)
        kept = ("id", "event_id", "type", "topic", "partition", "record_offset")
        why = {"reason": reason, "actor": actor, "discarded_at": tx.now}
        for row in rows:
            values = {name: row._mapping[name] for name in kept} | why
            await tx.connection.execute(insert(discarded_event).values(values))
        return len(rows)

    async def replace(self, tx: Transaction, records: Sequence[Received]) -> None:
        """Drop what is parked of the same topic and key as one of `records`, up to that one.

        Whatever its state; their ids go into the inbox as with `discard`. What somebody put into
        another partition was parked before, whatever its offset. Blocks while one of theirs is
        being retried.
        """
        last: dict[tuple[str, str], Origin] = {}
        for one in records:
            key = one.origin.topic, one.event.subject
            if key not in last or not one.origin.precedes(last[key]):
                last[key] = one.origin
        found = await tx.connection.execute(
            select(parked_event)
            .where(parked_event.c.subject == func.any(bindparam("subjects", type_=ARRAY(Text))))
            .order_by(parked_event.c.id)
            .with_for_update(),
            {"subjects": list({subject for _, subject in last})},
        )
        await self._drop(
            tx,
            [
                row
                for row in found
                if (record := last.get((row.topic, row.subject)))
                and not record.precedes(Origin(row.topic, row.partition, row.record_offset))
            ],
        )

    async def _drop(self, tx: Transaction, rows: Sequence[Row[Any]]) -> None:
        """Remove these rows as handled, and have what waits behind them tried."""
        for row in rows:
            done = insert(inbox).values(event_id=row.event_id).on_conflict_do_nothing()
            await tx.connection.execute(done)
            await self.handled(tx, _parked(row))

    async def listed(self, database: Database, limit: int = 100, after: int = 0) -> list[Parked]:
        """The oldest `limit` parked events, of those with an id above `after`."""
        later = select(parked_event).where(parked_event.c.id > after)
        statement = later.order_by(parked_event.c.id).limit(limit)
        async with database.connect() as connection:
            return [_parked(row) for row in await connection.execute(statement)]

    async def counted(self, database: Database) -> int:
        """How many are parked in all."""
        async with database.connect() as connection:
            counted = await connection.execute(select(func.count(parked_event.c.id)))
        return int(counted.scalar_one())

    async def found(self, database: Database, id: int) -> Parked | None:
        """The parked event of this id; None when there is none."""
        async with database.connect() as connection:
            found = await connection.execute(select(parked_event).where(parked_event.c.id == id))
        row = found.one_or_none()
        return _parked(row) if row is not None else None

    async def state(self, tx: Transaction, id: int) -> str | None:
        """How the event of this id is; None when there is none."""
        mine = select(parked_event.c.state).where(parked_event.c.id == id)
        found: str | None = await tx.connection.scalar(mine)
        return found

    async def discarded(self, tx: Transaction, id: int) -> str | None:
        """Why the event of this id was given up on; None when it was not."""
        mine = select(discarded_event.c.reason).where(discarded_event.c.id == id)
        found: str | None = await tx.connection.scalar(mine)
        return found

    async def _insert(
        self,
        tx: Transaction,
        received: Received,
        state: str,
        reason: str,
        attempts: int,
        pause: float | None,
    ) -> "Row[Any] | None":
        """The new row; None when the event is parked already."""
        event, origin = received.event, received.origin
        statement = insert(parked_event).values(
            event_id=event.id,
            subject=event.subject,
            type=event.type,
            topic=origin.topic,
            partition=origin.partition,
            record_offset=origin.offset,
            state=state,
            reason=reason,
            attempts=attempts,
            next_attempt_at=None if pause is None else _from_now(pause),
        )
        unique = statement.on_conflict_do_nothing(index_elements=[parked_event.c.event_id])
        row: Row[Any] | None = (
            await tx.connection.execute(unique.returning(parked_event))
        ).one_or_none()
        return row

    def _publish(self, tx: Transaction, row: Row[Any] | None) -> None:
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
            "dead_at": tx.now,
        }
        tx.send(dead_letter_topic(self._service), dead.event_id, msgspec.json.encode(letter))


def _parked(row: Row[Any]) -> Parked:
    return Parked(
        id=row.id,
        event_id=row.event_id,
        subject=row.subject,
        type=row.type,
        origin=Origin(row.topic, row.partition, row.record_offset),
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        first_failed_at=row.first_failed_at,
        last_failed_at=row.last_failed_at,
    )
