"""What a mail must say so that its reader need not guess."""

import pytest
from brobyg_contracts import MatchEscalated, OfferMade
from brobyg_kit.ids import derived_id
from brobyg_kit.wording import day_and_time, time_of_day


def text(message) -> str:
    """What the reader sees without pictures."""
    return " ".join(str(message.get_body(("plain",)).get_content()).split())


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("clash", "Borgeren er et andet sted på det tidspunkt"),
        ("part_of_way", "Den, der har borgerens anden aftale på samme vej, har ikke denne"),
    ],
)
async def test_the_coordinator_reads_of_both_needs_when_and_where_they_are(
    parts_for, mail_server, owners, cause, clock, reason: str, why: str
) -> None:
    typical = cause(MatchEscalated).decode(MatchEscalated)
    other = {
        "other_need_id": derived_id("the other"),
        "other_location_id": "grenaa-health-house",
        "other_starts_at": typical.starts_at,
        "other_ends_at": typical.ends_at,
    }
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated, reason=reason, **other))
        await parts.ended("sent")
    (message,) = mail_server.to("coordinator@example.org")
    told = text(message)
    assert why in told
    assert "Regionshospitalet Randers" in told
    assert "Sundhedshus Grenaa" in told
    assert told.count(day_and_time(typical.starts_at, "da")) == 2
    assert told.count(time_of_day(typical.ends_at, "da")) == 2
    assert derived_id("the other") in told
    assert owners.asked == [], "no person is named"
    assert ("To steder på én gang" in str(message["Subject"])) == (reason == "clash")


async def test_who_is_asked_again_reads_that_the_first_question_no_longer_counts(
    parts_for, mail_server, cause, clock
) -> None:
    replaces = "its link no longer count"
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(OfferMade))
        await parts.ended("sent")
        await parts.receive(cause(OfferMade, need_id=derived_id("another")))
        await parts.ended("sent", "sent")
        await parts.receive(cause(OfferMade))
        await parts.ended("sent", "sent", "sent")
    first, of_another, again = (text(one) for one in mail_server.to("ellen@example.org"))
    assert replaces not in first
    assert replaces not in of_another, "another need is another question"
    assert replaces in again


async def test_of_a_question_that_never_arrived_nothing_is_said(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        owners.offer("withdrawn")
        await parts.receive(cause(OfferMade))
        await parts.ended("superseded")
        owners.offer("open")
        await parts.receive(cause(OfferMade))
        await parts.ended("superseded", "sent")
    (message,) = mail_server.to("ellen@example.org")
    assert "no longer count" not in text(message)
