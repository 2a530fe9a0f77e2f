"""Exactly one message per cause, in order, and nothing lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from brobyg_contracts import (
    DepartmentRecorded,
    MatchEscalated,
    MatchReleased,
    NotificationFailed,
    NotificationSent,
    OfferMade,
    PlaceRecorded,
    VolunteerMatched,
)
from brobyg_contracts.reference import Reference
from brobyg_kit.clock import AcceleratedClock, ManualClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import eventually
from brobyg_notification.readiness import mail_goes_out
from brobyg_notification.use_cases import delivery_worker
from icalendar import Calendar
from msgspec import UNSET, structs

NEED, CITIZEN = derived_id("need"), derived_id("citizen")
STARTS = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
#: As matching tells them.
MEET_AT, HOME_AT = STARTS - timedelta(minutes=40), STARTS + timedelta(minutes=95)
CPR, SURNAME = "0201609995", "Lauridsen"


def part(message: EmailMessage, kind: str) -> EmailMessage:
    return next(one for one in message.walk() if one.get_content_type() == kind)


def text(message: EmailMessage) -> str:
    return str(part(message, "text/plain").get_content())


def calendar(message: EmailMessage) -> Calendar:
    return Calendar.from_ical(part(message, "text/calendar").get_content())


def event_of(message: EmailMessage):
    (event,) = calendar(message).walk("VEVENT")
    return event


async def test_a_match_tells_both_in_their_own_language_by_given_name_only(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
    (citizens,), (volunteers,) = (
        mail_server.to("einer@example.org"),
        mail_server.to("ellen@example.org"),
    )
    assert citizens["Subject"] == "Du har følgeskab tirsdag den 1. december kl. 10.15"
    assert volunteers["Subject"] == "You are accompanying someone on Tuesday 1 December, 10:15"
    assert "Ellen er frivillig" in text(citizens)
    assert "You are accompanying Einer." in text(volunteers)
    assert "Testgrusgraven 3, 3.th" in text(volunteers)
    everything = citizens.as_string() + volunteers.as_string() + text(citizens) + text(volunteers)
    assert SURNAME not in everything
    assert CPR not in everything


async def test_a_message_is_text_html_and_calendar_with_an_attachment(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
    (message,) = mail_server.to("einer@example.org")
    kinds = [one.get_content_type() for one in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/calendar",
        "application/ics",
    ]
    assert part(message, "text/calendar").get_param("method") == "REQUEST"
    assert part(message, "application/ics").get_filename() == "brobyg.ics"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.org>")


async def test_the_calendar_spans_what_each_of_them_needs_and_names_a_public_place(
    parts_for, mail_server, cause, clock
) -> None:
    match = cause(VolunteerMatched)
    data = match.decode(VolunteerMatched)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(match)
        await parts.ended("sent", "sent")
    citizens, volunteers = (
        event_of(mail_server.to("einer@example.org")[0]),
        event_of(mail_server.to("ellen@example.org")[0]),
    )
    assert (citizens.decoded("dtstart"), citizens.decoded("dtend")) == (
        data.starts_at,
        data.ends_at,
    )
    assert (volunteers.decoded("dtstart"), volunteers.decoded("dtend")) == (
        MEET_AT,
        HOME_AT,
    )
    for event in (citizens, volunteers):
        assert "Randers" in event["LOCATION"]
        assert "Testgrusgraven" not in event.to_ical().decode()
        assert "Einer" not in event.to_ical().decode()


async def test_a_protected_citizen_is_met_at_the_place_of_care(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.citizen(meeting_point=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
    assert all("Testgrusgraven" not in text(message) for message in mail_server.inbox)
    assert "Meeting point: Regionshospitalet Randers" in text(
        mail_server.to("ellen@example.org")[0]
    )


async def test_a_match_that_no_longer_stands_is_not_told_as_if_it_did(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.match("released")
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("superseded", "superseded")
    assert mail_server.inbox == []
    assert not [path for path, _ in owners.asked if path.endswith("/contact")]


async def test_who_wishes_to_meet_at_the_place_of_care_is_met_there_whatever_address_is_known(
    parts_for, mail_server, owners, cause, clock
) -> None:
    """The wish is the owner's word at the moment of sending; no event holds it."""
    owners.citizen(meeting="at_location")
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
    assert all("Testgrusgraven" not in text(message) for message in mail_server.inbox)


