"""The project's own reference data (schemas/reference) for tests of the services."""

import uuid
from functools import cache
from pathlib import Path

import msgspec
from brobyg_contracts.reference import KINDS, TOPIC, Reference
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.parking import Origin, Received
from brobyg_kit.replica import Copies, Copy
from brobyg_referral.reference.adapters.entries import PostgresEntries
from brobyg_referral.reference.adapters.files import read_folder
from brobyg_referral.reference.domain.entries import Entry, ReferenceRecord

FOLDER = Path(__file__).parents[4] / "schemas" / "reference"


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of schemas/reference."""
    return tuple(read_folder(FOLDER))


def records() -> list[ReferenceRecord]:
    """The records of schemas/reference, at version 1."""
    return [entry.record for entry in entries()]


@cache
def reference() -> Reference:
    """What schemas/reference says."""
    return Reference(records())


async def give_reference(database: Database, *more: EventData) -> None:
    """Make schemas/reference, and `more` records, this service's copy of the topic.

    The next transaction sees it, or where a process watches the copy, one soon after.
    """
    copies = Copies([Copy(TOPIC, KINDS, Reference)], {})
    received = [
        Received(_event(record), Origin(TOPIC, 0, offset))
        for offset, record in enumerate([*records(), *more])
    ]
    async with database.transaction() as tx:
        await copies.keep(tx, received)


async def store_reference(database: Database, *more: ReferenceRecord) -> None:
    """Make schemas/reference, and `more` records, referral's own; no event is emitted."""
    async with database.transaction() as tx:
        await PostgresEntries().save(tx, [*records(), *more])


def _event(record: EventData) -> Event:
    event_id = str(uuid.uuid4())
    key: str = msgspec.to_builtins(record)["record"]
    return msgspec.convert(
        {
            "id": event_id,
            "source": "referral",
            "type": record.EVENT_TYPE,
            "subject": key,
            "time": "2026-11-30T08:00:00Z",
            "dataschema": record.DATASCHEMA,
            "correlationid": event_id,
            "sequence": 1,
            "data": encode_data(record),
        },
        Event,
    )
