"""What can't be handled: tried with growing pauses, then dead, then replayed or discarded.

Those behind it follow in order.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from brobyg_kit import dlq, parking
from brobyg_kit import kafka as clients
from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, UnknownWord
from brobyg_kit.free_ports import free_port
from brobyg_kit.ids import new_id
from brobyg_kit.parking import Origin, Parked, Parking, Received, dead_letter_topic
from brobyg_kit.testing import eventually
from click.testing import Result
from delivery_parts import Counted, Parts, going, has_effects, record
from rich.console import Console
from structlog.testing import capture_logs
from typer.testing import CliRunner

SCHEMAS = Path(__file__).parents[3] / "schemas"
#: An installed service's name, as `brobyg dlq` insists on one; its database here is the test's own.
SERVICE = "referral"
Dlq = Callable[..., Any]


@pytest.fixture
def command(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dlq]:
    """`await command("list", ...)`: `brobyg dlq list referral ...` on the test's own database.

    What else this process logs meanwhile stays out of the command's output.
    """
    monkeypatch.setattr(dlq, "database_url", lambda *_: parts.database.url)
    monkeypatch.setenv("BROBYG_KAFKA", parts.kafka)

    async def run(name: str, *arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, dlq.app, [name, SERVICE, *arguments])

    with capture_logs():
        yield run


@pytest.fixture
def soon_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "PAUSES", Backoff(0.05, factor=4))
    monkeypatch.setattr(parking, "MAX_ATTEMPTS", 3)


class Mendable:
    """A handler that fails on number 2 until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        if not self.mended and any(event.decode(Counted).number == 2 for event in events):
            raise ValueError("a bug")
        await record(tx, events)


async def parked(parts: Parts) -> list[Parked]:
    return await Parking("test").listed(parts.database)


async def states(parts: Parts, *wanted: str) -> None:
    async def there() -> bool:
        return [one.state for one in await parked(parts)] == list(wanted)

    await eventually(there, f"parked are {wanted}")


async def letters(parts: Parts, number: int) -> list[dict[str, Any]]:
    """The first `number` records on the dead-letter topic."""
    records = await parts.read(number, dead_letter_topic(f"test{parts.topic}"))
    return [json.loads(one.value or b"") for one in records[:number]]


def insist_on_schema(letter: dict[str, Any]) -> None:
    """A test's service has a name of its own; all else must be as the schema says."""
    schema, types = (
        json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
        for name in ("dead-letter", "types")
    )
    registry = jsonschema_rs.Registry([(types["$id"], types)])
    validator = jsonschema_rs.Draft202012Validator(schema, registry=registry, validate_formats=True)
    validator.validate({**letter, "service": SERVICE})
    assert set(letter) == set(schema["properties"])


async def test_an_event_that_fails_for_good_is_tried_after_growing_pauses_and_then_a_dead_letter(
    parts: Parts, soon_dead: None
) -> None:
    await parts.emit([0, 2, 4], subjects=2)
    async with going(parts.relay(), parts.consumer(Mendable().handle)):
        await states(parts, "dead", "waiting")
        (letter,) = await letters(parts, 1)
    insist_on_schema(letter)
    dead, waiting = await parked(parts)
    assert (letter["service"], letter["event_id"], letter["attempts"]) == (
        f"test{parts.topic}",
        dead.event_id,
        3,
    )
    assert letter["origin"] == {
        "topic": parts.topic,
        "partition": dead.origin.partition,
        "offset": dead.origin.offset,
    }
    assert letter["reason"].startswith("ValueError at")
    assert letter["first_failed_at"] < letter["last_failed_at"] <= letter["dead_at"]
    assert dead.last_failed_at - dead.first_failed_at >= timedelta(seconds=0.05 + 0.2)
    assert waiting.attempts == 0
    assert await parts.recorded() == [("subject-0", 0)]


async def test_a_dead_event_that_is_replayed_goes_through_and_those_behind_it_follow_in_order(
    parts: Parts, soon_dead: None, command: Dlq
) -> None:
    await parts.emit([2, 4, 6], subjects=2)
    mendable = Mendable()
    async with going(parts.relay(), parts.consumer(mendable.handle)):
        await states(parts, "dead", "waiting", "waiting")
        listed = json.loads((await command("list", "--json")).stdout)
        assert [(one["state"], one["attempts"]) for one in listed] == [
            ("dead", 3),
            ("waiting", 0),
            ("waiting", 0),
        ]
        assert (
            await command("replay", str(listed[1]["id"]))
        ).stdout == "0 to be tried again\n"  # only what is dead
        mendable.mended = True
        assert (await command("replay", "--all")).stdout == "1 to be tried again\n"
        await has_effects(parts, 3)
    assert [number for _, number in await parts.recorded()] == [2, 4, 6]
    assert await parked(parts) == []