async def test_the_sequence_rises_in_the_order_of_sending_under_one_uid(
    parts_for, mail_server, cause, clock
) -> None:
    story = [
        cause(VolunteerMatched),
        cause(MatchReleased, reason="helper_withdrew"),
        cause(VolunteerMatched),
        cause(MatchReleased, reason="appointment_cancelled"),
    ]
    async with parts_for(clock, concurrency=8) as parts, parts.delivering():
        for number, event in enumerate(story, 1):
            await parts.receive(event)
            await parts.ended(*["sent"] * 2 * number)
    events = [event_of(message) for message in mail_server.to("einer@example.org")]
    methods = [str(calendar(message)["METHOD"]) for message in mail_server.to("einer@example.org")]
    assert [event["SEQUENCE"] for event in events] == [0, 1, 2, 3]
    assert len({event["UID"] for event in events}) == 1
    assert methods == ["REQUEST", "REQUEST", "REQUEST", "CANCEL"]
    assert mail_server.to("einer@example.org")[2]["Subject"].startswith("Ændret: ")
    assert [event_of(message)["SEQUENCE"] for message in mail_server.to("ellen@example.org")] == [
        0,
        1,
        2,
        3,
    ]


async def test_a_cancellation_covers_what_it_takes_back(
    parts_for, mail_server, cause, clock
) -> None:
    match = cause(VolunteerMatched)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(match)
        await parts.ended(*["sent"] * 2)
        await parts.receive(cause(MatchReleased))
        await parts.ended(*["sent"] * 4)
    first, last = (event_of(message) for message in mail_server.to("ellen@example.org"))
    data = match.decode(VolunteerMatched)
    assert (last["DTSTART"].dt, last["DTEND"].dt) == (data.starts_at, data.ends_at)
    assert first["UID"] == last["UID"]
    assert last["STATUS"] == "CANCELLED"


async def test_a_release_names_nobody_and_asks_only_for_its_reader(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
        owners.asked.clear()
        await parts.receive(cause(MatchReleased))
        await parts.ended(*["sent"] * 4)
    assert len(owners.asked) == 2
    assert "Einer" not in text(mail_server.to("ellen@example.org")[1])
    assert {purpose for _, purpose in owners.asked} == {"message"}


async def test_a_batch_received_twice_tells_once(parts_for, mail_server, cause, clock) -> None:
    another = derived_id("another")
    batch = [
        cause(VolunteerMatched),
        cause(MatchReleased, need_id=another),
        cause(OfferMade),
    ]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(*batch)
        await parts.receive(*batch)
        await parts.ended(*["sent"] * 4)
        await parts.receive(*batch)
        assert len(await parts.states()) == 4
        sent = [data["notification_id"] for _, data in await parts.emitted()]
    assert len(mail_server.inbox) == 4
    assert len(sent) == len(set(sent)) == 4


async def test_an_offer_carries_its_link_and_nothing_of_the_citizen(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(OfferMade))
        await parts.ended("sent")
    (message,) = mail_server.inbox
    assert "http://portal.example.org/answer/signed.token" in text(message)
    assert "Einer" not in message.as_string()
    assert not [path for path, _ in owners.asked if path.startswith("/citizens")]


async def test_a_coordinator_reads_reasons_and_no_person(
    parts_for, mail_server, owners, cause, clock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated))
        await parts.ended("sent")
    (message,) = mail_server.to("coordinator@example.org")
    assert "Ingen af de spurgte sagde ja i tide" in text(message)
    assert "har nået sin grænse for ugen: 2" in text(message)
    assert NEED in text(message)
    assert owners.asked == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("gone", "recipient_erased"),
        ("restricted", "restricted"),
        ({"email": None}, "no_address"),
        ({"email": "no at"}, "no_address"),
        ({"email": "x[y@z.dk"}, "no_address"),
    ],
)
async def test_what_can_never_arrive_fails_with_its_reason(
    parts_for, mail_server, owners, cause, clock, answer: str | dict[str, object], reason: str
) -> None:
    if isinstance(answer, str):
        getattr(owners, answer)(f"/citizens/{CITIZEN}/contact")
    else:
        owners.citizen(**answer)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", *(["sent"] if reason == "no_address" else []))
        kinds = dict(await parts.emitted())
    assert kinds[NotificationFailed.EVENT_TYPE]["reason"] == reason
    assert len(mail_server.to("ellen@example.org")) == 1


