"""What needs a human: items that a service raises, and that a human claims and settles.

The kinds, outcomes and event types are the service's. An item's id is derived from what it is
about, so that raising it again is no second item. Everything is done in the caller's transaction,
which carries the events.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import Text, bindparam, case, not_, null, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from brobyg_kit.database import Transaction
from brobyg_kit.errors import KitError
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.ids import derived_id
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, Instant, attention

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Item(EventData, Protocol):
    """The event that raises an item: all that is known of it, with its kind and department."""

    @property
    def attention_id(self) -> str:
        """See `attention_id`."""


class NoSuchItem(KitError):
    """There is no such item, or it is another department's."""


class ItemClaimed(KitError):
    """Somebody else has claimed the item."""


class ItemSettled(KitError):
    """The item is settled already, otherwise or by somebody else."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it is now."""

    attention_id: str
    kind: str
    department: str
    raised_at: datetime
    #: Who looks at it; None while nobody does.
    claimed_by: str | None = None
    #: Who settled it, when and how; None while it is open.
    settled_by: str | None = None
    settled_at: datetime | None = None
    outcome: str | None = None


def attention_id(kind: str, *about: str) -> str:
    """The id of the item of this kind about these ids: the same each time it is raised."""
    return derived_id("attention", kind, *about)


def actor_of(subject: str) -> str:
    """A token's subject as it stands in an event, which is kept for ever.

    A UUID as it is. Anything else may be an address or a person's number, and becomes a derived
    id: whoever compares an actor with a caller compares it with this.
    """
    return subject if _UUID.fullmatch(subject) else derived_id("actor", subject)


class Attention:
    """The items of one service."""

    def __init__(
        self, source: str, claimed: type[EventData], settled: type[EventData], no_longer_so: str
    ) -> None:
        """`claimed` and `settled` are the types of the events beside the one that raises an item.

        `claimed` has the fields attention_id, actor and department; `settled` has outcome too, and
        any fields of the raising event. `source` is the actor when the service settles an item
        itself, with the outcome `no_longer_so`.
        """
        self.source = source
        self._claimed, self._settled = claimed, settled
        self._no_longer_so = no_longer_so

    async def raise_(self, tx: Transaction, items: Iterable[tuple[Item, Event | None]]) -> None:
        """Raise these items, each with the event that led to it, and publish what is news.

        News is one that is new, settled, or says something else than before. One that is open and
        says the same is left as it is. A settled one opens again, claimed by nobody; an open one
        that says something else keeps its claim. Of two with one id the last counts.
        """
        given = {item.attention_id: (item, cause) for item, cause in items}
        if not given:
            return
        news = await _write(
            tx, {key: msgspec.json.decode(encode_data(item)) for key, (item, _) in given.items()}
        )
        for key, (item, cause) in given.items():
            if key in news:
                tx.emit(item, subject=key, cause=cause)

    async def settle_own(
        self, tx: Transaction, ids: Mapping[str, Event | None], outcome: str | None = None
    ) -> None:
        """Settle those of these items that are open, as what they were raised for is no longer so.

        Or with the `outcome` of what somebody has done about it; each with the event that says so.
        Those that are settled or never were are passed over.
        """
        if not ids:
            return
        outcome = outcome or self._no_longer_so
        still_open = (
            select(attention.c.attention_id)
            .where(attention.c.attention_id.in_(ids), attention.c.settled_at.is_(None))
            .order_by(attention.c.attention_id)
            .with_for_update()
        )
        rows = await tx.connection.execute(
            update(attention)
            .where(attention.c.attention_id.in_(still_open))
            .values(settled_by=self.source, settled_at=tx.now, outcome=outcome)
            .returning(attention.c.body)
        )
        for body in sorted(rows.scalars(), key=lambda one: str(one["attention_id"])):
            self._tell_settled(tx, body, self.source, outcome, ids[body["attention_id"]])

    async def claim(
        self,
        tx: Transaction,
        item: str,
        actor: str,
        departments: Collection[str] | None,
        *,
        take_over: bool = False,
    ) -> StoredItem:
        """Let `actor` have the item; no effect when they have it.

        Only items of `departments` are there; None for all. Raises NoSuchItem, ItemSettled, and
        ItemClaimed when another has it, unless it is to be taken over from them.
        """
        found, _ = await _locked(tx, item, departments)
        if found.settled_at is not None:
            raise ItemSettled("the item is settled")
        if found.claimed_by == actor:
            return found
        if found.claimed_by is not None and not take_over:
            raise ItemClaimed("somebody else has claimed the item")
        changed = await _update(tx, item, claimed_by=actor)
        fields = {"attention_id": item, "actor": actor, "department": found.department}
        said = msgspec.convert(fields, self._claimed)
        tx.emit(said, subject=item)
        return changed

    async def settle(
        self,
        tx: Transaction,
        item: str,
        actor: str,
        departments: Collection[str] | None,
        outcome: str,
    ) -> StoredItem:
        """Settle the item, whoever has claimed it; no effect when `actor` has settled it so.

        Only items of `departments` are there; None for all. Raises NoSuchItem, and ItemSettled when
        it is settled otherwise or by another.
        """
        found, body = await _locked(tx, item, departments)
        if found.settled_at is not None:
            if (found.settled_by, found.outcome) == (actor, outcome):
                return found
            raise ItemSettled("the item is settled already")
        changed = await _update(tx, item, settled_by=actor, settled_at=tx.now, outcome=outcome)
        self._tell_settled(tx, body, actor, outcome, None)
        return changed

    def _tell_settled(
        self,
        tx: Transaction,
        body: Mapping[str, object],
        actor: str,
        outcome: str,
        cause: Event | None,
    ) -> None:
        fields = self._settled.__annotations__
        same = {name: value for name, value in body.items() if name in fields}
        said = msgspec.convert({**same, "actor": actor, "outcome": outcome}, self._settled)
        tx.emit(said, subject=str(body["attention_id"]), cause=cause)


