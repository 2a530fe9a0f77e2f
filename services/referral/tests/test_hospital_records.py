import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from brobyg_kit import kafka as clients
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import decode
from brobyg_kit.parking import Origin, Parking, Received
from brobyg_kit.testing import Running, eventually
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.hospital.adapters.counts import PostgresIntakeCounts
from brobyg_referral.hospital.use_cases.hospital_records import HOSPITAL_TOPIC, REJECTED_TOPIC
from reference_data import store_reference
from referral_bench import KEYS, Served, bundle, events_of, every_row, handled
from referral_samples import (
    ADDRESS,
    CPR,
    FAMILY,
    GIVEN,
    MAIL,
    OTHER_CPR,
    PHONE,
    SYSTEM,
    UNKNOWN_CPR,
    fhir_appointment,
)
from sqlalchemy import event

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def whole(
    serve: Callable[..., AbstractAsyncContextManager[Running]], topics: str, clock: ManualClock
) -> AsyncIterator[Served]:
    """The whole service: it consumes, relays and answers."""
    async with serve(SERVICE, clock=clock, role="run", **KEYS) as running:
        made = Served(running)
        await store_reference(made.database)
        yield made


async def send(address: str, *records: tuple[str, object], created_at: int | None = None) -> None:
    """Put records on the hospital's topic, in order: key and body.

    `created_at` is the time that the sender gives them, milliseconds since 1970.
    """
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for key, body in records:
            value = body if isinstance(body, bytes) else msgspec.json.encode(body)
            await producer.send_and_wait(
                HOSPITAL_TOPIC, value, key.encode(), timestamp_ms=created_at
            )


