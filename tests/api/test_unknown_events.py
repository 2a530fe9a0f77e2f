"""What a later version may say on a service's topics: it counts it, says so, and goes on."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import brobyg_matching.bootstrap
import brobyg_notification.bootstrap
import brobyg_referral.bootstrap
import brobyg_reporting.bootstrap
import pytest
from brobyg_contracts import EVENTS, TOPICS
from brobyg_contracts.words import WORDS
from brobyg_kit import kafka
from brobyg_kit.ids import derived_id
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, eventually

from schemas.tools.sources import SCHEMAS

Serve = Callable[..., AbstractAsyncContextManager[Running]]
#: Topic, key and value of a record.
Record = tuple[str, str, bytes]

SETTINGS: dict[str, dict[str, object]] = {
    "matching": {
        "matching_encryption_key": base64.b64encode(b"m" * 32).decode(),
        "matching_lookup_key": base64.b64encode(b"l" * 32).decode(),
        "matching_link_keys": "a-link-key-of-these-tests-and-long-enough",
        "matching_registration_keys": "a-registration-key-of-these-tests",
    },
    "notification": {
        "notification_smtp": "smtp://127.0.0.1:1",
        "notification_sender": "Brobyg <brobyg@example.org>",
        "notification_coordinators": "randers=coordinator@example.org",
        "portal_url": "http://portal.example.org",
    },
    "referral": {
        "referral_encryption_key": base64.b64encode(b"e" * 32).decode(),
        "referral_cpr_key": base64.b64encode(b"c" * 32).decode(),
        "referral_kafka_organisation": "hospital-randers",
        "referral_rising_versions": "hospital-randers",
    },
}
SERVICES = [
    one.bootstrap.SERVICE
    for one in (brobyg_matching, brobyg_notification, brobyg_referral, brobyg_reporting)
]
#: Names a person, were it told anywhere.
TOMORROW = "marker_of_tomorrow"
#: The topics whose records of a later version are tried again: they hold up no other.
COMPACTED = {"brobyg.citizen.v1", "brobyg.reference.v1"}


def read_by(service: Service) -> list[str]:
    return [topic for topic in service.topics if TOPICS.get(topic)]


def handled_by(service: Service) -> set[str]:
    """The event types that it handles; of a topic that it reads as a whole, all."""
    whole = {kind for one in service.reads if isinstance(one, str) for kind in TOPICS.get(one, ())}
    return whole | {one.EVENT_TYPE for one in service.reads if not isinstance(one, str)}


def record(topic: str, told: str, number: int, **changed: Any) -> Record:
    """The typical example of the type's data, in an envelope, about a thing of its own."""
    kind = EVENTS[told]
    name = told.removeprefix("dk.brobyg.")
    data = json.loads((SCHEMAS / f"examples/{name}/valid-typical.json").read_bytes())
    if topic not in COMPACTED:
        data[kind.SUBJECT] = derived_id(topic, told, str(number))
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": derived_id("event", topic, told, str(number)),
        "source": topic.split(".")[1],
        "type": told,
        "subject": data[kind.SUBJECT],
        "time": "2026-11-30T08:00:00Z",
        "dataschema": kind.DATASCHEMA,
        "datacontenttype": "application/json",
        "correlationid": derived_id("chain", topic, told, str(number)),
        "sequence": number,
        "data": data,
    }
    event |= changed
    event["data"] = {**data, **changed.get("data", {})}
    return topic, event["subject"], json.dumps(event).encode()


def words_of_tomorrow(service: Service) -> Iterator[Record]:
    """Each event of its topics with each of its words that may grow, grown."""
    for topic in read_by(service):
        for kind in TOPICS[topic]:
            for number, name in enumerate(WORDS.get(kind, ()), 1):
                yield record(topic, kind, number, data={name: TOMORROW})


def types_of_tomorrow(service: Service) -> Iterator[Record]:
    for topic in read_by(service):
        yield record(
            topic, TOPICS[topic][0], 90, type=f"dk.brobyg.{TOMORROW.replace('_', '')}.told"
        )
        yield record(topic, TOPICS[topic][0], 91, type=f"somebody {TOMORROW}")


async def send(address: str, records: list[Record]) -> None:
    producer = kafka.batch_producer(address, "unknown-events")
    await producer.start()
    try:
        for topic, key, value in records:
            await (await producer.send(topic, value, key.encode()))
    finally:
        await producer.stop()


async def told(running: Running) -> dict[str, Any]:
    answer = await running.client.get("/readyz")
    return dict(json.loads(answer.content), status=answer.status_code)


async def all_read(running: Running) -> None:
    """Every record on the service's topics is handled or parked."""

    async def read() -> bool:
        now = await told(running)
        return bool(now["ready"]) and now["lag"] == 0

    await eventually(read, "all is read", timeout=40)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_what_a_later_version_says_is_counted_and_told_and_parks_nothing(
    service: Service, serve: Serve, topics: str
) -> None:
    words = list(words_of_tomorrow(service))
    types = list(types_of_tomorrow(service))
    handled = handled_by(service)
    async with serve(service, role="run", **SETTINGS.get(service.name, {})) as running:
        await send(topics, words + types)
        expected = {(topic, "other") for topic in read_by(service)}
        for topic, _, value in words:
            if (kind := json.loads(value)["type"]) in handled:
                expected.add((topic, kind))
        for topic in read_by(service):
            expected.add((topic, "dk.brobyg.markeroftomorrow.told"))

        async def counted() -> bool:
            unknown = (await told(running))["unknown"].items()
            return {(topic, kind) for topic, kinds in unknown for kind in kinds} == expected

        await eventually(counted, "what is unknown of each topic is counted", timeout=60)
        await all_read(running)
        now = await told(running)
        waits = (now["status"], now["ready"], now["parked"], now["dead_letters"])
        assert waits == (200, True, 0, 0)
        metrics = (await running.client.get("/metrics")).text
        assert metrics.count("brobyg_unknown_total{") == len(expected)
        assert TOMORROW not in metrics
        assert TOMORROW not in json.dumps(now)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_an_event_of_a_later_major_version_waits_with_those_behind_it_and_is_told(
    service: Service, serve: Serve, topics: str
) -> None:
    sent = [
        record(topic, kind, 1, dataschema=EVENTS[kind].DATASCHEMA.replace(".v2.", ".v3."))
        for topic in read_by(service)
        for kind in TOPICS[topic]
    ]
    waiting = {one.EVENT_TYPE for one in service.reads if not isinstance(one, str)}
    async with serve(service, role="run", **SETTINGS.get(service.name, {})) as running:
        await send(topics, sent)
        expected = sum(json.loads(value)["type"] in waiting for _, _, value in sent)

        async def parked() -> bool:
            return bool((await told(running))["parked"] == expected)

        await eventually(parked, f"{expected} wait", timeout=60)
        await all_read(running)
        now = await told(running)
        assert (now["ready"], now["parked"], now["dead_letters"]) == (True, expected, 0)
