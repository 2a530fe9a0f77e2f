"""Nobody who was erased is written to, and nothing that waits for them is kept waiting."""

import asyncio

import pytest
from brobyg_contracts import (
    CitizenErased,
    HelperErased,
    MatchReleased,
    NotificationFailed,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.event import Event, encode_data
from brobyg_kit.ids import derived_id
from brobyg_kit.tables import outbox, stream
from brobyg_kit.testing import eventually
from brobyg_notification.adapters.notices import PostgresNotices
from brobyg_notification.adapters.tables import notification
from brobyg_notification.use_cases.planning import handle_with
from msgspec import json, structs
from sqlalchemy import select, text

CITIZEN, HELPER = derived_id("citizen"), derived_id("helper")
n = notification.c
WHO = select(n.recipient_role, n.state, n.reason).order_by(n.position)


@pytest.fixture
def erased(cause):
    """`erased(CitizenErased, CITIZEN)`: the event that tells of it; each call another."""

    def make(kind: type, person_id: str) -> Event:
        name = "citizen_id" if kind is CitizenErased else "helper_id"
        data = kind(**{name: person_id, "reason": "requested"})
        return structs.replace(
            cause(VolunteerMatched),
            type=kind.EVENT_TYPE,
            subject=person_id,
            data=encode_data(data),
        )

    return make


async def acknowledged(parts) -> list[dict[str, str]]:
    rows = await parts.rows(select(outbox.c.value).order_by(outbox.c.id))
    events = [json.decode(row.value) for row in rows]
    return [one["data"] for one in events if one["type"] == "dk.brobyg.erasure.acknowledged"]


async def test_what_waits_for_an_erased_citizen_fails_and_others_are_written_to(
    parts_for, cause, erased, clock, mail_server
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched))
        await parts.receive(erased(CitizenErased, CITIZEN))
        assert [tuple(row) for row in await parts.rows(WHO)] == [
            ("helper", "waiting", None),
            ("citizen", "failed", "recipient_erased"),
        ]
        [(kind, data)] = await parts.emitted()
        assert (kind, data["reason"], data["recipient_id"]) == (
            NotificationFailed.EVENT_TYPE,
            "recipient_erased",
            CITIZEN,
        )
        assert await acknowledged(parts) == [{"person_id": CITIZEN, "service": "notification"}]
        async with parts.delivering():
            await parts.ended("sent", "failed")
    assert [one["To"] for one in mail_server.inbox] == ["ellen@example.org"]


async def test_what_waits_for_an_erased_helper_fails(parts_for, cause, erased, clock) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(OfferMade), cause(VolunteerMatched))
        await parts.receive(erased(HelperErased, HELPER))
        states = [(row.recipient_role, row.state) for row in await parts.rows(WHO)]
        assert sorted(states) == [
            ("citizen", "waiting"),
            ("helper", "failed"),
            ("helper", "failed"),
        ]
        assert await acknowledged(parts) == [{"person_id": HELPER, "service": "notification"}]


@pytest.mark.parametrize("together", [True, False])
async def test_what_is_told_of_an_erased_person_later_is_dropped(
    parts_for, cause, erased, clock, together: bool
) -> None:
    gone = erased(CitizenErased, CITIZEN)
    late = [cause(VolunteerMatched), cause(MatchReleased, reason="citizen_erased")]
    async with parts_for(clock) as parts:
        for batch in [[gone, *late]] if together else [[gone], late]:
            await parts.receive(*batch)
        rows = await parts.rows(WHO)
    waiting = [row.recipient_role for row in rows if row.state == "waiting"]
    assert waiting == ["helper", "helper"]


async def test_a_message_that_is_being_sent_ends_by_itself_and_is_the_last(
    parts_for, cause, erased, clock, mail_server
) -> None:
    confirmed = mail_server.answers_when["einer@example.org"] = asyncio.Event()
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))

        async def handed_over() -> bool:
            return len(mail_server.to("einer@example.org")) == 1

        await eventually(handed_over, "the mail server has the citizen's message")
        await parts.receive(erased(CitizenErased, CITIZEN))
        confirmed.set()
        await parts.ended("sent", "sent")
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent", "sent")
    assert len(mail_server.to("einer@example.org")) == 1


async def test_a_second_erasure_is_acknowledged_again_without_another_effect(
    parts_for, cause, erased, clock
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched))
        await parts.receive(erased(CitizenErased, CITIZEN), erased(CitizenErased, CITIZEN))
        assert len(await parts.emitted()) == 1
        assert len(await acknowledged(parts)) == 2
        [row] = await parts.rows(select(stream.c.sequence).where(stream.c.subject == CITIZEN))
        assert row.sequence == 2


async def test_somebody_never_written_to_is_remembered_and_acknowledged(
    parts_for, erased, clock
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(erased(CitizenErased, derived_id("nobody")))
        assert len(await acknowledged(parts)) == 1
        [row] = await parts.rows(text("select person_id::text from erased_person"))
        assert row.person_id == derived_id("nobody")


async def test_nobody_is_asked_to_phone_somebody_who_is_erased(
    parts_for, cause, erased, clock, owners
) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))

        async def raised() -> bool:
            return [kind for kind, _ in await parts.attention()] == ["raised"]

        await eventually(raised, "the coordinator is asked to phone")
        await parts.receive(erased(CitizenErased, CITIZEN))
        assert [kind for kind, _ in await parts.attention()] == ["raised", "settled"]


async def test_nothing_else_in_the_database_is_of_a_person_but_ids(
    parts_for, cause, clock, mail_server
) -> None:
    """What the owners told for the messages is in no table, before any erasure."""
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(OfferMade))
        await parts.ended("sent")
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent", "sent")
        tables = await parts.rows(
            text("select table_name from information_schema.tables where table_schema = 'public'")
        )
        held = ""
        for row in tables:
            found = await parts.rows(text(f"select t::text from {row.table_name} t"))
            held += "\n".join(one[0] for one in found)
    told = ("Einer", "Ellen", "@example.org", "Testgrusgraven", "4210", "match.token")
    assert [one for one in told if one in held] == []


async def test_nobody_is_asked_to_phone_somebody_erased_while_their_mail_was_refused(
    parts_for, cause, erased, clock, mail_server
) -> None:
    accepts, asked, gone = mail_server.handle_RCPT, asyncio.Event(), asyncio.Event()

    async def refuse(server, session, envelope, address, options) -> str:
        if address != "einer@example.org":
            return await accepts(server, session, envelope, address, options)
        asked.set()
        await gone.wait()
        return "550 5.1.1 no such user"

    mail_server.handle_RCPT = refuse
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await asked.wait()
        await parts.receive(erased(CitizenErased, CITIZEN))
        gone.set()
        await parts.ended("sent", "failed")
        assert await parts.attention() == []
    assert mail_server.to("coordinator@example.org") == []


async def test_a_message_planned_while_its_recipient_is_erased_is_dropped(
    parts_for, cause, erased, clock
) -> None:
    waiting = text("select 1 from pg_locks where not granted and locktype = 'advisory'")
    async with parts_for(clock) as parts:
        handle = handle_with(PostgresNotices(), parts.metrics)
        async with parts.database.transaction() as transaction:
            await handle(transaction, [erased(CitizenErased, CITIZEN)])
            planning = asyncio.create_task(parts.receive(cause(VolunteerMatched)))

            async def meets() -> bool:
                return planning.done() or bool(await parts.rows(waiting))

            await eventually(meets, "the plan is made, or waits for the erasure")
        await planning
        assert [row.recipient_role for row in await parts.rows(WHO)] == ["helper"]
