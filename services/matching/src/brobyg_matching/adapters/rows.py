"""Rows of the database as values of the domain, and back."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import asyncpg
import msgspec
from brobyg_contracts import Needs
from brobyg_kit.database import Transaction
from sqlalchemy import (
    ARRAY,
    RowMapping,
    Table,
    Text,
    Uuid,
    cast,
)

from brobyg_matching.domain.local_time import Window
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.snapshot import Commitment
from brobyg_matching.domain.volunteer import Volunteer

#: A row by its columns' names, from the driver or from SQLAlchemy.
Row: TypeAlias = "asyncpg.Record | RowMapping"


def match_of(row: Row, offers: tuple[Offer, ...] = ()) -> Match:
    """A search, with its open and accepted offers."""
    fields: dict[str, Any] = dict(row)
    fields["asked"], fields["unwilling"] = tuple(fields["asked"]), tuple(fields["unwilling"])
    return Match(**fields, offers=offers)


def offer_of(row: Row) -> Offer:
    """An offer."""
    return Offer(**dict(row))


def referral_of(row: Row) -> Referral:
    """A referral."""
    fields: dict[str, Any] = dict(row)
    needs = {name: fields.pop(name) for name in Needs.__struct_fields__}
    needs["languages"] = tuple(needs["languages"])
    return Referral(**fields, needs=Needs(**needs))


def referral_values(referral: Referral) -> dict[str, object]:
    """The columns of a referral."""
    fields = msgspec.structs.asdict(referral)
    return fields | msgspec.structs.asdict(fields.pop("needs"))


def volunteer_of(row: Row) -> Volunteer:
    """A volunteer."""
    fields: dict[str, Any] = {name: row[name] for name in Volunteer.__struct_fields__}
    for name in ("languages", "competences", "away"):
        fields[name] = frozenset(fields[name])
    fields["availability"] = tuple(msgspec.convert(fields["availability"], list[Window]))
    return Volunteer(**fields)


def volunteer_values(volunteer: Volunteer) -> dict[str, object]:
    """The columns of a volunteer, apart from when they registered."""
    fields = msgspec.structs.asdict(volunteer)
    for name in ("languages", "competences", "away"):
        fields[name] = sorted(fields[name])
    fields["availability"] = msgspec.to_builtins(volunteer.availability)
    return fields


def commitment_of(row: Row) -> Commitment:
    """Time that a volunteer has promised."""
    return Commitment(
        row["appointment_id"],
        row["volunteer_id"],
        int(row["leave_at"].timestamp()),
        int(row["home_at"].timestamp()),
        int(row["starts_at"].timestamp()),
    )


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
