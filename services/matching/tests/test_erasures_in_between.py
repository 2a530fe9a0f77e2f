"""Whatever comes first, others' rows are the same, and nothing is left of the erased."""

from collections.abc import Iterable, Iterator
from random import Random

import msgspec
import pytest
from brobyg_contracts import CitizenErased, CitizenRecorded, ErasureAcknowledged
from brobyg_kit.event import TOMBSTONE, Event, encode_data
from brobyg_kit.testing import Running
from matching_api import emitted, give, rows, tell
from matching_samples import (
    a_helper,
    an_id,
    citizen_recorded,
    consent_given,
    consent_withdrawn,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
CITIZENS = 6
KEPT = (
    "select citizen_id, languages::text, gender_wish, mobility, meeting, postcode from citizen",
    "select * from consent",
    # While a need waits, when to meet is as it was last searched for, if it ever was.
    """select need_id, state, reason, location_id, starts_at, ends_at,
        case when state <> 'waiting' then meet_at end, crew from need""",
    "select need_id, no, role, seat.state, helper_id from seat join need using (need_id)",
    "select * from block",
)
#: By key, each in its order. No helper can do any of it: whom a search asks depends on when it is.
Streams = list[list[Event]]


def erased(word: str) -> Event:
    said = CitizenErased(citizen_id=an_id(word), reason="requested")
    return event(said)


def tombstone(word: str) -> Event:
    like = event(citizen_recorded(word))
    changes = {"type": TOMBSTONE, "source": CitizenRecorded.TOPIC, "data": encode_data(None)}
    return msgspec.structs.replace(like, id=an_id(f"tombstone of {word}"), **changes)


def streams_of(random: Random, word: str, *, gone: bool) -> Streams:
    """All that is said of a citizen; `gone` are erased once or twice."""
    ids = {"referral_id": an_id(f"referral of {word}"), "citizen_id": an_id(word)}
    need = facts(f"need of {word}", **ids)
    moved = msgspec.structs.replace(need, location_id="horsens-hospital")
    consents = [event(consent_given(f"referral of {word}", word))]
    if gone or random.random() < 0.3:
        consents.append(event(consent_withdrawn(f"referral of {word}", word), 1))
    records = [event(citizen_recorded(word)), event(citizen_recorded(word, postcode="8940"), 1)]
    needs = [event(need_opened(need)), event(need_changed(moved), 1)]
    said = [records, consents, needs]
    if gone:  # what the owner's transaction tells
        records.append(tombstone(word))
        closed = need_closed(f"need of {word}", "citizen_erased")
        needs.append(event(msgspec.structs.replace(closed, **ids), 2))
        said.append([erased(word)])
        if random.random() < 0.3:  # replayed after a restored backup
            again = msgspec.structs.replace(erased(word), id=an_id(f"again {word}"))
            said[-1].append(again)
    return said


def interleaved(random: Random, streams: Streams) -> Iterator[Event]:
    left = [list(one) for one in streams]
    while left := [one for one in left if one]:
        yield random.choice(left).pop(0)


def batches(random: Random, events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for one in events:
        batch.append(one)
        if random.random() < 0.3:
            yield batch
            batch = []
    if batch:
        yield batch


async def played(matching: Running, random: Random, streams: Streams) -> None:
    for batch in batches(random, interleaved(random, streams)):
        await tell(matching, *batch)


async def rows_of(matching: Running, people: Iterable[str]) -> list[list[tuple[object, ...]]]:
    """What is kept of these, without what the moment of a search alone decides."""
    given = [an_id(one) for one in people]
    theirs = "where citizen_id = any(cast(:people as uuid[])) order by 1, 2"
    return [await rows(matching, f"{what} {theirs}", people=given) for what in KEPT]


@pytest.mark.parametrize("seed", range(12))
async def test_erasures_in_between_change_nothing_of_others_and_leave_nothing_of_the_erased(
    matching: Running, seed: int
) -> None:
    random = Random(seed)
    people = [f"citizen {one} of {seed}" for one in range(CITIZENS)]
    gone = set(random.sample(people, random.randint(1, CITIZENS - 1)))
    others = sorted(set(people) - gone)
    helper = a_helper("v", departments=("aarhus",))
    await give(matching, helper)
    for one in people:
        await rows(
            matching,
            "insert into block values (cast(:who as uuid), cast(:helper as uuid), 'citizen',"
            " '2026-11-01')",
            who=an_id(one), helper=helper.helper_id,
        )  # fmt: skip
    said_of = {one: streams_of(random, one, gone=one in gone) for one in people}
    await played(matching, random, [s for streams in said_of.values() for s in streams])
    found = await rows_of(matching, others)
    citizens, consents, needs, seats, blocks = await rows_of(matching, gone)
    assert [row[1:] for row in citizens] == [(None,) * 5] * len(gone)
    assert {row[-1] for row in consents} == {False}
    assert {row[1:3] for row in needs} == {("closed", "citizen_erased")}
    assert all(meet_at in (None, starts_at) for *_, starts_at, _, meet_at, _ in needs)
    assert {row[-1] for row in seats} == {None}
    assert blocks == []
    remembered = await rows(matching, "select person_id::text from erased_person")
    told = await emitted(matching)
    acknowledged = {one.subject for one in told if one.type == ErasureAcknowledged.EVENT_TYPE}
    assert {row[0] for row in remembered} == acknowledged == {an_id(one) for one in gone}
    again = await alone(matching, Random(-seed), [said_of[one] for one in others], others)
    for before, now in zip(found, again, strict=True):
        assert set(before) ^ set(now) == set()


async def alone(
    matching: Running, random: Random, said_of: list[Streams], people: list[str]
) -> list[list[tuple[object, ...]]]:
    """The rows of these when they are told of in another order, and nobody beside them."""
    for table in ("seat", "need", "consent", "citizen", "timer", "stream", "attention"):
        await rows(matching, f"delete from {table}")
    await played(matching, random, [stream for streams in said_of for stream in streams])
    return await rows_of(matching, people)
