"""What is called off without a match left to release is told the citizen once.

Whichever topic is heard first.
"""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
    MatchReleased,
    VolunteerMatched,
)
from brobyg_kit.ids import derived_id
from brobyg_notification.adapters.tables import notification
from icalendar import Calendar
from msgspec import structs
from sqlalchemy import select

STARTS = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
CALLED_OFF = [AppointmentCancelled, AppointmentRescheduled, ConsentWithdrawn]
n = notification.c
CITIZENS = select(n.calendar_method).where(n.recipient_role == "citizen").order_by(n.position)
CANCELLED = select(n.appointment_id).where(
    n.recipient_role == "citizen", n.calendar_method == "CANCEL"
)
REASONS = ["appointment_cancelled", "appointment_rescheduled", "consent_withdrawn"]


def later(event, minutes: int):
    return structs.replace(event, time=event.time + timedelta(minutes=minutes))


async def told(parts) -> list[str]:
    return [row.calendar_method for row in await parts.rows(CITIZENS)]


@pytest.mark.parametrize("kind", CALLED_OFF)
async def test_after_a_withdrawal_the_entry_is_cancelled_once(
    parts_for, cause, clock, kind
) -> None:
    withdrew = later(cause(MatchReleased, reason="volunteer_withdrew"), 1)
    off = later(cause(kind), 2)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), withdrew)
        await parts.receive(off)
        await parts.receive(off)
        assert await told(parts) == ["REQUEST", "REQUEST", "CANCEL"]


@pytest.mark.parametrize("kind", CALLED_OFF)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_the_order_of_the_topics_does_not_matter(
    parts_for, cause, clock, kind, place: int
) -> None:
    story = [cause(VolunteerMatched), later(cause(MatchReleased, reason="volunteer_withdrew"), 1)]
    story.insert(place, later(cause(kind), 2))
    async with parts_for(clock) as parts:
        for event in story:
            await parts.receive(event)
        methods = await told(parts)
    assert (methods[-1], methods.count("CANCEL")) == ("CANCEL", 1)


@pytest.mark.parametrize(("kind", "reason"), list(zip(CALLED_OFF, REASONS, strict=True)))
async def test_two_topics_that_tell_the_same_cancel_once(
    parts_for, cause, clock, kind, reason: str
) -> None:
    for order in permutations(
        [later(cause(kind), 2), later(cause(MatchReleased, reason=reason), 3)]
    ):
        async with parts_for(clock) as parts:
            await parts.receive(cause(VolunteerMatched), *order)
            assert await told(parts) == ["REQUEST", "CANCEL"]


@pytest.mark.parametrize("withdrawals", [0, 1, 2])
async def test_a_withdrawn_consent_cancels_every_entry_of_the_citizen(
    parts_for, cause, clock, withdrawals: int
) -> None:
    """Also where the matching service tells of a volunteer's withdrawal after it."""
    appointments = [derived_id("appointment", "first"), derived_id("appointment", "second")]
    withdrew = [
        later(cause(MatchReleased, reason="volunteer_withdrew", appointment_id=one), 1)
        for one in appointments[:withdrawals]
    ]
    consent = later(cause(ConsentWithdrawn), 2)
    for story in ([*withdrew, consent], [consent, *withdrew]):
        async with parts_for(clock) as parts:
            await parts.receive(
                *[cause(VolunteerMatched, appointment_id=one) for one in appointments]
            )
            for event in [*story, consent]:
                await parts.receive(event)
            cancelled = [row.appointment_id for row in await parts.rows(CANCELLED)]
        assert sorted(cancelled) == sorted(appointments)


async def test_a_search_that_was_called_off_for_two_appointments_cancels_both(
    parts_for, cause, clock
) -> None:
    """The withdrawal is heard first, the matches it ends only after it."""
    async with parts_for(clock) as parts:
        await parts.receive(later(cause(ConsentWithdrawn), 2))
        for one in (derived_id("appointment", "first"), derived_id("appointment", "second")):
            await parts.receive(cause(VolunteerMatched, appointment_id=one))
            await parts.receive(
                later(cause(MatchReleased, reason="volunteer_withdrew", appointment_id=one), 1)
            )
        assert (await told(parts)).count("CANCEL") == 2


async def test_a_move_heard_late_leaves_the_new_invitation_alone(parts_for, cause, clock) -> None:
    released, again = (
        cause(MatchReleased, reason="appointment_rescheduled"),
        later(cause(VolunteerMatched), 9),
    )
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), released, again)
        await parts.receive(later(cause(AppointmentRescheduled), 2))
        assert await told(parts) == ["REQUEST", "CANCEL", "REQUEST"]


async def test_the_cancellation_takes_back_the_time_that_was_told(
    parts_for, mail_server, cause, clock, arrived
) -> None:
    withdrew = later(cause(MatchReleased, reason="volunteer_withdrew"), 1)
    async with parts_for(clock) as parts, parts.delivering():
        told = [
            (cause(VolunteerMatched), 2),
            (withdrew, 4),
            (later(cause(AppointmentRescheduled), 2), 5),
        ]
        for event, mails in told:
            await parts.receive(event)
            await arrived(mails)
    files = [
        Calendar.from_ical(part.get_content())
        for mail in mail_server.to("einer@example.org")
        for part in mail.walk()
        if part.get_content_type() == "text/calendar"
    ]
    entries = [file.walk("VEVENT")[0] for file in files]
    assert str(files[-1]["METHOD"]) == "CANCEL"
    assert len({entry["UID"] for entry in entries}) == 1
    assert len({entry.decoded("dtstart") for entry in entries}) == 1
    assert [entry["SEQUENCE"] for entry in entries] == [0, 1, 2]


@pytest.mark.parametrize("kind", CALLED_OFF)
async def test_what_is_corrected_once_they_have_met_leaves_the_entry_alone(
    parts_for, cause, clock, kind
) -> None:
    meet_at = STARTS - timedelta(minutes=40)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), structs.replace(cause(kind), time=meet_at))
        assert await told(parts) == ["REQUEST"]
