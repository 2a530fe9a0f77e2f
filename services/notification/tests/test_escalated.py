"""An escalation is told the coordinator always, the citizen only after an earlier match."""

from datetime import timedelta

import pytest
from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    VolunteerMatched,
)
from brobyg_notification.adapters.tables import notification
from msgspec import structs
from sqlalchemy import select

n = notification.c
TOLD = (
    select(n.template)
    .where(n.cause_event["type"].astext == MatchEscalated.EVENT_TYPE)
    .order_by(n.position)
)


def later(event, minutes: int):
    return structs.replace(event, time=event.time + timedelta(minutes=minutes))


async def told(office) -> list[str]:
    return [row.template for row in await office.rows(TOLD)]


async def test_a_citizen_who_was_never_told_of_a_volunteer_is_left_to_the_coordinator(
    office_for, cause, clock
) -> None:
    async with office_for(clock) as office:
        await office.receive(cause(MatchEscalated))
        assert await told(office) == ["escalated"]


@pytest.mark.parametrize("reason", ["volunteer_withdrew", "blocked", "appointment_rescheduled"])
async def test_a_citizen_who_waits_for_somebody_new_is_told_once_also_within_one_batch(
    office_for, cause, clock, reason: str
) -> None:
    released, escalated = (
        later(cause(MatchReleased, reason=reason), 1),
        later(cause(MatchEscalated), 2),
    )
    async with office_for(clock) as office:
        await office.receive(cause(VolunteerMatched), released, escalated)
        await office.receive(escalated)
        assert await told(office) == ["escalated", "escalated_citizen"]


@pytest.mark.parametrize("kind", [AppointmentCancelled, AppointmentRescheduled, ConsentWithdrawn])
async def test_what_has_been_called_off_since_is_not_told_to_the_citizen(
    office_for, cause, clock, kind
) -> None:
    async with office_for(clock) as office:
        await office.receive(
            cause(VolunteerMatched), later(cause(MatchReleased, reason="volunteer_withdrew"), 1)
        )
        await office.receive(later(cause(kind), 3))
        await office.receive(later(cause(MatchEscalated), 2))
        assert await told(office) == ["escalated"]


async def test_the_citizen_reads_what_happens_now_in_plain_words(
    office_for, post_office, cause, clock, arrived
) -> None:
    async with office_for(clock) as office, office.delivering():
        await office.receive(
            cause(VolunteerMatched), later(cause(MatchReleased, reason="volunteer_withdrew"), 1)
        )
        await arrived(2)
        await office.receive(later(cause(MatchEscalated), 2))
        await arrived(4)
    mail = post_office.to("einer@example.org")[-1]
    assert "endnu ikke fundet" in str(mail["Subject"])
    text = str(mail.get_body(("plain",)).get_content())
    assert "Regionshospitalet Randers" in text
    assert "koordinator" in text
    assert not any(part.get_content_type() == "text/calendar" for part in mail.walk())
