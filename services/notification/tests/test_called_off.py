"""What is called off without a match left to release is told the citizen once.

Whichever topic is heard first.
"""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from brobyg_contracts import MatchReleased, NeedChanged, NeedClosed, VolunteerMatched
from brobyg_notification.adapters.tables import notification
from icalendar import Calendar
from msgspec import structs
from sqlalchemy import select

STARTS = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
#: What is said, and by which reason the match is released.
CALLED_OFF = [
    (NeedChanged, {}, "appointment_rescheduled"),
    (NeedClosed, {"reason": "appointment_cancelled"}, "appointment_cancelled"),
    (NeedClosed, {"reason": "consent_withdrawn"}, "consent_withdrawn"),
    (NeedClosed, {"reason": "withdrawn"}, "withdrawn"),
    (NeedClosed, {"reason": "a_reason_of_a_later_version"}, "withdrawn"),
]
n = notification.c
CITIZENS = (
    select(n.calendar_method, n.release_reason)
    .where(n.recipient_role == "citizen")
    .order_by(n.position)
)


def later(event, minutes: int):
    return structs.replace(event, time=event.time + timedelta(minutes=minutes))


async def told(parts) -> list[str]:
    return [row.calendar_method for row in await parts.rows(CITIZENS)]


@pytest.mark.parametrize(("kind", "data", "reason"), CALLED_OFF)
async def test_after_a_withdrawal_the_entry_is_cancelled_once(
    parts_for, cause, clock, kind, data, reason: str
) -> None:
    withdrew = later(cause(MatchReleased, reason="helper_withdrew"), 1)
    off = later(cause(kind, **data), 2)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), withdrew)
        await parts.receive(off)
        await parts.receive(off)
        assert await told(parts) == ["REQUEST", "REQUEST", "CANCEL"]


@pytest.mark.parametrize(("kind", "data", "reason"), CALLED_OFF)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_the_order_of_the_topics_does_not_matter(
    parts_for, cause, clock, kind, data, reason: str, place: int
) -> None:
    story = [cause(VolunteerMatched), later(cause(MatchReleased, reason="helper_withdrew"), 1)]
    story.insert(place, later(cause(kind, **data), 2))
    async with parts_for(clock) as parts:
        for event in story:
            await parts.receive(event)
        rows = await parts.rows(CITIZENS)
    methods = [row.calendar_method for row in rows]
    assert (methods[-1], methods.count("CANCEL")) == ("CANCEL", 1)
    assert rows[-1].release_reason in (reason, data.get("reason"))


@pytest.mark.parametrize(("kind", "data", "reason"), CALLED_OFF)
async def test_two_topics_that_tell_the_same_cancel_once(
    parts_for, cause, clock, kind, data, reason: str
) -> None:
    for order in permutations(
        [later(cause(kind, **data), 2), later(cause(MatchReleased, reason=reason), 3)]
    ):
        async with parts_for(clock) as parts:
            await parts.receive(cause(VolunteerMatched), *order)
            assert await told(parts) == ["REQUEST", "CANCEL"]


@pytest.mark.parametrize(
    "kept", [{"priority": 1}, {"mode": "video"}, {"competences": ("wheelchair",)}]
)
async def test_a_change_of_anything_but_time_and_place_leaves_the_invitation_alone(
    parts_for, cause, clock, kept: dict[str, object]
) -> None:
    match = cause(VolunteerMatched)
    data = match.decode(VolunteerMatched)
    changed = later(cause(NeedChanged, starts_at=data.starts_at, ends_at=data.ends_at, **kept), 2)
    withdrew = later(cause(MatchReleased, reason="helper_withdrew"), 1)
    for story, methods in (
        ([match, changed], ["REQUEST"]),
        ([changed, match], ["REQUEST"]),
        ([changed, match, withdrew], ["REQUEST", "REQUEST"]),
    ):
        async with parts_for(clock) as parts:
            for event in story:
                await parts.receive(event)
            assert await told(parts) == methods


async def test_another_place_at_the_same_time_calls_the_old_one_off(
    parts_for, cause, clock
) -> None:
    match = cause(VolunteerMatched)
    data = match.decode(VolunteerMatched)
    moved = {"starts_at": data.starts_at, "ends_at": data.ends_at}
    async with parts_for(clock) as parts:
        await parts.receive(
            match, later(cause(NeedChanged, location_id="grenaa-health-house", **moved), 2)
        )
        assert await told(parts) == ["REQUEST", "CANCEL"]


@pytest.mark.parametrize("reason", ["completed", "missed"])
async def test_what_took_its_course_cancels_nothing(parts_for, cause, clock, reason: str) -> None:
    closed = later(cause(NeedClosed, reason=reason), 2)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), closed)
        assert await told(parts) == ["REQUEST"]


async def test_a_need_that_is_open_again_is_told_as_a_new_one(parts_for, cause, clock) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(
            cause(VolunteerMatched),
            later(cause(NeedClosed), 2),
            later(cause(VolunteerMatched), 9),
            later(cause(MatchReleased, reason="helper_withdrew"), 12),
        )
        assert await told(parts) == ["REQUEST", "CANCEL", "REQUEST", "REQUEST"]


async def test_a_move_heard_late_leaves_the_new_invitation_alone(parts_for, cause, clock) -> None:
    released, again = (
        cause(MatchReleased, reason="appointment_rescheduled"),
        later(cause(VolunteerMatched), 9),
    )
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), released, again)
        await parts.receive(later(cause(NeedChanged), 2))
        assert await told(parts) == ["REQUEST", "CANCEL", "REQUEST"]


async def test_the_cancellation_takes_back_the_time_that_was_told(
    parts_for, mail_server, cause, clock, arrived
) -> None:
    withdrew = later(cause(MatchReleased, reason="helper_withdrew"), 1)
    async with parts_for(clock) as parts, parts.delivering():
        told = [
            (cause(VolunteerMatched), 2),
            (withdrew, 4),
            (later(cause(NeedChanged), 2), 5),
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
    assert [entry["SEQUENCE"] for entry in entries] == [0, 1, 2]


@pytest.mark.parametrize(("kind", "data", "_reason"), CALLED_OFF)
async def test_what_is_corrected_once_it_has_begun_leaves_the_entry_alone(
    parts_for, cause, clock, kind, data, _reason: str
) -> None:
    off = structs.replace(cause(kind, **data), time=STARTS)
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched), off)
        assert await told(parts) == ["REQUEST"]