async def test_a_404_ends_no_message(parts_for, mail_server, owners, cause, clock) -> None:
    """It may come from a wrong address or a gateway: messages are sent once that is mended."""
    answers = dict(owners.answers)
    owners.answers.clear()
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched), cause(OfferMade))

        async def asked() -> bool:
            return await parts.waits("owner_unavailable") == 2

        await eventually(asked, "the owners were asked")
        assert set(await parts.states()) == {"waiting"}
        owners.answers.update(answers)
        clock.advance(timedelta(minutes=1))
        await parts.ended("sent", "sent", "sent")


async def test_a_message_for_an_id_that_its_owner_does_not_know_ends_with_the_appointment(
    parts_for, mail_server, owners, cause, clock: ManualClock
) -> None:
    owners.citizen(404, type="https://brobyg.dk/problems/not-found")
    match = cause(VolunteerMatched)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(match)

        async def tried_again() -> bool:
            clock.advance(timedelta(minutes=15))
            return await parts.waits("owner_unavailable", attempts=3) == 2

        await eventually(tried_again, "the owner is asked again and again")
        assert (await mail_goes_out(parts.queue)()).detail.endswith(": owner_unavailable 2")
        clock.advance(match.decode(VolunteerMatched).ends_at - clock.now())

        async def ended() -> bool:
            clock.advance(timedelta(minutes=15))  # one that was in hand is tried later again
            return await parts.states() == ["failed", "failed"]

        await eventually(ended, "the appointment is over")
        assert {data["reason"] for _, data in await parts.emitted()} == {"appointment_over"}
    assert mail_server.inbox == []


@pytest.mark.parametrize(
    ("department", "default", "language"),
    [
        ("randers-norddjurs", "en", "da"),  # its first
        ("randers", "en", "da"),  # a former id means the one that has taken over
        ("aarhus", "da", "en"),  # its first has no catalogue, its second has
        ("not-known-yet", "da", "da"),
    ],
)
async def test_who_wishes_a_language_without_a_catalogue_gets_the_departments_and_is_counted(
    parts_for, mail_server, owners, cause, clock, department: str, default: str, language: str
) -> None:
    owners.helper(language="so")
    async with parts_for(clock, default_language=default) as parts, parts.delivering():
        await parts.receive(cause(OfferMade, department=department))
        await parts.ended("sent")
        ((_, told),) = await parts.emitted()
        unknown = parts.registry.get_sample_value("brobyg_notification_unknown_language_total")
    assert "language" not in told, "it would tell what the reader speaks"
    subject = {"da": "Kan du følge med", "en": "Can you accompany"}[language]
    assert str(mail_server.inbox[0]["Subject"]).startswith(subject)
    assert unknown == 1


async def test_a_coordinator_reads_the_departments_first_language_there_is_a_catalogue_for(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock, default_language="da") as parts, parts.delivering():
        parts.delivery.coordinators["aarhus"] = "another@example.org"
        await parts.receive(cause(MatchEscalated), cause(MatchEscalated, department="aarhus"))
        await parts.ended("sent", "sent")
        unknown = parts.registry.get_sample_value("brobyg_notification_unknown_language_total")
    (danish,), (english,) = (
        mail_server.to("coordinator@example.org"),
        mail_server.to("another@example.org"),
    )
    assert "Ingen fundet endnu" in str(danish["Subject"])
    assert "Randers og Norddjurs" in str(danish["Subject"])
    assert "Nobody found yet" in str(english["Subject"])
    assert unknown == 0


async def test_times_are_told_in_the_departments_zone(
    parts_for, mail_server, cause, clock, records
) -> None:
    for zone, told in (("Atlantic/Faroe", "09:15"), ("Europe/Copenhagen", "10:15")):
        elsewhere = [
            structs.replace(one, zone=zone) if isinstance(one, DepartmentRecorded) else one
            for one in records
        ]
        mail_server.inbox.clear()
        async with parts_for(clock, reference=Reference(elsewhere)) as parts, parts.delivering():
            await parts.receive(cause(VolunteerMatched))
            await parts.ended("sent", "sent")
        (message,) = mail_server.to("ellen@example.org")
        assert str(message["Subject"]).endswith(told)
        assert event_of(message)["DTSTART"].params["TZID"] == zone


async def test_a_place_that_is_not_known_yet_is_waited_for_before_anybody_is_asked_for(
    parts_for, mail_server, owners, cause, clock, records
) -> None:
    without = Reference([one for one in records if not isinstance(one, PlaceRecorded)])
    async with parts_for(clock, reference=without) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))

        async def waits() -> bool:
            return await parts.waits("reference_data") == 2

        await eventually(waits, "both messages wait")
    assert mail_server.inbox == []
    assert owners.asked == []


