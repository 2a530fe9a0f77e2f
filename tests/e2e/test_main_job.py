"""The main job on real parts: from the hospital's message to the volunteer and the figures."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx2
import msgspec
import pytest
from brobyg_contracts import AttentionSettled, VolunteerMatched
from brobyg_contracts.topics import TOPICS
from brobyg_kit.event import Event
from brobyg_local.demo.history import records_in
from brobyg_local.services import SERVICES
from brobyg_notification.domain.notice import Role, calendar_uid
from icalendar import Calendar

from tests.contracts.validators import validators
from tests.e2e.run import Played
from tests.e2e.small_week import Case, by_name, personal
from tests.faults.expected_outcomes import differences, outcomes

pytestmark = pytest.mark.timeout(400)


class Facts(msgspec.Struct, frozen=True):
    """What of an event's data is looked at here."""

    referral_id: str = ""
    appointment_id: str = ""
    need_id: str = ""
    starts_at: datetime | None = None
    reason: str = ""
    recipient_role: str = ""


def history(played: Played, case: Case) -> list[tuple[str, Facts, Event]]:
    """The events about a case's appointment and its need, found by the start it had at any time."""
    starts = {start for _, _, start in case.steps}
    facts = [
        (event.type.removeprefix("dk.brobyg."), event.decode(Facts), event)
        for event in played.events
    ]
    mine = {
        found.appointment_id
        for kind, found, _ in facts
        if kind == "appointment.booked" and found.starts_at in starts
    }
    return [entry for entry in facts if (entry[1].need_id or entry[1].appointment_id) in mine]


def kinds(played: Played, name: str) -> list[str]:
    return [kind for kind, _, _ in history(played, by_name(name))]


def mails(played: Played) -> list[EmailMessage]:
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in played.access.mail.glob("*.eml")
    ]


def entries(
    played: Played, need_id: str, role: Role, recipient_id: str
) -> list[tuple[str, datetime, int]]:
    """(method, start, sequence) of each calendar file for the recipient, in order of sequence."""
    files = [
        Calendar.from_ical(str(part.get_content()))
        for mail in mails(played)
        for part in mail.walk()
        if part.get_content_type() == "text/calendar"
    ]
    uid = calendar_uid(need_id, role, recipient_id)
    found = [
        (str(file["METHOD"]), entry)
        for file in files
        for entry in file.walk("VEVENT")
        if entry["UID"] == uid
    ]
    told = [
        (method, entry.decoded("dtstart"), int(str(entry["SEQUENCE"]))) for method, entry in found
    ]
    return sorted(told, key=lambda one: one[2])


@pytest.mark.parametrize(
    "name", ["company", "company again", "another", "company over Kafka", "Kafka again"]
)
def test_who_asked_for_company_gets_a_volunteer_and_comes_to_the_appointment(
    played: Played, name: str
) -> None:
    happened = kinds(played, name)
    for kind in (
        "appointment.booked",
        "offer.made",
        "offer.accepted",
        "volunteer.matched",
        "appointment.completed",
    ):
        assert kind in happened, happened
    assert (
        happened.index("offer.made")
        < happened.index("offer.accepted")
        < happened.index("appointment.completed")
    )
    assert happened.count("volunteer.matched") == 1
    assert "match.escalated" not in happened


def test_both_are_told_of_a_match_by_mail_with_a_calendar_file(played: Played) -> None:
    found = history(played, by_name("company"))
    matched = next(event for kind, _, event in found if kind == "volunteer.matched")
    told = [
        facts.recipient_role
        for kind, facts, event in found
        if kind == "notification.sent" and cause(event) == matched.id
    ]
    assert sorted(told) == ["citizen", "helper"]
    match = matched.decode(VolunteerMatched)
    start = by_name("company").start
    assert match.starts_at == start
    about = (played, match.need_id)
    assert entries(*about, "citizen", str(match.citizen_id)) == [("REQUEST", start, 0)]
    ((method, meet_at, sequence),) = entries(*about, "helper", match.helper_id)
    assert (method, sequence) == ("REQUEST", 0)
    assert meet_at < start, "they meet before it starts"