async def test_a_replayed_event_that_fails_again_is_dead_again_after_as_many_tries(
    parts: Parts, soon_dead: None, command: Dlq
) -> None:
    await parts.emit([2])
    async with going(parts.relay(), parts.consumer(Mendable().handle)):
        await states(parts, "dead")
        await command("replay", "--all")
        first, second = await letters(parts, 2)
    assert (first["attempts"], second["attempts"]) == (3, 3)
    assert first["event_id"] == second["event_id"]


async def test_a_discarded_event_lets_those_behind_it_through_and_never_comes_back(
    parts: Parts, soon_dead: None, command: Dlq
) -> None:
    await parts.emit([2, 4, 6], subjects=2)
    mendable = Mendable()
    async with going(parts.relay(), parts.consumer(mendable.handle)):
        await states(parts, "dead", "waiting", "waiting")
        dead, *_ = await parked(parts)
        assert (await command("discard", str(dead.id), "--reason", "mistaken")).stdout.endswith(
            "1 discarded\n"
        )
        await has_effects(parts, 2)
    mendable.mended = True
    await parts.rewind()
    await parts.emit([8], subjects=2)
    async with going(parts.relay(), parts.consumer(mendable.handle)):
        await has_effects(parts, 3)
    assert [number for _, number in await parts.recorded()] == [4, 6, 8]


async def test_a_discarded_record_that_is_no_event_is_not_dead_again_when_it_is_read_again(
    parts: Parts, command: Dlq
) -> None:
    async with parts.database.transaction() as tx:
        tx.send(parts.topic, "subject-0", b"{not an event")
    async with going(parts.relay(), parts.consumer(record)):
        await states(parts, "dead")
        (dead,) = await parked(parts)
        await command("discard", str(dead.id), "--reason", "mistaken")
    await parts.rewind()
    await parts.emit([8])
    async with going(parts.relay(), parts.consumer(record)):
        await has_effects(parts, 1)
    assert await parked(parts) == []


async def park(parts: Parts, origin: Origin, number: int = 1) -> list[Parked]:
    """Park so many dead events that stand at `origin`; all that are parked."""
    async with parts.database.transaction() as tx:
        for _ in range(number):
            event = Event(
                id=new_id(parts.database.clock), source="test", type="t", subject="a", time=tx.now,
                dataschema="", correlationid="c", sequence=1, data=msgspec.Raw(b"null"),
            )  # fmt: skip
            await Parking("test").park(
                tx, Received(event, origin), ValueError("a bug"), permanent=True
            )
    return await parked(parts)


async def test_list_says_how_many_there_are_when_it_shows_fewer(parts: Parts, command: Dlq) -> None:
    await park(parts, Origin("hospital.topic", 0, 1), 3)
    few, all_ = await command("list", "--limit", "2", "--json"), await command("list", "--json")
    assert (len(json.loads(few.stdout)), few.stderr) == (
        2,
        "brobyg: the oldest 2 of 3; --limit shows more\n",
    )
    assert (len(json.loads(all_.stdout)), all_.stderr) == (3, "")


async def test_a_handled_event_that_comes_again_does_not_wait_behind_a_dead_one(
    parts: Parts, soon_dead: None
) -> None:
    await parts.emit([0, 2, 4], subjects=1)
    async with going(parts.relay(), parts.consumer(Mendable().handle)):
        await states(parts, "dead", "waiting")
    await parts.rewind()
    await parts.emit([1], subjects=1)
    again = parts.consumer(Mendable().handle)

    async def repeated() -> bool:
        return again._metrics.registry.get_sample_value("brobyg_batch_events_sum") == 4

    async with going(parts.relay(), again):
        await states(parts, "dead", "waiting", "waiting")
        await eventually(repeated, "all have come again")
    dead, *waiting = await parked(parts)
    assert [one.origin.offset for one in (dead, *waiting)] == [1, 2, 3]


