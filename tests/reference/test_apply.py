"""Reference data applied: checked against what was there, all or nothing, only what differs."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from brobyg_contracts import PlaceRecorded, PostcodeRecorded
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.event import decode
from brobyg_kit.tables import outbox
from brobyg_kit.testing import fresh_database
from brobyg_referral.reference.adapters.entries import CurrentReference, PostgresEntries
from brobyg_referral.reference.domain.entries import Entry, ReferenceRecord
from brobyg_referral.reference.errors import FaultyReference
from brobyg_referral.reference.use_cases.records import Applied, ReferenceRecords
from reference_data import entries
from sqlalchemy import delete, select

from tests.reference.parts import OWNER

OURS = entries()


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    """Referral's own database, empty."""
    async with fresh_database(postgres, OWNER, WallClock()) as made:
        yield made


async def applied(
    database: Database, given: Sequence[Entry] = OURS, *, move: bool = False
) -> Applied:
    async with database.transaction() as tx:
        return await ReferenceRecords(PostgresEntries()).apply(tx, given, move=move)


async def told(database: Database) -> list[tuple[str, str, int]]:
    """Type, subject and version of each event that waits to be sent; then none does."""
    async with database.connect() as connection:
        found = await connection.execute(
            select(outbox.c.topic, outbox.c.key, outbox.c.value).order_by(outbox.c.id)
        )
        rows = found.all()
        await connection.execute(delete(outbox))
    assert {row.topic for row in rows} <= {"brobyg.reference.v1"}
    events = [decode(row.value) for row in rows]
    assert [event.subject for event in events] == [row.key for row in rows]
    return [
        (event.type, event.subject, msgspec.json.decode(event.data)["version"]) for event in events
    ]


def changed(key: str, **values: object) -> list[Entry]:
    """Our entries with one changed."""
    return [
        Entry(msgspec.structs.replace(one.record, **values)) if one.key == key else one
        for one in OURS
    ]


async def test_the_first_apply_tells_every_entry_and_the_second_none(database: Database) -> None:
    first = await applied(database)
    events = await told(database)
    assert (first.version, len(first.added), first.unchanged) == (1, len(OURS), 0)
    assert sorted(subject for _, subject, _ in events) == sorted(one.key for one in OURS)
    assert {version for _, _, version in events} == {1}

    again = await applied(database)
    assert (again.version, again.added, again.changed) == (1, (), ())
    assert await told(database) == []


async def test_only_what_differs_is_told_under_the_next_version(database: Database) -> None:
    await applied(database)
    await told(database)
    done = await applied(database, changed("place/randers-hospital", label="RHR"))
    assert (done.version, done.changed) == (2, ("place/randers-hospital",))
    assert await told(database) == [("dk.brobyg.place.recorded", "place/randers-hospital", 2)]
    back = await applied(database)
    assert (back.version, back.changed) == (3, ("place/randers-hospital",))


async def test_nothing_is_changed_when_anything_is_wrong(database: Database) -> None:
    await applied(database)
    await told(database)
    wrong = changed("place/randers-hospital", postcode="0000")
    with pytest.raises(FaultyReference, match="postcode '0000' is not a known postcode"):
        await applied(database, [*wrong, Entry(msgspec.structs.replace(
            OURS[0].record, record="place/new-house", aliases=()))])  # fmt: skip
    assert await told(database) == []
    assert (await applied(database)).version == 1


async def test_what_was_known_and_is_gone_is_refused_until_it_is_withdrawn(
    database: Database,
) -> None:
    await applied(database)
    key = "place/randers-health-centre"
    without = [one for one in OURS if one.key != key]
    with pytest.raises(FaultyReference, match=f"{key} was recorded before and is gone"):
        await applied(database, without)
    done = await applied(database, changed(key, withdrawn=True))
    assert done.changed == (key,)
    assert (await applied(database, without)).version == done.version, "it stays known"
    async with database.transaction() as tx:
        reference = await CurrentReference(PostgresEntries()).get(tx)
    assert reference.place("randers-health-centre").withdrawn


async def test_a_postcode_moves_to_another_municipality_only_when_it_is_said(
    database: Database,
) -> None:
    await applied(database)
    moved = changed("postcode/8990", municipality_code="0791")
    with pytest.raises(FaultyReference, match="moves from municipality 0730 to 0791: say so"):
        await applied(database, moved)
    assert (await applied(database, moved, move=True)).changed == ("postcode/8990",)


async def test_two_applies_at_once_give_two_versions_or_one_and_lose_nothing(
    database: Database,
) -> None:
    await applied(database)
    await told(database)
    one = changed("place/randers-hospital", label="one")
    other = changed("place/randers-hospital", label="other")
    done = await asyncio.gather(applied(database, one), applied(database, other))
    assert sorted(each.version for each in done) == [2, 3]
    assert [version for _, _, version in await told(database)] == [2, 3]


async def test_a_transaction_sees_the_reference_data_as_it_is_and_what_it_has_changed_itself(
    database: Database,
) -> None:
    current, records = CurrentReference(PostgresEntries()), ReferenceRecords(PostgresEntries())

    async def label() -> str:
        async with database.transaction() as tx:
            return (await current.get(tx)).place("randers-hospital").label

    await applied(database)
    assert await label() == "Regionshospitalet Randers"
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the whole transaction is what fails
        async with database.transaction() as tx:
            await records.apply(tx, changed("place/randers-hospital", label="changed"))
            assert (await current.get(tx)).place("randers-hospital").label == "changed"
            raise ZeroDivisionError
    assert await label() == "Regionshospitalet Randers"
    await applied(database, changed("place/randers-hospital", label="changed"))
    assert await label() == "changed"


def test_what_is_stored_is_what_is_told() -> None:
    for one in OURS:
        again: ReferenceRecord = msgspec.convert(msgspec.to_builtins(one.record), type(one.record))
        assert again == one.record
        assert isinstance(one.record, PostcodeRecorded | PlaceRecorded) or one.record.label
