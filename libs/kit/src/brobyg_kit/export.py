"""All that a service holds of a person, for themselves (GDPR art. 15 and 20).

Each table of a service stands in one of its sections or is exempt with the reason: `unaccounted`
names the others, so that nothing is forgotten that is added later.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, LargeBinary, Table, select

from brobyg_kit import tables
from brobyg_kit.database import Transaction
from brobyg_kit.tables import access_entry, attention, restriction

#: Rows, of which each field is a plain value of JSON.
Rows: TypeAlias = list[dict[str, Any]]
#: What is held of the person of this id, read in the transaction.
Read: TypeAlias = Callable[[Transaction, str], Awaitable[Rows]]
#: Which rows are about the person of this id.
About: TypeAlias = Callable[[str], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of people under one heading."""

    #: In plain English; translated where it is read.
    heading: str
    #: The tables that it is read from.
    tables: tuple[str, ...]
    #: Its fields, by which a reader finds words for them.
    fields: tuple[str, ...]
    read: Read

    def edited(self, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> "Held":
        """The same, with each row as `edit` gives it."""
        read = self.read

        async def edited(tx: Transaction, person_id: str) -> Rows:
            return [edit(row) for row in await read(tx, person_id)]

        return replace(self, read=edited)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a service holds of people."""

    #: By what they are: `citizens`, `volunteers`.
    sections: Mapping[str, Sequence[Held]]
    #: Tables that are told to nobody, with the reason.
    exempt: Mapping[str, str]


#: Columns that tell which of the staff it was: no export does, each tells their role at most.
STAFF = frozenset(
    {"actor", "claimed_by", "reader", "settled_by", "subject", "taken_by", "withdrawn_by"}
)  # fmt: skip


def held(heading: str, table: Table, about: About, *, without: Collection[str] = ()) -> Held:
    """The rows of a table. Left out are keys, hashes, ciphertext, staff and `without`."""
    columns = [
        one
        for one in table.c
        if one.name not in STAFF.union(without) and not isinstance(one.type, LargeBinary)
        and one.identity is None
    ]  # fmt: skip
    order = list(table.primary_key) or columns

    async def read(tx: Transaction, person_id: str) -> Rows:
        found = await tx.connection.execute(
            select(*columns).where(about(person_id)).order_by(*order)
        )
        return [{name: plain(value) for name, value in row.items()} for row in found.mappings()]

    return Held(heading, (str(table.name),), tuple(one.name for one in columns), read)


def plain(value: Any) -> Any:
    """A column's value as JSON has it; of a range its two ends."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if hasattr(value, "lower") and hasattr(value, "upper"):
        return [plain(value.lower), plain(value.upper)]
    return str(value)


#: What the kit itself holds of anybody, in every service.
OF_ANYBODY = (
    held("Restrictions of what is done with it", restriction, lambda who: _is(restriction, who)),
    held(
        "When your data was seen, and what for",
        access_entry,
        lambda who: _is(access_entry, who),
        without=("seal",),
    ),
)
#: What needed a human, of those whose ids stand in it as `citizen_id`.
ATTENTION = held(
    "What a coordinator had to look at",
    attention,
    lambda who: attention.c.body["citizen_id"].astext == who,
)
#: Why the kit's other tables are told to nobody.
KIT_EXEMPT: Mapping[str, str] = {
    "outbox": "Copies on their way out, for seconds, of what is told where it is kept.",
    "replica": "Reference data, which is about nobody.",
    "stream": "Counts events by the id that they are about.",
    "inbox": "Ids of events that were handled.",
    "timer": "When an id is to be looked at next.",
    "discarded_event": "Which event was given up on, and nothing of what it says.",
    "parked_event": "Where an event is that could not be handled, and nothing of what it says.",
    "erased_person": "That an id was erased: nobody is left to be told.",
    "erasure": "The proof that an id was erased, which its own route tells.",
    "erasure_acknowledgement": "The proof that an id was erased, which its own route tells.",
    "access_seal": "Hashes over the access log, which is told.",
    "erasures_replayed": "How far the history was looked through.",
}


def _is(table: Table, person_id: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = table.c.person_id == person_id
    return found


def unaccounted(holdings: Holdings, own: Iterable[Table]) -> list[str]:
    """The tables that are neither exported nor exempt, and names that are no table's."""
    there = {str(one.name) for one in (*tables.metadata.tables.values(), *own)}
    told = {
        name for parts in holdings.sections.values() for part in parts for name in part.tables
    }  # fmt: skip
    exempt = {*KIT_EXEMPT, *holdings.exempt}
    return sorted((there - told - exempt) | ((told | exempt) - there))
