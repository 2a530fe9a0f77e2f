"""Batches on the real database: a batch leaves behind what its events do one by one."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from brobyg_contracts import AppointmentBooked, ConsentGiven
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData, decode
from brobyg_kit.service import Service
from brobyg_kit.timers import DueTimer
from brobyg_matching.adapters.matches import PostgresMatches
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.domain.match import WAVE
from brobyg_matching.errors import UnknownReferral
from brobyg_matching.handlers import HANDLERS
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Contact
from brobyg_matching.use_cases.event_processing import EventProcessing
from brobyg_matching.use_cases.offer_responses import OfferResponses
from brobyg_matching.use_cases.timers import RETRY_AFTER, MatchingTimers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_samples import (
    NOW,
    a_booking,
    a_volunteer,
    an_id,
    cancelled,
    completed,
    consent_withdrawn,
    event,
    missed,
    query,
    referral_created,
    rescheduled,
    single,
)
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

DatabaseFor = Callable[[Service], AbstractAsyncContextManager[Database]]
TABLES = "timer", "stream", "outbox", "decision", "offer", "match", "referral"


def metrics() -> MatchingMetrics:
    return MatchingMetrics(CollectorRegistry())


def timers() -> MatchingTimers:
    """As after a start: nothing is remembered but the rows."""
    return MatchingTimers(PostgresMatches(), metrics())


def responses(database: Database) -> OfferResponses:
    return OfferResponses(database, PostgresMatches(), PostgresVolunteers(database), metrics())


async def with_volunteers(database: Database, number: int = 6) -> None:
    volunteers = PostgresVolunteers(database)
    contact = Contact(name="Ida Test", email="ida@example.org", phone=None, language="da")
    async with database.transaction() as tx:
        for n in range(number):
            postcode = ("8900", "8920", "8930")[n % 3]
            await volunteers.add(
                tx, a_volunteer(f"v{n}", home_postcode=postcode, weekly_limit=2), contact
            )


async def handle(database: Database, events: list[Event]) -> None:
    async with database.transaction() as tx:
        await EventProcessing(HANDLERS, PostgresMatches(), metrics()).handle(tx, events)


async def left_behind(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All state and all that was said, without what differs by nature (event ids, row numbers)."""
    statements = {
        "match": "select * from match order by appointment_id",
        "offer": "select * from offer order by offer_id",
        "referral": "select * from referral order by referral_id",
        "decision": "select appointment_id, round, wave, outcome, could, asked, counts, excluded"
        " from decision order by appointment_id, id",
        "timer": "select kind, subject, due_at from timer order by subject",
    }
    found = {name: await query(database, statement) for name, statement in statements.items()}
    said = [decode(value) for (value,) in await query(database, "select value from outbox")]
    found["said"] = sorted((e.subject, e.sequence, e.type, bytes(e.data)) for e in said)
    return found


steps = st.lists(
    st.tuples(
        st.sampled_from(["book", "move", "cancel", "complete", "miss", "withdraw", "consent"]),
        st.integers(0, 2),
        st.integers(0, 4),
        st.integers(-3, 90),
    ),
    min_size=1,
    max_size=14,
)
Script = list[tuple[str, int, int, int]]

#: What becomes of somebody who has accepted, each in a batch with what depends on it: moved,
#: cancelled, consent withdrawn, and corrected afterwards. Half of a script comes before the
#: acceptance, half after it.
ABOUT_A_MATCH: list[tuple[Script, int]] = [
    ([("book", 0, 0, 52), ("book", 1, 0, 53), ("move", 0, 0, 60), ("move", 1, 0, 53)], 0),
    ([("book", 0, 0, 52), ("book", 1, 0, 90), ("cancel", 0, 0, 52), ("book", 1, 1, 52)], 0),
    ([("book", 0, 0, 52), ("book", 0, 1, 30), ("complete", 1, 1, 3),
      ("withdraw", 0, 0, 0), ("consent", 0, 0, 0), ("book", 0, 0, 52)], 0),
    ([("book", 0, 0, 52), ("complete", 1, 1, 3), ("book", 1, 1, 70),
      ("move", 0, 0, 53), ("book", 0, 1, 90), ("book", 1, 0, 90)], 54),
    ([("book", 0, 0, 52), ("complete", 1, 1, 3), ("move", 0, 0, 80), ("book", 1, 0, 80)], 54),
    *(
        ([("book", 0, 0, 52), ("complete", 1, 1, 3), (what, 0, 0, 52), ("book", 0, 1, 90)], hours)
        for what, hours in (("miss", 54), ("cancel", 54), ("complete", 54), ("complete", 52))
    ),
]  # fmt: skip


def events_of(script: Script) -> list[Event]:
    said = [event(referral_created(f"r{n}")) for n in range(3)]
    for number, (what, referral, appointment, hours) in enumerate(script):
        name = f"r{referral}"
        booking = a_booking(f"{name} a{appointment}", name, NOW + timedelta(hours=hours))
        data: dict[str, EventData] = {
            "book": booking,
            "move": rescheduled(booking, booking.starts_at + timedelta(hours=1)),
            "cancel": cancelled(booking),
            "complete": completed(booking),
            "miss": missed(booking),
            "withdraw": consent_withdrawn(name),
            "consent": ConsentGiven(
                referral_id=an_id(name), citizen_id=an_id(f"citizen of {name}")
            ),
        }
        said.append(event(data[what], number))
    return said


