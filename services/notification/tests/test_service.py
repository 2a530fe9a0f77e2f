"""The whole service: from the real broker to the real mail server and back, through kill -9."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from brobyg_contracts import (
    EVENTS,
    MatchEscalated,
    NotificationFailed,
    NotificationSent,
    VolunteerMatched,
)
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import encode
from brobyg_kit.ids import derived_id
from brobyg_kit.kafka import batch_producer, reader
from brobyg_kit.testing import bearer, eventually
from brobyg_notification.bootstrap import SERVICE
from msgspec import UNSET


async def say(kafka: str, *events) -> None:
    """Put the events on their topics."""
    async with batch_producer(kafka, "test") as sender:
        for event in events:
            await sender.send_and_wait(
                EVENTS[event.type].TOPIC, encode(event), event.subject.encode()
            )


async def heard(kafka: str, count: int) -> list[dict[str, object]]:
    """The first `count` events this service published, from the beginning."""
    found: list[dict[str, object]] = []
    async with reader(kafka, auto_offset_reset="earliest") as consumer:
        consumer.subscribe([NotificationSent.TOPIC])

        async def enough() -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(msgspec.json.decode(record.value) for record in records)
            return len(found) >= count

        await eventually(enough, f"{count} events from notification")
    return found


async def test_a_match_on_the_topic_becomes_two_mails_and_two_events(
    topics, serve, mail_server, owners, cause, arrived, running_clock, required, reference_events
) -> None:
    match = cause(VolunteerMatched)
    settings = required | {
        "notification_smtp": f"smtp://127.0.0.1:{mail_server.port}",
        "referral_url": owners.url,
        "matching_url": owners.url,
    }
    async with serve(SERVICE, role="run", clock=running_clock, **settings) as running:
        await say(topics, *reference_events, match, match)
        await arrived(2)
        sent = await heard(topics, 2)
        await say(topics, match)  # a repeat long after
        owners.helper(email=None)
        await say(
            topics, cause(VolunteerMatched, need_id=derived_id("another"))
        )  # and something new behind it
        events = await heard(topics, 5)
        (third,) = [event for event in events if event["type"] == NotificationFailed.EVENT_TYPE]
        assert (await running.client.get("/livez")).status_code == 200
    assert third["data"]["reason"] == "no_address"
    assert len(mail_server.inbox) == 3
    assert {event["data"]["recipient_role"] for event in sent} == {"helper", "citizen"}
    assert {event["causationid"] for event in sent} == {match.id}
    assert {event["subject"] for event in sent} == {match.subject}
    assert sorted(event["sequence"] for event in sent) == [1, 2]


_WORKER = """
import asyncio, sys
from brobyg_kit.database import Database
from brobyg_kit.health import Health
from brobyg_kit.service import Resources
from brobyg_notification.bootstrap import REFERENCE, SERVICE
from prometheus_client import CollectorRegistry

async def main():
    settings = SERVICE.settings()
    clock = settings.make_clock()
    database = Database(sys.argv[1], clock, "notification")
    await database.open()
    resources = Resources(settings, clock, database, CollectorRegistry(), Health(), "")
    parts = SERVICE.build(resources)
    async with database.connect() as connection:
        await resources.replica(REFERENCE).refresh(connection)
    await parts.workers["delivery"]()

asyncio.run(main())
"""


@asynccontextmanager
async def worker_process(
    url: str, fault: str, mail_server, owners
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, on the database at `url`; killed at the point `fault`.

    It is killed at the end of the block, if it lives.
    """
    environment = {
        **os.environ,
        "BROBYG_FAULT_POINT": fault,
        "BROBYG_NOTIFICATION_SMTP": f"smtp://127.0.0.1:{mail_server.port}",
        "BROBYG_NOTIFICATION_SENDER": "Brobyg <brobyg@example.org>",
        "BROBYG_NOTIFICATION_COORDINATORS": "aarhus=another@example.org",
        "BROBYG_PORTAL_URL": "http://portal.example.org",
        "BROBYG_REFERRAL_URL": owners.url,
        "BROBYG_MATCHING_URL": owners.url,
        "BROBYG_CLOCK": f"2026-11-30T08:00:00Z;1;{datetime.now(UTC).isoformat()}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, url, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_between_the_servers_yes_and_the_commit_the_copy_is_recognisable(
    parts_for, mail_server, owners, cause, arrived, running_clock, give_reference
) -> None:
    async with parts_for(running_clock) as parts:
        await give_reference(parts.database)
        async with worker_process(
            parts.database.url, "after-smtp-before-mark", mail_server, owners
        ) as process:
            # The process has no address for this department's coordinator, so it waits.
            await parts.receive(cause(MatchEscalated))
            await parts.receive(cause(VolunteerMatched))
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
        taken = len(mail_server.inbox)
        assert taken >= 1
        async with parts.delivering():

            async def over() -> bool:
                return "waiting" not in await parts.states()

            await eventually(over, "everything came to its end")
        kinds = [(kind, data["notification_id"]) for kind, data in await parts.emitted()]
    copies = [
        message["Message-ID"]
        for message in mail_server.inbox
        if message["To"] != "coordinator@example.org"
    ]
    assert len(set(copies)) == 2, "two messages, however many copies"
    assert len(copies) <= 2 + taken
    assert len(kinds) == len({key for _, key in kinds}) == 3, "each is told of once"