def cause(event: Event) -> str:
    return str(json.loads(bytes(event.data))["cause"])


def test_a_cancelled_appointment_frees_the_volunteer_and_cancels_the_calendar_entry(
    played: Played,
) -> None:
    happened = kinds(played, "cancelled")
    assert {"volunteer.matched", "appointment.cancelled", "match.released"} <= set(happened)
    assert happened.index("appointment.cancelled") < happened.index("match.released")
    assert "appointment.completed" not in happened
    found = history(played, by_name("cancelled"))
    match = next(event for kind, _, event in found if kind == "volunteer.matched").decode(
        VolunteerMatched
    )
    start, about = by_name("cancelled").start, (played, match.need_id)
    told = [("REQUEST", start, 0), ("CANCEL", start, 1)]
    assert entries(*about, "citizen", str(match.citizen_id)) == told
    invited, cancelled = entries(*about, "helper", match.helper_id)
    assert (invited[0], invited[2]) == ("REQUEST", 0)
    assert cancelled == ("CANCEL", start, 1)


@pytest.mark.parametrize("name", ["moved", "moved over Kafka"])
def test_a_moved_appointment_is_asked_about_again_at_its_new_time(
    played: Played, name: str
) -> None:
    case = by_name(name)
    found = history(played, case)
    moves = [facts.starts_at for kind, facts, _ in found if kind == "appointment.rescheduled"]
    assert moves == [case.start]
    matches = [facts.starts_at for kind, facts, _ in found if kind == "volunteer.matched"]
    assert matches[-1] == case.start
    assert len(matches) == 2
    assert "appointment.completed" in kinds(played, name)


def test_two_appointments_on_one_way_have_one_helper(played: Played) -> None:
    matches = [
        [
            event.decode(VolunteerMatched)
            for kind, _, event in history(played, by_name(name))
            if kind == "volunteer.matched"
        ][-1]
        for name in ("first of a way", "second of the way")
    ]
    first, second = matches
    assert first.helper_id == second.helper_id
    assert (second.shares_with, second.way) == (first.need_id, "same_way")


def test_the_coordinator_settles_what_needs_a_human_and_its_owner_says_so(played: Played) -> None:
    for name in ("in two houses at once", "nobody can"):
        found = history(played, by_name(name))
        settled = [event for kind, _, event in found if kind == "attention.settled"]
        assert settled, kinds(played, name)
        assert settled[0].decode(AttentionSettled).outcome


def test_a_citizens_clashes_are_told_or_served_by_one_helper(played: Played) -> None:
    assert (played.summary.citizen_clashes, played.summary.clashes_unanswered) == (2, 0)


def test_a_citizen_who_did_not_come_is_counted_as_that(played: Played) -> None:
    happened = kinds(played, "no-show")
    assert "appointment.missed" in happened
    assert "appointment.completed" not in happened


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nobody can", "nobody_available"),
        ("everybody says no", "nobody_answered"),
        ("too late", "too_late"),
        ("in two houses at once", "clash"),
    ],
)
def test_what_cannot_be_matched_reaches_the_coordinator_with_the_reason(
    played: Played, name: str, reason: str
) -> None:
    found = history(played, by_name(name))
    assert [facts.reason for kind, facts, _ in found if kind == "match.escalated"] == [reason]
    told = [facts.recipient_role for kind, facts, _ in found if kind == "notification.sent"]
    assert "coordinator" in told
    assert "volunteer.matched" not in [kind for kind, _, _ in found]


@pytest.mark.parametrize("name", ["without a referral", "without a referral over Kafka"])
def test_an_appointment_of_somebody_without_a_referral_leaves_nothing_but_a_count(
    played: Played, name: str
) -> None:
    assert history(played, by_name(name)) == []
    assert played.summary.dropped_without_consent == 4