async def test_an_event_behind_another_that_has_a_word_of_a_later_version_is_passed_over(
    parts: Parts, soon_dead: None
) -> None:
    mended = False

    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        numbers = {event.decode(Counted).number for event in events}
        if 2 in numbers and not mended:
            raise ValueError("a bug")
        if 4 in numbers:
            raise UnknownWord("data.reason")
        await record(tx, events)

    await parts.emit([2, 4, 6], subjects=2)
    async with going(parts.relay(), parts.consumer(handle)):
        await states(parts, "retrying", "waiting", "waiting")
        mended = True
        await has_effects(parts, 2)
        await states(parts)
    assert [number for _, number in await parts.recorded()] == [2, 6]


async def test_no_row_is_locked_while_kafka_is_asked_for_a_parked_events_record(
    parts: Parts, soon_dead: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    fetch = clients.Reader.record

    async def slowly(*arguments: Any) -> tuple[bytes | None, bytes | None]:
        asked.set()
        await answer.wait()
        return await fetch(*arguments)

    monkeypatch.setattr(clients.Reader, "record", slowly)
    mendable = Mendable()
    await parts.emit([2])
    async with going(parts.relay(), parts.consumer(mendable.handle)):
        await asyncio.wait_for(asked.wait(), 20)
        async with parts.database.transaction() as other:
            await other.driver.execute("select 1 from parked_event for update nowait")
        mendable.mended = True
        answer.set()
        await has_effects(parts, 1)


async def test_a_list_of_eighty_columns_names_the_field_that_can_not_be_read(
    parts: Parts, command: Dlq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlq, "console", Console(width=80))
    await parts.emit([1])
    good = await parts.pool.fetchval("select value from outbox")
    await parts.pool.execute("delete from outbox")
    await parts.publish(good.replace(b'"number":1', b'"number":"MARKER"'), key="subject-0")
    async with going(parts.consumer(record)):
        await states(parts, "dead")
    (dead,) = await parked(parts)
    assert "number" in dead.reason
    shown = (await command("list")).stdout
    for told in ("dead", "number", Counted.EVENT_TYPE, dead.subject, str(dead.origin)):
        assert told in shown
    assert "MARKER" not in dead.reason + shown
    assert max(len(line) for line in shown.splitlines()) <= 80


async def test_an_envelope_that_can_not_be_read_names_its_field(parts: Parts) -> None:
    await parts.emit([1])
    good = await parts.pool.fetchval("select value from outbox")
    await parts.pool.execute("delete from outbox")
    await parts.publish(good.replace(b'"sequence":1', b'"sequence":"MARKER"'), key="subject-0")
    async with going(parts.consumer(record)):
        await states(parts, "dead")
    (dead,) = await parked(parts)
    assert "sequence" in dead.reason
    assert "MARKER" not in dead.reason


async def test_show_finds_an_event_behind_any_number_of_others_and_does_not_read_a_hospitals_record(
    parts: Parts, command: Dlq
) -> None:
    *_, last = await park(parts, Origin("hospital.topic", 0, 1))
    await parts.pool.execute(
        "insert into parked_event"
        " (event_id, subject, type, topic, partition, record_offset, state, reason, attempts)"
        " select gen_random_uuid(), 'a', 't', 'hospital.topic', 0, 1, 'dead', 'r', 1"
        " from generate_series(1, 1000)"
    )
    newest = await parts.pool.fetchval("select max(id) from parked_event")
    shown = await command("show", str(newest))
    assert (shown.exit_code, json.loads(shown.stdout)["id"]) == (0, newest)
    unknown = await command("show", str(newest + 1))
    assert (unknown.exit_code, "nothing parked" in unknown.stderr) == (1, True)
    assert last.id < newest


async def test_show_prints_the_record_and_says_so_when_it_is_gone_or_no_broker_answers(
    parts: Parts, command: Dlq, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = dead_letter_topic(f"test{parts.topic}")
    await parts.publish(b'{"a": "letter"}', key="a", topic=topic)
    there, *_ = await park(parts, Origin(topic, 0, 0))
    *_, gone = await park(parts, Origin(topic, 0, 99))
    assert (await command("show", str(there.id))).stdout.endswith('{"a": "letter"}\n')
    lost = await command("show", str(gone.id))
    assert (lost.exit_code, "no longer in the topic" in lost.stderr) == (1, True)
    monkeypatch.setenv("BROBYG_KAFKA", f"127.0.0.1:{free_port()}")
    away = await command("show", str(there.id))
    assert (away.exit_code, "can't be read from Kafka" in away.stderr) == (1, True)