async def test_a_refused_recipient_fails_and_does_not_hold_up_others(
    parts_for, mail_server, cause, clock
) -> None:
    mail_server.answers["einer@example.org"] = ["550 no such user"]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        kinds = dict(await parts.emitted())
    assert kinds[NotificationFailed.EVENT_TYPE]["reason"] == "refused"


async def test_a_deferred_message_is_tried_again_after_a_pause(
    parts_for, mail_server, cause, clock: ManualClock
) -> None:
    mail_server.answers["einer@example.org"] = ["451 greylisted", "451 greylisted"]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "waiting")
        for attempts in (1, 2):
            await _attempted(parts, attempts)
            assert mail_server.to("einer@example.org") == []
            clock.advance(timedelta(seconds=2))
        await parts.ended("sent", "sent")
    assert len(mail_server.to("einer@example.org")) == 1


async def _attempted(parts, attempts: int) -> None:
    async def so() -> bool:
        return await parts.waits(attempts=attempts) == 1

    await eventually(so, f"{attempts} attempts have been made")


async def test_an_owner_that_is_away_delays_and_loses_nothing(
    parts_for, mail_server, owners, cause, clock: ManualClock
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "sent")
        owners.citizen(503)
        await parts.receive(cause(MatchReleased))
        await parts.ended("sent", "sent", "sent", "waiting")
        await _attempted(parts, 1)
        owners.citizen(200)
        clock.advance(timedelta(seconds=2))
        await parts.ended(*["sent"] * 4)
    assert len(mail_server.to("einer@example.org")) == 2


async def test_a_newer_message_waits_for_a_deferred_one_and_takes_its_place(
    parts_for, mail_server, cause, clock: ManualClock
) -> None:
    mail_server.answers["einer@example.org"] = ["451 later"]
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "waiting")
        await _attempted(parts, 1)
        await parts.receive(cause(MatchReleased))
        await parts.ended("sent", "waiting", "sent", "waiting")
        clock.advance(timedelta(minutes=1))
        await parts.ended("sent", "superseded", "sent", "sent")
    (message,) = mail_server.to("einer@example.org")
    assert calendar(message)["METHOD"] == "CANCEL", "an attempt was made: who knows what arrived"
    assert event_of(message)["SEQUENCE"] == 1


async def test_a_dead_mail_server_delays_and_loses_nothing(
    parts_for, mail_server, cause, running_clock, arrived
) -> None:
    await mail_server.stop()
    causes = [
        cause(VolunteerMatched, need_id=derived_id("need", str(number))) for number in range(20)
    ]
    async with parts_for(running_clock) as parts, parts.delivering():
        await parts.receive(*causes)

        async def seen_dead() -> bool:
            return await parts.waits() > 0

        await eventually(seen_dead, "the server was tried")
        assert set(await parts.states()) == {"waiting"}
        await mail_server.start()
        await parts.ended(*["sent"] * 40)
        assert [kind for kind, _ in await parts.emitted()] == [NotificationSent.EVENT_TYPE] * 40
    assert (
        len({message["Message-ID"] for message in mail_server.inbox})
        == len(mail_server.inbox)
        == 40
    )


async def test_a_slow_server_gets_a_message_once_and_delays_no_other(
    parts_for, mail_server, cause, clock
) -> None:
    mail_server.answers_after["einer@example.org"] = 2.0
    async with parts_for(clock, command_seconds=0.4) as parts, parts.delivering():
        another = cause(MatchEscalated, need_id=derived_id("another"))
        await parts.receive(cause(VolunteerMatched), another)
        await parts.ended("sent", "waiting", "sent")
        await parts.ended("sent", "sent", "sent")
    assert len(mail_server.to("einer@example.org")) == 1


async def test_a_stop_waits_for_the_answer_to_a_message_that_the_server_has(
    parts_for, mail_server, cause, clock, arrived
) -> None:
    confirmed = mail_server.answers_when["coordinator@example.org"] = asyncio.Event()
    async with parts_for(clock) as parts:
        running = asyncio.create_task(parts.worker.run())
        await parts.receive(cause(MatchEscalated))
        await arrived(1)
        running.cancel()
        stopped, _ = await asyncio.wait([running], timeout=0.5)
        assert not stopped, "it waits for the answer"
        confirmed.set()
        await asyncio.wait([running])
        assert await parts.states() == ["sent"]


