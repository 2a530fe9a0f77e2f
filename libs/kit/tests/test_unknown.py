"""What this code does not know: how it is counted, and what waits for the upgrade."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from brobyg_kit import decoding, parking, upcasting
from brobyg_kit.batches import Batches
from brobyg_kit.database import Transaction
from brobyg_kit.domain import domain
from brobyg_kit.event import Event, LaterVersion, UndecodableEvent, decode, encode
from brobyg_kit.metrics import Metrics
from brobyg_kit.parking import MAX_ATTEMPTS, Origin, Parking, Received
from brobyg_kit.retries import Retries
from brobyg_kit.subscription import Subscription
from brobyg_kit.unknown import OTHER, Unknown, shown
from delivery_parts import Counted, Parts, record

TOPIC = "brobyg.matching.v1"
ID = "0198abcd-0000-7000-8000-000000000000"
LATER = "https://brobyg.dk/schemas/events/thing.counted.v3.schema.json"


def received(event_type: str, topic: str = TOPIC, data: bytes = b"{}") -> Received:
    event = Event(
        id=ID, source="test", type=event_type, subject="a",
        time=datetime(2026, 11, 30, tzinfo=UTC), dataschema="", correlationid="c",
        sequence=1, data=msgspec.Raw(data),
    )  # fmt: skip
    return Received(event, Origin(topic, 0, 1))


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["topic"], sample.labels["type"]): sample.value
        for family in metrics.unknown.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_an_unknown_type_is_counted_by_its_name_and_what_is_no_name_as_another() -> None:
    metrics = Metrics()
    unknown = Unknown((), metrics)

    unknown.look([received("dk.brobyg.outcome.measured")] * 2)
    unknown.look([received("Einer Test Lauridsen"), received("dk.brobyg.offer.made")])
    unknown.look([received("dk.brobyg.outcome.measured", topic="hospital.appointment.v1")])

    assert counted(metrics) == {(TOPIC, "dk.brobyg.outcome.measured"): 2, (TOPIC, OTHER): 1}


def test_no_more_than_fifty_types_of_a_topic_are_counted_by_name() -> None:
    metrics = Metrics()
    unknown = Unknown((), metrics)
    letters = "abcdefghijklmnopqrstuvwxyz"

    unknown.look(
        [received(f"dk.brobyg.{one}.{two}") for one in letters[:3] for two in letters[:20]]
    )

    assert len(counted(metrics)) == 51
    assert counted(metrics)[TOPIC, OTHER] == 10


@pytest.mark.parametrize(("types", "number"), [({"dk.brobyg.match.released"}, 1), ((), 0)])
def test_words_are_looked_at_in_the_events_that_are_handled(types: Any, number: int) -> None:
    metrics = Metrics()
    data = dict.fromkeys(("match_id", "need_id", "helper_id"), ID)
    data |= {"role": "companion", "pathway": "p", "department": "d", "reason": "of_tomorrow"}
    body = msgspec.json.encode(data | {"seat": 1, "crew_complete": True})

    Unknown(types, metrics).look([received("dk.brobyg.match.released", data=body)])

    assert sum(counted(metrics).values()) == number


def test_a_topic_s_name_and_the_kit_s_own_words_may_be_shown() -> None:
    for name in ("hospital.appointment.v1", "tombstone", "undecodable", "dk.brobyg.a.b"):
        assert shown(name) == name
    assert shown("dk.brobyg.a.b.c") == OTHER


class Upgradable:
    """Handles version 3 only after its upgrade."""

    upgraded = False

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        if not self.upgraded:
            for event in events:
                event.decode(Numbered)
        await record(tx, [msgspec.structs.replace(one, dataschema="") for one in events])


class Numbered(Counted, frozen=True):
    DATASCHEMA = LATER.replace(".v3.", ".v2.")


def test_later_data_that_looks_as_today_s_is_refused_and_earlier_is_read() -> None:
    event = received("dk.brobyg.thing.counted", data=b'{"number": 1}').event
    for schema in (Numbered.DATASCHEMA, Numbered.DATASCHEMA.replace(".v2.", ".v1."), ""):
        assert msgspec.structs.replace(event, dataschema=schema).decode(Numbered).number == 1
    with pytest.raises(LaterVersion):
        msgspec.structs.replace(event, dataschema=LATER).decode(Numbered)


class Records:
    """Stands for Kafka: the records by offset."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = values

    async def record(self, topic: str, partition: int, offset: int) -> tuple[bytes, bytes]:
        return b"key", self.values[offset]


