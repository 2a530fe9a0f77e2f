"""Erasing people: what every service that holds something of them does, and the owner's proof.

The owner destroys, tells its history and keeps a proof (`begin`, `note`, `status`). Each other
service deletes what it had, remembers the id and acknowledges (`acknowledge`), in the transaction
of the event that told it. Again has no further effect, and is acknowledged again. Here stand ids
of people and names of services, nothing else.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, Instant, erased_person, erasure, erasure_acknowledgement, outbox

_e, _a = erasure.c, erasure_acknowledgement.c


@dataclass(frozen=True, slots=True)
class Missing:
    """A service that has not acknowledged yet."""

    service: str
    #: Since when it is waited for.
    since: datetime


@dataclass(frozen=True, slots=True)
class ErasureStatus:
    """The proof as it stands."""

    person_id: str
    reason: str
    actor: str
    requested_at: datetime
    key_destroyed_at: datetime
    #: The compacted topic that held what was said of the person; None where there was none.
    topic: str | None
    tombstoned_at: datetime | None
    compacted_at: datetime | None
    completed_at: datetime | None
    #: By service: when it was heard.
    acknowledged: dict[str, datetime]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Erasures:
    """A service's part in erasing people."""

    service: str
    #: The event by which a service says that all it had is deleted: `person_id`, `service`.
    acknowledgement: type[EventData]
    #: The events that tell of an erasure, whose subject is the person; the service's own too.
    kinds: tuple[type[EventData], ...]
    #: An owner's: the services that must acknowledge.
    expected: tuple[str, ...] = ()
    #: An owner's: the compacted topic that holds what is said of its people.
    topic: str | None = None

    async def acknowledge(self, tx: Transaction, person_id: str, cause: Event | None) -> None:
        """Remember the person as erased and say that nothing of them is held any more.

        What was held is deleted in the same transaction.
        """
        await remember(tx, [person_id])
        fields = {"person_id": person_id, "service": self.service}
        tx.emit(msgspec.convert(fields, self.acknowledgement), subject=person_id, cause=cause)

    async def begin(
        self, tx: Transaction, person_id: str, reason: str, actor: str, requested_at: datetime
    ) -> None:
        """The owner has destroyed the person's key in this transaction: keep that as a proof.

        Sends the tombstone. `actor` names nobody, see `attention.actor_of`.
        """
        await remember(tx, [person_id])
        row = {
            "person_id": person_id,
            "reason": reason,
            "actor": actor,
            "requested_at": requested_at,
            "expected": list(self.expected),
            "topic": self.topic,
            "key_destroyed_at": tx.now,
        }
        await tx.connection.execute(insert(erasure).values(row).on_conflict_do_nothing())
        if self.topic is not None:
            # What waits to be said of them must not reach the topic any more.
            waiting = outbox.c.topic == self.topic, outbox.c.key == person_id
            await tx.connection.execute(delete(outbox).where(*waiting))
            tx.send_tombstone(self.topic, person_id)

    async def note(self, tx: Transaction, said: Collection[tuple[str, str]]) -> None:
        """These services have acknowledged, each as person and service; the first time counts.

        Those of people whom this service has not erased are another owner's.
        """
        await lock(tx, {person for person, _ in said})
        given = unnest({"person_id": Id, "service": Text()}, sorted(set(said)))
        rows = select(
            given.c.person_id, given.c.service, bindparam("now", tx.now, type_=Instant)
        ).join(erasure, _e.person_id == given.c.person_id)
        columns = [_a.person_id, _a.service, _a.acknowledged_at]
        await tx.connection.execute(
            insert(erasure_acknowledgement).from_select(columns, rows).on_conflict_do_nothing()
        )
        await complete(tx, {person for person, _ in said})


async def remember(tx: Transaction, person_ids: Collection[str]) -> None:
    """From now on these are erased here."""
    given = unnest({"person_id": Id}, [(one,) for one in sorted(set(person_ids))])
    rows = select(given.c.person_id, bindparam("now", tx.now, type_=Instant))
    statement = insert(erased_person).from_select(
        [erased_person.c.person_id, erased_person.c.erased_at], rows
    )
    await tx.connection.execute(statement.on_conflict_do_nothing())


async def erased(tx: Transaction, person_ids: Collection[str]) -> set[str]:
    """Those of these who are erased here.

    Whoever is about to store something of a person asks with a lock held that their erasure takes
    too: else the two pass each other by.
    """
    if not person_ids:
        return set()
    wanted = func.any(bindparam("people", list(person_ids), type_=ARRAY(Id)))
    found = await tx.connection.scalars(
        select(erased_person.c.person_id).where(erased_person.c.person_id == wanted)
    )
    return set(found)


async def lock(tx: Transaction, person_ids: Collection[str]) -> None:
    """Hold these erasures, so that the last of what they wait for sees all before it."""
    wanted = func.any(bindparam("people", sorted(person_ids), type_=ARRAY(Id)))
    await tx.connection.execute(
        select(_e.person_id)
        .where(_e.person_id == wanted)
        .order_by(_e.person_id)
        .with_for_update(key_share=True)
    )


async def complete(tx: Transaction, person_ids: Collection[str]) -> None:
    """Set `completed_at` of those of these erasures of which nothing is missing any more.

    They are locked.
    """
    heard: Any = (
        select(func.coalesce(func.array_agg(_a.service), literal([], ARRAY(Text))))
        .where(_a.person_id == _e.person_id)
        .scalar_subquery()
    )
    await tx.connection.execute(
        update(erasure)
        .where(
            _e.person_id == func.any(bindparam("people", sorted(person_ids), type_=ARRAY(Id))),
            _e.completed_at.is_(None),
            or_(_e.topic.is_(None), _e.compacted_at.is_not(None)),
            _e.expected.op("<@")(heard),
        )
        .values(completed_at=tx.now)
    )


async def status(connection: AsyncConnection, person_id: str) -> ErasureStatus | None:
    """The proof; None when this service has erased nobody of this id."""
    found = await connection.execute(select(erasure).where(_e.person_id == person_id))
    row = found.one_or_none()
    if row is None:
        return None
    said = await connection.execute(
        select(_a.service, _a.acknowledged_at)
        .where(_a.person_id == person_id)
        .order_by(_a.acknowledged_at, _a.service)
    )
    acknowledged = {one.service: one.acknowledged_at for one in said}
    return ErasureStatus(
        person_id=row.person_id,
        reason=row.reason,
        actor=row.actor,
        requested_at=row.requested_at,
        key_destroyed_at=row.key_destroyed_at,
        topic=row.topic,
        tombstoned_at=row.tombstoned_at,
        compacted_at=row.compacted_at,
        completed_at=row.completed_at,
        acknowledged=acknowledged,
        missing=tuple(
            Missing(one, row.requested_at) for one in row.expected if one not in acknowledged
        ),
    )