async def test_a_batch_leaves_behind_what_its_events_leave_one_by_one(
    database_for: DatabaseFor, clock: ManualClock
) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database)

        async def empty() -> None:
            await query(database, f"truncate {', '.join(TABLES)}")

        async def carry_out(
            before: list[list[Event]], after: list[list[Event]], hours: int
        ) -> None:
            """The batches `before`, somebody accepts, hours pass, the batches `after`."""
            await empty()
            clock.advance(NOW - clock.now())
            for batch in before:
                await handle(database, batch)
            asked = "select offer_id::text from offer where state = 'open'"
            if offers := await query(database, f"{asked} order by meet_at, offer_id limit 1"):
                assert await responses(database).answer(offers[0][0], "accept") == "accepted"
            clock.advance(timedelta(hours=hours))
            for batch in after:
                await handle(database, batch)

        async def both(script: Script, hours: int) -> None:
            events = events_of(script)
            half = len(events) - len(script) // 2
            before, after = events[:half], events[half:]
            await carry_out([before], [after], hours)
            at_once = await left_behind(database)
            await carry_out([[one] for one in before], [[one] for one in after], hours)
            assert await left_behind(database) == at_once

        scripts = list(ABOUT_A_MATCH)

        @settings(
            max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(steps, st.sampled_from([0, 0, 54]))
        def collect(script: Script, hours: int) -> None:
            scripts.append((script, hours))

        collect()
        for script, hours in scripts:
            await both(script, hours)


@pytest.mark.parametrize(
    ("hours", "word", "known"),
    [
        (54, None, True),
        (54, completed, True),
        (53, completed, True),
        (54, missed, False),
        (54, cancelled, False),
    ],
    ids=[
        "ended and nothing said",
        "completed",
        "completed before its end",
        "missed",
        "cancelled after its end",
    ],
)
async def test_who_has_met_the_citizen_is_known_to_them_and_who_waited_in_vain_is_not(
    database_for: DatabaseFor,
    clock: ManualClock,
    hours: int,
    word: Callable[[AppointmentBooked], EventData] | None,
    known: bool,
) -> None:
    first = a_booking("first", starts_at=NOW + timedelta(hours=53))
    second = a_booking("second", starts_at=NOW + timedelta(hours=90))
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 1)
        await handle(database, [event(referral_created()), event(first)])
        offer = await single(database, "select offer_id::text from offer")
        await responses(database).answer(offer, "accept")
        clock.advance(timedelta(hours=hours))
        if word is not None:
            await handle(database, [event(word(first))])
        await handle(database, [event(second)])
        asked = "select known_to_citizen from offer where appointment_id = :id"
        assert await single(database, asked, id=second.appointment_id) is known


async def test_an_appointment_of_an_unknown_referral_is_refused_whole(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        with pytest.raises(UnknownReferral):
            await handle(
                database, [event(referral_created("known")), event(a_booking("a", "unknown"))]
            )
        assert await query(database, "select 1 from referral") == []


async def test_a_search_and_its_timer_survive_a_restart(
    database_for: DatabaseFor, clock: ManualClock
) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 5)
        await handle(database, [event(referral_created()), event(a_booking())])
        [(kind, subject, due)] = await query(database, "select kind, subject, due_at from timer")
        assert kind == WAVE
        clock.advance(timedelta(hours=8))
        async with database.transaction() as tx:
            await timers().waves_over(tx, [DueTimer(kind, subject, due)])
        states = "select state, count(*) from offer group by state order by state"
        assert await query(database, states) == [("expired", 3), ("open", 2)]
        assert await single(database, "select due_at from timer") == NOW + timedelta(hours=16)


async def test_a_timer_does_not_wait_for_a_match_that_somebody_holds(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 3)
        await handle(database, [event(referral_created()), event(a_booking())])
        subject = an_id("appointment")
        async with database.transaction() as holder:
            await holder.connection.execute(text("select 1 from match for update"))
            async with database.transaction() as tx:
                await tx.connection.execute(text("delete from timer"))
                await timers().waves_over(tx, [DueTimer(WAVE, subject, NOW)])
        assert await single(database, "select due_at from timer") == NOW + RETRY_AFTER


async def test_nothing_personal_is_in_what_is_said(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 3)
        await handle(database, [event(referral_created()), event(a_booking())])
        values = await query(database, "select value from outbox")
        assert values
        said = b"".join(value for (value,) in values)
        assert b"Ida" not in said
        assert b"example.org" not in said


PROMISE = (
    "insert into match select gen_random_uuid(), referral_id, citizen_id, department, location_id,"
    " starts_at, ends_at, meeting, meet_at, 'matched', null, 1, 1, opened_at, decide_by,"
    " gen_random_uuid(), gen_random_uuid(), cast(:who as uuid), meet_at, ends_at, '{}', '{}'"
    " from match limit 1"
)


async def test_the_database_itself_refuses_two_places_at_once(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 3)
        await handle(database, [event(referral_created()), event(a_booking())])
        await query(database, PROMISE, who=an_id("v0"))
        with pytest.raises(IntegrityError, match="never_two_places_at_once"):
            await query(database, PROMISE, who=an_id("v0"))


async def test_control_without_the_constraint_two_places_at_once_go_through(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        await with_volunteers(database, 3)
        await handle(database, [event(referral_created()), event(a_booking())])
        await query(database, "alter table match drop constraint never_two_places_at_once")
        for _ in range(2):
            await query(database, PROMISE, who=an_id("v0"))
        taken = "select count(*) from match where volunteer_id = :who"
        assert await single(database, taken, who=an_id("v0")) == 2
