"""Rows of the database as values of the domain, and back."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

import asyncpg
import msgspec
from brobyg_contracts import SeatWanted
from brobyg_kit.database import Transaction
from sqlalchemy import ARRAY, RowMapping, Table, Text, Uuid, cast

from brobyg_matching.adapters.tables import booking, helper, need, offer, seat
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.helper import Helper, Paper
from brobyg_matching.domain.local_time import Window, instant
from brobyg_matching.domain.need import Citizen, Need, Offer, Seat

#: A row by its columns' names, from the driver or from SQLAlchemy.
Row: TypeAlias = "asyncpg.Record | RowMapping"
_CREW = msgspec.json.Decoder(tuple[SeatWanted, ...])


def need_of(row: Row, seats: tuple[Seat, ...] = (), offers: tuple[Offer, ...] = ()) -> Need:
    """A need with its seats, its open offers and the accepted ones."""
    fields: dict[str, Any] = dict(row)
    for name in ("competences", "attention"):
        fields[name] = tuple(fields[name])
    fields["crew"] = _CREW.decode(fields["crew"])
    del fields["waits"]  # follows from the seats
    return Need(**fields, seats=seats, offers=offers)


def need_values(one: Need) -> dict[str, object]:
    """The columns of a need."""
    values: dict[str, object] = {name: getattr(one, name) for name in NEED_COLUMNS}
    return values | {"crew": as_json(one.crew)}


def seat_of(row: Row) -> Seat:
    """A seat."""
    fields: dict[str, Any] = dict(row)
    del fields["need_id"]
    for name in ("asked", "unwilling", "withdrawn"):
        fields[name] = tuple(fields[name])
    return Seat(**fields)


def seat_values(need_id: str, one: Seat) -> dict[str, object]:
    """The columns of a seat."""
    values = {name: getattr(one, name) for name in SEAT_COLUMNS if name != "need_id"}
    return {"need_id": need_id, **values}


def offer_of(row: Row) -> Offer:
    """An offer."""
    return Offer(**dict(row))


def citizen_of(row: Row) -> Citizen | None:
    """A citizen's record; None where it has not come, or was erased."""
    if row["languages"] is None:
        return None
    return Citizen(**{**dict(row), "languages": tuple(row["languages"])})


def helper_of(row: Row, papers: Mapping[str, Paper]) -> Helper:
    """A helper with their papers."""
    names = Helper.__struct_fields__
    fields: dict[str, Any] = {name: row[name] for name in names if name != "papers"}
    for name in ("languages", "competences", "away"):
        fields[name] = frozenset(fields[name])
    for name in ("pools", "departments"):
        fields[name] = tuple(fields[name])
    fields["availability"] = tuple(msgspec.convert(fields["availability"], list[Window]))
    return Helper(**fields, papers=papers)


def helper_values(one: Helper) -> dict[str, object]:
    """The columns of a helper, apart from when they registered and since when they are inactive."""
    times = {"registered_at", "inactive_since"}
    fields = {c.name: getattr(one, c.name) for c in helper.c if c.name not in times}
    for name in ("languages", "competences", "away"):
        fields[name] = sorted(fields[name])
    for name in ("pools", "departments"):
        fields[name] = list(fields[name])
    return fields | {"availability": msgspec.to_builtins(one.availability)}


def papers_of(rows: Iterable[tuple[str, str, date, date | None]]) -> dict[str, dict[str, Paper]]:
    """By helper, then by kind."""
    papers: dict[str, dict[str, Paper]] = {}
    for helper_id, kind, since, valid_until in rows:
        papers.setdefault(helper_id, {})[kind] = Paper(since, valid_until)
    return papers


def booking_record(one: Booking) -> tuple[object, ...]:
    """The columns of a booking, for COPY."""
    span = None
    if one.since is not None and one.until is not None:
        span = asyncpg.Range(instant(one.since), instant(one.until))
    values = {
        "need_id": one.need_id, "seat_no": one.seat_no, "holder": one.holder, "span": span,
        "exclusive": one.exclusive,
    }  # fmt: skip
    return tuple(values[name] for name in copied_columns(booking))


def pairs(records: Iterable[asyncpg.Record]) -> dict[str, Any]:
    """Of records with two columns, the second by the first."""
    return {record[0]: record[1] for record in records}


def driver_columns(table: Table) -> list[Any]:  # typed as SQLAlchemy's select() takes them
    """The table's columns with ids as text, for statements that the driver runs by itself."""
    return [
        cast(one, Text).label(one.name)
        if isinstance(one.type, Uuid)
        else cast(one, ARRAY(Text)).label(one.name)
        if isinstance(one.type, ARRAY) and isinstance(one.type.item_type, Uuid)
        else one
        for one in table.c
    ]


def as_json(value: object) -> str:
    """`value` as JSON."""
    return msgspec.json.encode(value).decode()


async def copy(tx: Transaction, table: Table, records: Iterable[tuple[object, ...]]) -> None:
    """Insert records with a value for each of `copied_columns`, by COPY, which is fastest."""
    await tx.driver.copy_records_to_table(
        table.name, records=records, columns=copied_columns(table)
    )


def copied_columns(table: Table) -> list[str]:
    """The table's columns, without those the database numbers by itself."""
    return [one.name for one in table.c if one.identity is None]


NEED_COLUMNS = copied_columns(need)
SEAT_COLUMNS = copied_columns(seat)
OFFER_COLUMNS = copied_columns(offer)
