"""What can't be handled of a compacted topic: the next record of its key replaces it."""

from collections.abc import Sequence
from typing import cast

import pytest
from brobyg_kit import parking
from brobyg_kit.backoff import Backoff
from brobyg_kit.batches import Batches
from brobyg_kit.database import Transaction
from brobyg_kit.decoding import read
from brobyg_kit.event import TOMBSTONE, Event, UnknownWord, encode
from brobyg_kit.kafka import Reader
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import Origin, Parking, Received
from brobyg_kit.retries import Retries
from brobyg_kit.subscription import Subscription
from compacted_things import SUBSCRIPTION, TOPIC, ThingRecorded, event_of, record_of
from delivery_parts import Parts

BUG, LATER_WORD = -1, -2


class Things:
    """A service that handles a compacted topic and one of history, and keeps what it is told.

    Its handler fails on BUG, and on LATER_WORD until it is upgraded.
    """

    def __init__(self, parts: Parts) -> None:
        self.known: dict[str, int] = {}
        self.history: list[str] = []
        self.upgraded = False
        self.metrics = Metrics()
        self._parts, self._records = parts, dict[int, Received]()
        subscription = Subscription("test", [TOPIC, "history"], self._handle, compacted={TOPIC})
        self._batches = Batches(parts.database, subscription, self.metrics)
        self._retries = Retries(parts.database, subscription, self._batches, cast("Reader", self))

    async def _handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        known, history = dict(self.known), list(self.history)
        for event in events:
            if event.type == TOMBSTONE:
                known.pop(event.subject, None)
                continue
            number = event.decode(ThingRecorded).number
            if number == BUG:
                raise ValueError("a bug")
            if number == LATER_WORD and not self.upgraded:
                raise UnknownWord("data.number")
            if event.type == ThingRecorded.EVENT_TYPE:
                known[event.subject] = number
            else:
                history.append(event.subject)
        tx.after_commit(lambda: self._keep(known, history))

    def _keep(self, known: dict[str, int], history: list[str]) -> None:
        self.known, self.history = known, history

    async def take(self, *batch: Received) -> None:
        self._records |= {one.origin.offset: one for one in batch}
        await self._batches.process(batch)

    async def record(
        self, topic: str, partition: int, offset: int
    ) -> tuple[bytes | None, bytes | None]:
        """As `Reader.record`."""
        event = self._records[offset].event
        return event.subject.encode(), None if event.type == TOMBSTONE else encode(event)

    async def retry(self) -> None:
        """Try again whatever is to be tried again, whether or not its pause is over."""
        await self._parts.pool.execute(
            "update parked_event set next_attempt_at = now() where state = 'retrying'"
        )
        await self._retries._all_due(blaming=False)

    async def parked(self) -> list[tuple[str, int]]:
        found = await Parking("test").listed(self._parts.database)
        return [(one.state, one.origin.offset) for one in found]

    async def all_die(self) -> None:
        await self._parts.pool.execute(
            "update parked_event set state = 'dead', next_attempt_at = null"
        )


def of_history(offset: int, name: str) -> Received:
    event = event_of(ThingRecorded(name=name, number=1), "dk.brobyg.thing.counted")
    return Received(event, Origin("history", 0, offset))


@pytest.fixture
def soon_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "PAUSES", Backoff(60.0))
    monkeypatch.setattr(parking, "MAX_ATTEMPTS", 3)


async def test_the_next_record_of_a_key_is_handled_in_place_of_a_dead_one(parts: Parts) -> None:
    things = Things(parts)
    bad = record_of(2, "thing/a", BUG)
    await things.take(record_of(1, "thing/a", 1), bad, record_of(3, "thing/b", BUG))
    await things.all_die()
    await things.take(record_of(4, "thing/a", 4))
    assert things.known == {"thing/a": 4}
    assert await things.parked() == [("dead", 3)], "what is dead of another key stays"


@pytest.mark.parametrize("dead", [False, True])
async def test_a_deletion_is_handled_in_place_of_a_record_that_is_parked(
    parts: Parts, dead: bool
) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", 1))
    await things.take(record_of(2, "thing/a", BUG))
    if dead:
        await things.all_die()
    await things.take(record_of(3, "thing/a", None))
    assert things.known == {}
    assert await things.parked() == []


async def test_a_record_and_what_replaces_it_may_come_in_one_batch(parts: Parts) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", BUG), record_of(2, "thing/a", 2))
    assert (things.known, await things.parked()) == ({"thing/a": 2}, [])


async def test_a_record_that_was_replaced_has_no_effect_when_it_comes_again(parts: Parts) -> None:
    things = Things(parts)
    bad = record_of(1, "thing/a", LATER_WORD)
    await things.take(bad)
    await things.take(record_of(2, "thing/a", 2))
    things.upgraded = True
    await things.take(bad)
    assert (things.known, await things.parked()) == ({"thing/a": 2}, [])