async def emitted(parts: Parts, numbers: Sequence[int]) -> list[bytes]:
    await parts.emit(numbers, subjects=1)
    rows = await parts.pool.fetch("delete from outbox returning id, value")
    return [row["value"] for row in sorted(rows, key=lambda row: row["id"])]


async def due_now(parts: Parts) -> None:
    await parts.pool.execute(
        "update parked_event set next_attempt_at = now() where state = 'retrying'"
    )


async def test_an_event_of_a_later_major_version_waits_with_those_behind_it_and_never_dies(
    parts: Parts,
) -> None:
    later, behind = await emitted(parts, [1, 2])
    event = msgspec.structs.replace(decode(later), dataschema=LATER)
    values = [encode(event), behind]
    service, metrics = Upgradable(), Metrics()
    subscription = Subscription("test", [parts.topic], service.handle)
    batches = Batches(parts.database, subscription, metrics)
    retries = Retries(parts.database, subscription, batches, Records(values))  # type: ignore[arg-type]
    for offset, value in enumerate(values):
        await batches.process([Received(decode(value), Origin(parts.topic, 0, offset))])
    for _ in range(MAX_ATTEMPTS + 2):
        await due_now(parts)
        await retries._all_due(False)
    parked = await Parking("test").listed(parts.database)
    assert [one.state for one in parked] == ["retrying", "waiting"]
    assert counted(metrics) == {(parts.topic, "dk.brobyg.thing.counted"): 1}

    service.upgraded = True
    await due_now(parts)
    await retries._all_due(False)
    assert [number for _, number in await parts.recorded()] == [1, 2]
    assert await Parking("test").listed(parts.database) == []


class Told(Counted, frozen=True):
    """What each old event is today."""

    SUBJECT = "name"
    name: str = "a"


class Doubled(Told, frozen=True):
    """What each old event was, too."""

    EVENT_TYPE = "dk.brobyg.thing.doubled"


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upcaster that makes two events of each of major version 1; negative numbers are broken."""

    def upcast(said: Any) -> tuple[Any, ...]:
        if said["number"] < 0:
            raise KeyError("number")
        return Told(**said), Doubled(**said | {"number": said["number"] + 100})

    real = domain()

    class Domain:
        UNVERSIONED = 2

        def upcaster_of(self, event_type: str, schema: str, unversioned: int) -> Any:
            return upcast if ".v1." in schema else None

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    monkeypatch.setattr(upcasting, "domain", Domain)


async def test_a_parked_record_that_is_several_events_today_is_handled_in_all_of_them(
    parts: Parts, doubling: None
) -> None:
    [value] = await emitted(parts, [1])
    old = msgspec.structs.replace(decode(value), dataschema=LATER.replace(".v3.", ".v1."))
    subscription = Subscription("test", [parts.topic], record)
    batches = Batches(parts.database, subscription, Metrics())
    retries = Retries(parts.database, subscription, batches, Records([encode(old)]))  # type: ignore[arg-type]
    origin = Origin(parts.topic, 0, 0)
    async with parts.database.transaction() as tx:
        await Parking("test").park(tx, Received(old, origin), ValueError("of the code before"))
    await due_now(parts)
    await retries._all_due(False)
    assert sorted(number for _, number in await parts.recorded()) == [1, 101]

    again = decoding.read(subscription, origin, b"key", encode(old))
    await batches.process(again)
    assert len(await parts.recorded()) == 2
    assert again[0].event.id == old.id != again[1].event.id


def test_a_record_whose_old_data_is_broken_is_parked_as_it_is(doubling: None) -> None:
    broken = received("dk.brobyg.thing.counted", data=b'{"number": -1}').event
    value = encode(msgspec.structs.replace(broken, dataschema=LATER.replace(".v3.", ".v1.")))
    subscription = Subscription("test", [TOPIC], record)
    [one] = decoding.read(subscription, Origin(TOPIC, 0, 0), b"key", value)
    assert isinstance(one.error, UndecodableEvent)
    assert parking.is_permanent(one.error)