def test_broken_messages_are_refused_and_counted(played: Played) -> None:
    assert played.summary.rejected == 2


def test_nobody_was_told_anything_unexpected(played: Played) -> None:
    assert played.tally.surprises == []


def test_every_promise_about_the_whole_is_kept(played: Played) -> None:
    assert played.summary.broken() == []
    assert played.rebuild.equal


def test_every_appointment_ends_as_the_small_week_says(played: Played) -> None:
    assert differences(outcomes(played.events)) == []


def test_each_cause_is_told_to_each_reader_once(played: Played) -> None:
    identities = [str(mail["Message-ID"]) for mail in mails(played)]
    assert len(identities) == len(set(identities)) == played.summary.counts["notifications_sent"]


def test_events_of_one_thing_are_numbered_without_gaps(played: Played) -> None:
    numbers: dict[tuple[str, str], list[int]] = {}
    for event in played.events:
        numbers.setdefault((event.source, event.subject), []).append(event.sequence)
    for found in numbers.values():
        assert sorted(found) == list(range(1, len(found) + 1))


def test_nothing_personal_is_in_a_topic_a_log_or_a_metric(played: Played) -> None:
    """Only the hospital's own topic names a citizen; mails to their recipients are no logs."""
    secrets = [forms for word in sorted(personal(played.week)) for forms in written(word)]
    assert len(secrets) > 60
    for where, content in traces(played):
        found = [secret for secret in secrets if secret in content]
        assert not found, f"{where} holds {len(found)} personal values"


def test_the_search_for_personal_data_would_find_some(played: Played) -> None:
    """Control: the same search over the one topic that does hold CPR numbers."""
    secrets = [forms for word in sorted(personal(played.week)) for forms in written(word)]
    hospital = b"\n".join(asyncio.run(records_in(played.access.kafka, "hospital.appointment.v1")))
    assert any(secret in hospital for secret in secrets)


def written(word: str) -> set[bytes]:
    """The ways a word is written in UTF-8 and in JSON."""
    return {word.encode(), json.dumps(word)[1:-1].encode()}


def traces(played: Played) -> Iterator[tuple[str, bytes]]:
    for topic in TOPICS:
        if topic != "hospital.appointment.v1":
            yield topic, b"\n".join(asyncio.run(records_in(played.access.kafka, topic)))
    for path in sorted(Path(played.system.folder.logs).rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    for service in SERVICES:
        answer = httpx2.get(f"{played.access.url(service)}/metrics", timeout=10.0)
        yield f"{service}'s metrics", answer.content


def test_every_record_that_was_published_keeps_the_schema_of_its_topic(played: Played) -> None:
    validator_of, kinds_seen = validators(), set[str]()
    for name, event_types in TOPICS.items():
        for record in asyncio.run(records_in(played.access.kafka, name)) if event_types else ():
            document = json.loads(record)
            kind = document["type"].removeprefix("dk.brobyg.")
            assert document["type"] in event_types
            validator_of("cloudevent").validate(document)
            validator_of(kind).validate(document["data"])
            kinds_seen.add(kind)
    assert {
        "appointment.booked",
        "offer.made",
        "volunteer.matched",
        "match.escalated",
        "notification.sent",
    } <= kinds_seen


def test_reporting_tells_the_same_story_as_the_stream(played: Played) -> None:
    found = history(played, by_name("company"))
    [referral_id] = {facts.referral_id for _, facts, _ in found if facts.referral_id}
    answer = httpx2.get(
        f"{played.access.url('reporting')}/referrals/{referral_id}/timeline",
        headers=played.access.sign_in("analyst"),
        timeout=10.0,
    )
    told = [
        (entry["type"], datetime.fromisoformat(entry["time"])) for entry in answer.json()["events"]
    ]
    assert sorted(told) == sorted(
        (event.type, event.time)
        for event in played.events
        if event.decode(Facts).referral_id == referral_id
    )