async def test_a_dead_record_that_comes_again_and_is_handled_is_no_longer_dead(
    parts: Parts,
) -> None:
    things = Things(parts)
    bad = record_of(1, "thing/a", LATER_WORD)
    await things.take(bad)
    await things.all_die()
    things.upgraded = True
    await things.take(bad)
    assert (things.known, await things.parked()) == ({"thing/a": LATER_WORD}, [])


async def test_a_record_that_is_tried_again_replaces_the_dead_ones_before_it(parts: Parts) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", BUG))
    await things.all_die()
    await things.take(record_of(2, "thing/a", LATER_WORD))
    things.upgraded = True
    await things.retry()
    assert (things.known, await things.parked()) == ({"thing/a": LATER_WORD}, [])


async def test_what_is_parked_after_a_record_is_not_replaced_by_it(parts: Parts) -> None:
    """As when the retry of the earlier one succeeds first."""
    things = Things(parts)
    await things.take(record_of(1, "thing/a", LATER_WORD), record_of(2, "thing/a", BUG))
    things.upgraded = True
    await things.retry()
    assert things.known == {"thing/a": LATER_WORD}
    assert await things.parked() == [("retrying", 2)]


async def test_what_waits_behind_a_record_that_is_replaced_is_tried(parts: Parts) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", BUG))
    await things.all_die()
    await things.take(of_history(2, "thing/a"))
    assert await things.parked() == [("dead", 1), ("waiting", 2)]
    await things.take(record_of(3, "thing/a", 3))
    await things.retry()
    assert (things.known, things.history) == ({"thing/a": 3}, ["thing/a"])
    assert await things.parked() == []


async def test_a_record_with_a_word_of_a_later_version_is_handled_after_the_upgrade(
    parts: Parts, soon_dead: None
) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", LATER_WORD), record_of(2, "thing/b", 2))
    assert (things.known, await things.parked()) == ({"thing/b": 2}, [("retrying", 1)])
    await things.retry()
    assert await things.parked() == [("retrying", 1)]
    counted = things.metrics.events_passed_over.labels(ThingRecorded.EVENT_TYPE)
    assert counted._value.get() == 1
    things.upgraded = True
    await things.retry()
    assert (things.known, await things.parked()) == ({"thing/b": 2, "thing/a": LATER_WORD}, [])


async def test_a_record_with_a_word_of_a_later_version_is_dead_in_the_end(
    parts: Parts, soon_dead: None
) -> None:
    things = Things(parts)
    await things.take(record_of(1, "thing/a", LATER_WORD))
    await things.retry()
    await things.retry()
    assert await things.parked() == [("dead", 1)]


def unreadable(offset: int, key: str, partition: int = 0) -> Received:
    """What comes of a record whose value is no event."""
    origin = Origin(TOPIC, partition, offset)
    [one] = read(SUBSCRIPTION, origin, key.encode(), b'{"subject": "another"')
    return one


async def test_what_replaces_a_record_that_is_no_event_is_known_by_its_key(parts: Parts) -> None:
    things = Things(parts)
    await things.take(unreadable(1, "thing/a"))
    assert await things.parked() == [("dead", 1)]
    await things.take(record_of(2, "thing/a", 2))
    assert (things.known, await things.parked()) == ({"thing/a": 2}, [])


async def test_a_record_that_somebody_put_into_a_wrong_partition_is_replaced_too(
    parts: Parts,
) -> None:
    """Offsets of two partitions say nothing of each other; it was parked before this one came."""
    things = Things(parts)
    await things.take(unreadable(7, "thing/a", partition=3))
    await things.take(record_of(2, "thing/a", 2))
    assert (things.known, await things.parked()) == ({"thing/a": 2}, [])


async def test_a_record_that_says_it_is_about_something_else_than_its_key_is_dead_under_its_key(
    parts: Parts,
) -> None:
    """The broker compacts by the key: by it the copy is replaced, and by nothing in the value."""
    things = Things(parts)
    value = encode(event_of(ThingRecorded(name="thing/b", number=1)))
    [misplaced] = read(SUBSCRIPTION, Origin(TOPIC, 0, 2), b"thing/a", value)
    await things.take(record_of(1, "thing/b", 5), misplaced)
    assert (things.known, await things.parked()) == ({"thing/b": 5}, [("dead", 2)])
    await things.take(record_of(3, "thing/a", 3))
    assert (things.known, await things.parked()) == ({"thing/b": 5, "thing/a": 3}, [])


@pytest.mark.parametrize(
    "key", ["0201609995", "Einer Test Lauridsen", "einer@example.org", "place/"]
)
def test_a_key_that_is_none_of_ours_is_shown_to_nobody(key: str) -> None:
    assert key not in repr(unreadable(1, key))