_GIVEN: dict[str, Any] = {"attention_id": Id, "kind": Text(), "department": Text(), "body": JSONB()}
_STORED = [c for c in attention.c if c.name != "body"]


async def _write(tx: Transaction, bodies: Mapping[str, Any]) -> set[str]:
    """Write those that are news, in the order of their ids; return theirs."""
    rows = unnest(
        _GIVEN,
        [(key, body["kind"], body["department"], body) for key, body in sorted(bodies.items())],
    )
    names = [*_GIVEN, "raised_at"]
    statement = insert(attention).from_select(
        names, select(*rows.c, bindparam("raised_at", tx.now, type_=Instant))
    )
    given, is_open = statement.excluded, attention.c.settled_at.is_(None)
    news = await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[attention.c.attention_id],
            set_={
                "department": given.department,
                "body": given.body,
                "raised_at": case((is_open, attention.c.raised_at), else_=given.raised_at),
                "claimed_by": case((is_open, attention.c.claimed_by)),
                "settled_by": null(),
                "settled_at": null(),
                "outcome": null(),
            },
            where=or_(not_(is_open), attention.c.body != given.body),
        ).returning(attention.c.attention_id)
    )
    return set(news.scalars())


async def _locked(
    tx: Transaction, item: str, departments: Collection[str] | None
) -> tuple[StoredItem, dict[str, object]]:
    row = (
        await tx.connection.execute(
            select(*_STORED, attention.c.body)
            .where(attention.c.attention_id == item)
            .with_for_update()
        )
    ).one_or_none()
    if row is None or (departments is not None and row.department not in departments):
        raise NoSuchItem("there is no such item")
    return StoredItem(*row[:-1]), row.body


async def _update(tx: Transaction, item: str, **values: object) -> StoredItem:
    statement = update(attention).where(attention.c.attention_id == item).values(**values)
    return StoredItem(*(await tx.connection.execute(statement.returning(*_STORED))).one())