async def test_killed_while_it_sends_nothing_is_lost_or_doubled(
    parts_for, mail_server, owners, cause, running_clock, give_reference
) -> None:
    """Control for the test above: without the fault point each message is sent once."""
    async with parts_for(running_clock) as parts:
        await give_reference(parts.database)
        async with worker_process(parts.database.url, "", mail_server, owners):
            await parts.receive(cause(VolunteerMatched))

            async def over() -> bool:
                return await parts.states() == ["sent", "sent"]

            await eventually(over, "both are sent", timeout=60)
    assert len(mail_server.inbox) == 2


async def test_coordinators_see_what_was_told_without_anything_personal(
    serve, cause, required, give_reference
) -> None:
    async with serve(
        SERVICE,
        clock=ManualClock(datetime(2026, 11, 30, 8, tzinfo=UTC)),
        **required,
    ) as running:
        await give_reference(running.runtime.database)
        async with running.runtime.database.transaction() as transaction:
            assert running.runtime.parts.handle is not None
            await running.runtime.parts.handle(
                transaction,
                [
                    cause(VolunteerMatched),
                    cause(
                        MatchEscalated,
                        need_id=derived_id("another"),
                        referral_id=UNSET,
                        citizen_id=UNSET,
                    ),
                ],
            )
        coordinator = bearer("coordinator")
        everything = ["escalated", "matched_citizen", "matched_helper"]
        # A token with a former department's id is one of the department that has taken over.
        for department, own in (
            ("randers-norddjurs", everything),
            ("randers", everything),
            ("aarhus", []),
        ):
            bound = bearer("coordinator", department=department)

            answer = await running.client.get("/notifications", headers=bound)
            assert [one["template"] for one in answer.json()["notifications"]] == own
        page = (await running.client.get("/notifications?limit=2", headers=coordinator)).json()
        rest = (
            await running.client.get(
                f"/notifications?limit=2&before={page['next']}", headers=coordinator
            )
        ).json()
        shown = page["notifications"] + rest["notifications"]
        assert [one["template"] for one in shown] == everything
        of_need = f"/notifications?need_id={derived_id('need')}"
        answer = (await running.client.get(of_need, headers=coordinator)).json()
        assert [one["template"] for one in answer["notifications"]] == everything[1:]
        assert rest["next"] is None
        assert (await running.client.get("/notifications?state=sent", headers=coordinator)).json()[
            "notifications"
        ] == []
        text = (await running.client.get("/notifications", headers=coordinator)).text
        assert "Einer" not in text
        assert "@" not in text
        assert (await running.client.get("/notifications")).status_code == 401
        assert (
            await running.client.get("/notifications", headers=bearer("volunteer"))
        ).status_code == 403
        for wrong in (
            "limit=0",
            "limit=201",
            "state=lost",
            "before=x",
            "before=9223372036854775808",
            "before=99999999999999999999",
            "need_id=7",
        ):
            assert (
                await running.client.get(f"/notifications?{wrong}", headers=coordinator)
            ).status_code == 422


async def test_what_was_told_before_a_department_was_taken_over_is_seen_by_the_present_one(
    serve, cause, required, give_reference
) -> None:
    clock = ManualClock(datetime(2026, 11, 30, 8, tzinfo=UTC))
    async with serve(SERVICE, clock=clock, **required) as running:
        await give_reference(running.runtime.database)
        assert running.runtime.parts.handle is not None
        async with running.runtime.database.transaction() as transaction:
            matched = cause(VolunteerMatched, department="norddjurs")
            await running.runtime.parts.handle(transaction, [matched])
        for department, number in (("randers-norddjurs", 2), ("randers", 2), ("aarhus", 0)):
            bound = bearer("coordinator", department=department)
            answer = await running.client.get("/notifications", headers=bound)
            assert len(answer.json()["notifications"]) == number, department
