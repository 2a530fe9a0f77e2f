"""What is no longer true is not sent: replaced messages, answered offers, and what is past."""

from datetime import timedelta

import msgspec
import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedClosed,
    NotificationFailed,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.clock import ManualClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import eventually
from icalendar import Calendar


def calendar(message) -> Calendar:
    return Calendar.from_ical(
        next(
            one for one in message.walk() if one.get_content_type() == "text/calendar"
        ).get_content()
    )


def event_of(message):
    (event,) = calendar(message).walk("VEVENT")
    return event


@pytest.mark.parametrize("state", ["accepted", "declined", "expired", "withdrawn"])
async def test_an_offer_that_is_no_longer_open_is_not_sent(
    parts_for, mail_server, owners, cause, clock, state: str
) -> None:
    owners.offer(state)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(OfferMade))
        await parts.ended("superseded")
        assert await parts.emitted() == []
    assert mail_server.inbox == []
    assert not [path for path, _ in owners.asked if path.startswith("/volunteers")]


async def _until_it_is_back(parts, mail_server, clock: ManualClock) -> None:
    await mail_server.start()

    async def over() -> bool:
        clock.advance(timedelta(seconds=5))
        return "waiting" not in await parts.states()

    await eventually(over, "everything came to its end")


async def _known_to_be_away(parts, mail_server, cause) -> None:
    await mail_server.stop()
    await parts.receive(cause(MatchEscalated, need_id=derived_id("another")))

    async def tried() -> bool:
        return await parts.waits() == 1

    await eventually(tried, "the server was tried")


async def test_what_ended_while_the_mail_server_was_away_is_dropped_before_anybody_is_asked_for(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await _known_to_be_away(parts, mail_server, cause)
        await parts.receive(cause(VolunteerMatched))
        await parts.receive(cause(MatchReleased))
        await _until_it_is_back(parts, mail_server, clock)
        assert await parts.states() == ["sent", "superseded", "superseded", "sent", "superseded"]
    (volunteers,) = mail_server.to("ellen@example.org")
    assert calendar(volunteers)["METHOD"] == "CANCEL", "who said yes hears that nobody is waiting"
    assert event_of(volunteers)["SEQUENCE"] == 1
    assert mail_server.to("einer@example.org") == [], "there is nothing to take back"
    assert [purpose for _, purpose in owners.asked] == ["message"]


async def test_of_two_matches_while_the_mail_server_was_away_the_newer_is_told_as_the_first(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await _known_to_be_away(parts, mail_server, cause)
        await parts.receive(
            cause(VolunteerMatched),
            cause(MatchReleased, reason="helper_withdrew"),
            cause(VolunteerMatched),
        )
        await _until_it_is_back(parts, mail_server, clock)
    (message,) = mail_server.to("einer@example.org")
    assert str(message["Subject"]).startswith("Du har følgeskab")
    assert event_of(message)["SEQUENCE"] == 2


async def test_nothing_is_told_of_the_past_and_the_history_says_that_it_was_not(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await _known_to_be_away(parts, mail_server, cause)
        released, of_another = (
            cause(MatchReleased, need_id=derived_id("a third")),
            derived_id("a fourth"),
        )
        await parts.receive(
            cause(VolunteerMatched), released, cause(VolunteerMatched, need_id=of_another)
        )
        await parts.receive(cause(NeedClosed, need_id=of_another))
        clock.advance(timedelta(days=2))
        await _until_it_is_back(parts, mail_server, clock)
        assert set(await parts.states()) == {"superseded", "failed"}
        told = await parts.emitted()
    assert {kind for kind, _ in told} == {NotificationFailed.EVENT_TYPE}
    assert {data["reason"] for _, data in told} == {"appointment_over"}
    assert "coordinator" in {data["recipient_role"] for _, data in told}, (
        "who was to look for somebody never heard of it"
    )
    assert mail_server.inbox == []
    assert owners.asked == []


async def test_who_was_told_of_company_hears_that_it_is_cancelled_whatever_was_dropped_meanwhile(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
        await _known_to_be_away(parts, mail_server, cause)
        await parts.receive(cause(MatchReleased, reason="helper_withdrew"), cause(NeedClosed))
        await _until_it_is_back(parts, mail_server, clock)
        assert "superseded" in await parts.states(), "what was replaced by the cancellation"
    first, last = (calendar(message) for message in mail_server.to("einer@example.org"))
    assert (first["METHOD"], last["METHOD"]) == ("REQUEST", "CANCEL")


async def test_a_release_after_the_end_is_told_to_nobody_and_what_comes_later_is(
    parts_for, mail_server, cause, clock
) -> None:
    """Moved to another day after it had ended: matched anew, and then cancelled."""
    async with parts_for(clock) as parts, parts.delivering():
        met = cause(VolunteerMatched)
        await parts.receive(met)
        await parts.ended("sent", "sent")
        ends_at = met.decode(VolunteerMatched).ends_at
        late = cause(MatchReleased, reason="appointment_rescheduled", ends_at=ends_at)
        late = msgspec.structs.replace(late, time=ends_at + timedelta(hours=2))
        await parts.receive(late)
        assert await parts.states() == ["sent", "sent"]
        again = {
            "starts_at": ends_at + timedelta(days=3),
            "ends_at": ends_at + timedelta(days=3, hours=1),
        }
        await parts.receive(cause(VolunteerMatched, **again))
        await parts.ended("sent", "sent", "sent", "sent")
        await parts.receive(cause(MatchReleased, reason="appointment_cancelled", **again))
        await parts.ended(*["sent"] * 6)
        assert NotificationFailed.EVENT_TYPE not in {kind for kind, _ in await parts.emitted()}
    assert [calendar(message)["METHOD"] for message in mail_server.to("einer@example.org")] == [
        "REQUEST",
        "REQUEST",
        "CANCEL",
    ]