async def test_a_server_that_closes_the_connection_between_messages_costs_no_attempt(
    parts_for, mail_server, cause, running_clock
) -> None:
    async with parts_for(running_clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated))
        await parts.ended("sent")
        await mail_server.stop()
        await mail_server.start()
        await parts.receive(cause(MatchEscalated))
        await parts.ended("sent", "sent")


async def test_connections_are_used_again_and_bounded(parts_for, mail_server, cause, clock) -> None:
    causes = [
        cause(MatchEscalated, need_id=derived_id("need", str(number))) for number in range(50)
    ]
    async with parts_for(clock, concurrency=3) as parts, parts.delivering():
        await parts.receive(*causes)
        await parts.ended(*["sent"] * 50)
    assert mail_server.connections <= 3


async def test_an_event_becomes_a_mail_at_once_when_idle(
    parts_for, cause, running_clock, arrived, monkeypatch
) -> None:
    monkeypatch.setattr(delivery_worker, "_POLL_SECONDS", 60.0)  # longer than the test waits
    async with parts_for(running_clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated))
        await parts.ended("sent")
        await parts.receive(cause(MatchEscalated))
        await arrived(2)


async def test_the_sequence_goes_on_rising_after_a_message_has_failed(
    parts_for, mail_server, owners, cause, clock
) -> None:
    """A recipient without an address at first, with one later: the sequence goes on rising."""
    owners.citizen(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        owners.citizen()
        await parts.receive(cause(MatchReleased))
        await parts.ended("sent", "failed", "sent", "sent", "sent")
    (message,) = mail_server.to("einer@example.org")
    assert event_of(message)["SEQUENCE"] == 1


async def test_an_end_that_could_not_be_written_is_written_later_and_sends_no_copy(
    parts_for, mail_server, cause, running_clock, monkeypatch
) -> None:
    async with parts_for(running_clock) as parts:
        await parts.receive(cause(MatchEscalated))
        written, tried = parts.queue.end, asyncio.Event()

        async def broken(*_: object) -> None:
            tried.set()
            raise RuntimeError("nobody foresaw this")

        monkeypatch.setattr(parts.queue, "end", broken)
        async with parts.delivering():
            await asyncio.wait_for(tried.wait(), 20)
            monkeypatch.setattr(parts.queue, "end", written)
            await parts.ended("sent")
    assert len(mail_server.inbox) == 1


def test_pauses_between_attempts_grow_to_a_quarter_of_an_hour() -> None:
    pauses = [delivery_worker.ATTEMPTS.after(attempt) for attempt in range(1, 40)]
    assert pauses[0] == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 900


async def test_under_a_clock_that_runs_fast_pauses_run_fast_too(
    parts_for, mail_server, owners, cause
) -> None:
    now = datetime.now(UTC)
    week = AcceleratedClock(datetime(2026, 11, 30, tzinfo=UTC), 5040, now)
    mail_server.answers["einer@example.org"] = [
        "451 later"
    ] * 8  # pauses of 1 + 2 + ... + 128 s, over four minutes
    async with parts_for(week) as parts, parts.delivering():
        starts_at = datetime(2026, 12, 20, 9, tzinfo=UTC)
        await parts.receive(
            cause(VolunteerMatched, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        )
        await parts.ended("sent", "sent")
    assert (datetime.now(UTC) - now) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "changes",
    [{}, {"way": "same_way", "offer_id": UNSET}, {"way": "by_hand", "offer_id": UNSET}],
    ids=["by an offer", "on the same way", "by hand"],
)
async def test_whoever_is_told_of_a_match_can_say_that_they_can_not_after_all(
    parts_for, mail_server, owners, cause, clock, changes: dict[str, object]
) -> None:
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched, **changes))
        await parts.ended("sent", "sent")
    link = "http://portal.example.org/answer/match.token"
    (told,) = mail_server.to("ellen@example.org")
    assert link in text(told)
    assert f'href="{link}"' in str(part(told, "text/html").get_content())
    assert link in str(event_of(told)["description"])
    (citizens,) = mail_server.to("einer@example.org")
    assert "/answer/" not in text(citizens) + str(event_of(citizens)["description"])
    path = f"/needs/{NEED}/matches/{derived_id('match')}/answer-link"
    assert [asked for asked, _ in owners.asked].count(path) == 2, "once for each message"
