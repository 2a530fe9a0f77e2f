"""An escalation is told the coordinator always, the citizen only after an earlier match."""

from datetime import timedelta

import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
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


async def told(parts) -> list[str]:
    return [row.template for row in await parts.rows(TOLD)]


async def test_a_move_that_leads_to_the_escalation_is_told_whatever_the_clocks_say(
    parts_for, cause, clock
) -> None:
    """The escalation is about the new time, so the move to it calls nothing off."""
    moved = later(cause(NeedChanged), 3)
    plan = moved.decode(NeedChanged)
    escalated = later(cause(MatchEscalated, starts_at=plan.starts_at, ends_at=plan.ends_at), 2)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), moved, escalated)
        assert await told(parts) == ["escalated", "escalated_citizen"]


async def test_a_citizen_who_was_never_told_of_a_volunteer_is_left_to_the_coordinator(
    parts_for, cause, clock
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(MatchEscalated))
        assert await told(parts) == ["escalated"]


@pytest.mark.parametrize("reason", ["helper_withdrew", "blocked", "appointment_rescheduled"])
async def test_a_citizen_who_waits_for_somebody_new_is_told_once_also_within_one_batch(
    parts_for, cause, clock, reason: str
) -> None:
    released, escalated = (
        later(cause(MatchReleased, reason=reason), 1),
        later(cause(MatchEscalated), 2),
    )
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), released, escalated)
        await parts.receive(escalated)
        assert await told(parts) == ["escalated", "escalated_citizen"]


@pytest.mark.parametrize("kind", [NeedClosed, NeedChanged])
async def test_what_has_been_called_off_since_is_not_told_to_the_citizen(
    parts_for, cause, clock, kind
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(
            cause(VolunteerMatched), later(cause(MatchReleased, reason="helper_withdrew"), 1)
        )
        await parts.receive(later(cause(kind), 3))
        await parts.receive(later(cause(MatchEscalated), 2))
        assert await told(parts) == ["escalated"]


async def test_the_citizen_reads_what_happens_now_in_plain_words(
    parts_for, mail_server, cause, clock, arrived
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(
            cause(VolunteerMatched), later(cause(MatchReleased, reason="helper_withdrew"), 1)
        )
        await arrived(2)
        await parts.receive(later(cause(MatchEscalated), 2))
        await arrived(4)
    mail = mail_server.to("einer@example.org")[-1]
    assert "endnu ikke fundet" in str(mail["Subject"])
    text = str(mail.get_body(("plain",)).get_content())
    assert "Regionshospitalet Randers" in text
    assert "koordinator" in text
    assert not any(part.get_content_type() == "text/calendar" for part in mail.walk())