async def everything_on(address: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Key and value of each record that is on a topic now."""
    async with clients.admin(address) as admin, clients.reader(address) as reader:
        wanted = (await clients.partitions(admin, [topic]))[topic]
        batches = clients.read_range(reader, await clients.watermarks(reader, wanted))
        return [(one.key or b"", one.value or b"") async for batch in batches for one in batch]


def entry(method: str, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    """An entry of a Bundle that asks for this; PUT goes by the identifier."""
    search = f"?identifier={SYSTEM}|{resource['identifier'][0]['value']}" if method == "PUT" else ""
    return {
        "resource": resource,
        "request": {"method": method, "url": f"Appointment{search}"} | request,
    }


async def taken_in(service: Served, messages: int) -> None:
    async def there() -> bool:
        counts = await service.counts()
        return counts["received"] == messages

    async def sent() -> bool:
        return not await service.rows("select 1 from outbox")

    await eventually(there, f"{messages} messages are taken in")
    await eventually(sent, "everything is sent")


async def test_records_become_events_and_broken_ones_are_answered_without_their_values(
    whole: Served, topics: str
) -> None:
    await whole.referred()
    await send(
        topics,
        ("A-1", fhir_appointment("A-1")),
        ("A-1", fhir_appointment("A-1")),
        (
            "A-1",
            fhir_appointment(
                "A-1", end="2026-12-02T10:00:00+01:00", updated="2026-11-30T10:00:00Z"
            ),
        ),
        ("A-1", fhir_appointment("A-1", status="noshow", updated="2026-11-30T09:00:00Z")),
        ("A-2", fhir_appointment("A-2", cpr=UNKNOWN_CPR)),
        ("A-3", fhir_appointment("A-3", status="bogus")),
        ("A-4", b"{not json"),
        ("A-5", {"resourceType": "Patient"}),
        (
            "A-6",
            {
                "resourceType": "Bundle",
                "type": "batch",
                "entry": [
                    entry("PUT", one)
                    for one in (fhir_appointment("A-6"), fhir_appointment("A-7", status="x"))
                ],
            },
        ),
        (
            "A-8",
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    entry("PUT", one)
                    for one in (fhir_appointment("A-8"), fhir_appointment("A-9", status="x"))
                ],
            },
        ),
    )
    await taken_in(whole, 12)
    assert await whole.counts() == {
        "received": 12,
        "rejected": 6,
        "dropped_without_consent": 1,
        "kept": 3,
        "unchanged": 2,
    }
    events = [decode(value) for _, value in await everything_on(topics, "brobyg.referral.v1")]
    types = [event.type.removeprefix("dk.brobyg.") for event in events]
    of_the_referral = [one for one in types if one.startswith(("referral.", "consent."))]
    assert of_the_referral == ["referral.created", "consent.given"]
    told = [
        event.type.removeprefix("dk.brobyg.appointment.")
        for event in events
        if "appointment" in event.type
    ]
    assert sorted(told) == ["booked", "booked", "rescheduled"]
    assert all(event.causationid for event in events if "appointment" in event.type)
    rejected = [json.loads(value) for _, value in await everything_on(topics, REJECTED_TOPIC)]
    assert len(rejected) == 5
    for outcome in rejected:
        assert outcome["resourceType"] == "OperationOutcome"
        assert [part["url"] for part in outcome["extension"][0]["extension"]] == [
            "topic",
            "partition",
            "offset",
        ]
    assert {issue["code"] for outcome in rejected for issue in outcome["issue"]} == {
        "code-invalid",
        "structure",
        "invalid",
    }
    assert not await whole.rows("select 1 from parked_event")


async def test_a_record_that_its_sender_calls_old_is_read_like_any_other(
    whole: Served, topics: str
) -> None:
    await whole.referred()
    long_ago = 1_700_000_000_000
    await send(topics, ("A-1", fhir_appointment("A-1")), created_at=long_ago)
    await taken_in(whole, 1)
    found = await whole.fhir("GET", f"/Appointment?identifier={SYSTEM}|A-1")
    assert found.json()["total"] == 1


async def test_nothing_that_names_a_person_is_found_after_a_run_outside_the_sealed_table(
    whole: Served, topics: str, written: io.StringIO
) -> None:
    await whole.referred()
    await whole.fhir("POST", "/Appointment", fhir_appointment("A-1"))
    await whole.fhir("POST", "/Appointment", fhir_appointment("B-1", cpr=OTHER_CPR))
    await whole.fhir("POST", "/Appointment", fhir_appointment("B-2", status="bogus"))
    await whole.fhir("GET", f"/Appointment?identifier=x|{CPR}")
    await send(
        topics,
        (CPR, fhir_appointment("A-2")),
        (OTHER_CPR, fhir_appointment("B-3", cpr=OTHER_CPR)),
        (CPR, fhir_appointment("B-4", status="bogus")),
    )
    await taken_in(whole, 6)
    tables = await whole.rows(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )
    kept = {
        row["table_name"]: str(await whole.rows(f"select * from {row['table_name']}"))
        for row in tables
    }
    kept |= {
        topic: str(await everything_on(topics, topic))
        for topic in ("brobyg.referral.v1", REJECTED_TOPIC)
    }
    kept["metrics"] = (await whole.running.client.get("/metrics")).text
    kept["logs"] = written.getvalue()
    for place, text in kept.items():
        for personal in (CPR, OTHER_CPR, GIVEN, FAMILY, ADDRESS, MAIL, PHONE):
            assert personal not in text, f"{place} tells {personal}"
        for unknown in ("B-1", "B-2", "B-3", "B-4"):
            assert unknown not in text, f"{place} knows {unknown}, whose citizen has no referral"


async def test_five_hundred_records_are_a_handful_of_statements(service: Served) -> None:
    await service.referred()
    handle = service.running.runtime.parts.handle
    assert handle is not None
    bodies = [
        fhir_appointment(f"A-{number}", cpr=CPR if number % 2 else UNKNOWN_CPR)
        for number in range(500)
    ]
    events = events_of(service, *bodies)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    engine = service.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        async with service.database.transaction() as tx:
            await handle(tx, events)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    # The reference data's version, citizens, a savepoint, locks, what is known, its end, who is
    # restricted, appointments, identifiers that are free now and those that are new, counts;
    # sequences are numbered, and others notified, on the driver.
    assert len(statements) == 11, statements
    assert len(await service.told()) == 250
    assert (await service.counts())["dropped_without_consent"] == 250


async def test_a_record_is_refused_by_whatever_is_in_it_and_never_stops_the_topic(
    service: Served,
) -> None:
    bodies = [
        b"",
        b"\xff",
        b"null",
        b"[" * 9999,
        b"{}",
        b'{"resourceType":"Bundle"}',
        b'{"resourceType":"Bundle","type":"batch","entry":[{}]}',
        b'{"resourceType":"Bundle","type":"history"}',
        b" " * 1_100_000,
        b'{"resourceType":"Appointment","participant":5}',
    ]
    assert len(await handled(service, *bodies)) == len(bodies)
    assert (await service.counts())["rejected"] == len(bodies)


async def test_a_refused_transaction_of_a_thousand_entries_is_answered_briefly(
    service: Served,
) -> None:
    await service.referred()
    broken = {
        "resource": {"resourceType": "Appointment"},
        "request": {"method": "POST", "url": "Appointment"},
    }
    refused = bundle("transaction", *[broken] * 1_000)
    (rejected,) = await handled(service, refused, fhir_appointment())
    assert await service.told() == ["booked"]  # the next record is handled
    assert (await service.counts())["rejected"] == 1_000
    assert len(json.dumps(rejected)) < 100_000
    assert len(rejected["issue"]) == 51
    assert "more issues" in rejected["issue"][-1]["diagnostics"]


async def test_a_dead_record_holds_those_of_its_key_and_nobody_elses_where_there_is_none(
    service: Served,
) -> None:
    decode = service.running.runtime.parts.decoders[HOSPITAL_TOPIC]
    keys = [b"A-1", b"A-1", None, None, b""]
    events = [
        decode(Origin(HOSPITAL_TOPIC, 0, offset), key, b"{}") for offset, key in enumerate(keys)
    ]
    parking = Parking("referral")
    async with service.database.transaction() as tx:
        for offset in (0, 2):
            origin = Origin(HOSPITAL_TOPIC, 0, offset)
            await parking.park(tx, Received(events[offset], origin), ValueError(), permanent=True)
        held = await parking.held(tx, [event.subject for event in events])
    assert [event.subject in held for event in events] == [True, True, True, False, False]


async def test_transactions_of_one_process_do_not_wait_for_each_others_counting(
    service: Served,
) -> None:
    counted = PostgresIntakeCounts()
    async with AsyncExitStack() as side_by_side:
        for _ in range(3):
            tx = await side_by_side.enter_async_context(service.database.transaction())
            await tx.driver.execute("set local lock_timeout = '5s'")
            await counted.add(tx, "http", {"kept": 1, "rejected": 2})
            await counted.add(tx, "http", {"kept": 1})
    counts = await service.counts()
    assert (counts["kept"], counts["rejected"]) == (6, 6)
    assert len(await service.rows("select distinct shard from intake_count")) == 3


async def test_an_entry_of_a_batch_asks_what_it_would_ask_over_http(service: Served) -> None:
    await service.referred()
    await service.put(fhir_appointment("A-1"))
    cancelled = fhir_appointment("A-1", status="cancelled", updated="2026-11-30T10:00:00Z")
    rejected = await handled(
        service,
        bundle(
            "batch",
            entry("DELETE", fhir_appointment("A-2")),
            entry("PUT", cancelled, ifMatch='W/"7"'),
            entry(
                "POST",
                fhir_appointment(
                    "A-1", end="2026-12-02T11:00:00+01:00", updated="2026-11-30T10:00:00Z"
                ),
            ),
            {"resource": fhir_appointment("A-3")},
            entry("POST", fhir_appointment("A-4")),
        ),
    )
    assert [(one["issue"][0]["code"], one["issue"][0].get("expression")) for one in rejected] == [
        ("not-supported", ["Bundle.entry[0].request.method"]),
        ("conflict", ["Bundle.entry[1]"]),
        ("duplicate", ["Bundle.entry[2].resource.identifier"]),
        ("invariant", ["Bundle.entry[3].request"]),
    ]
    assert await service.told() == ["booked", "booked"]


async def test_each_appointment_of_a_collection_is_put_by_its_identifier(service: Served) -> None:
    await service.referred()
    moved = fhir_appointment("A-1", end="2026-12-02T11:00:00+01:00", updated="2026-11-30T10:00:00Z")
    rejected = await handled(
        service,
        bundle("collection", *({"resource": one} for one in (fhir_appointment("A-1"), moved)), {}),
    )
    assert [one["issue"][0]["expression"] for one in rejected] == [["Bundle.entry[2].resource"]]
    assert await service.told() == ["booked", "rescheduled"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"updated": "2199-12-31T23:59:59Z"},
        {"start": "2126-12-02T09:00:00+01:00", "end": "2126-12-02T09:30:00+01:00"},
        {"end": "2199-12-02T09:30:00+01:00"},
    ],
)
async def test_a_wrong_time_in_a_booking_of_somebody_without_a_referral_leaves_no_trace_but_a_count(
    service: Served, wrong: dict[str, str]
) -> None:
    await service.referred()
    unknown = fhir_appointment("B-1", cpr=UNKNOWN_CPR, **wrong)
    before = await every_row(service)
    assert await handled(service, unknown) == []
    assert await every_row(service) == before
    whole = bundle("transaction", entry("POST", fhir_appointment("A-1")), entry("POST", unknown))
    assert await handled(service, whole) == []
    assert await service.told() == ["booked"]
    counts = await service.counts()
    assert (counts["rejected"], counts["dropped_without_consent"]) == (0, 2)
    (rejected,) = await handled(service, fhir_appointment("A-2", **wrong))
    assert rejected["issue"][0]["code"] == "value"


async def test_a_transaction_with_two_entries_about_one_appointment_is_refused_whole(
    service: Served,
) -> None:
    await service.referred()
    cancelled = fhir_appointment("A-1", status="cancelled", updated="2026-11-30T10:00:00Z")
    twice = bundle(
        "transaction",
        *(
            entry("PUT", one)
            for one in (fhir_appointment("A-1"), cancelled, fhir_appointment("A-2"))
        ),
    )
    (rejected,) = await handled(service, twice)
    assert [(one["code"], one["expression"]) for one in rejected["issue"]] == [
        ("conflict", ["Bundle.entry[1]"])
    ]
    assert await service.told() == []
    assert (await service.counts())["rejected"] == 3
