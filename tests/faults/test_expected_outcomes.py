"""The comparison of weeks can fail: one in which nobody was matched or told is not a good one."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from brobyg_kit.event import Event

from tests.e2e.small_week import CASES, MONDAY, Case, by_name
from tests.faults.expected_outcomes import differences, outcomes
from tests.faults.faults import BUSY, IN_HAND, Fault, Outage, copies_allowed, mail_differences


class Teller:
    """Writes the events that a case leads to when all goes well, in their order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, source: str, event_type: str, case: Case, **data: Any) -> str:
        subject = f"need of {case.name}"
        about = "appointment_id" if event_type.startswith("appointment.") else "need_id"
        number = (
            sum(event.source == source and event.subject == subject for event in self.events) + 1
        )
        event = Event(
            id=f"event {len(self.events)}",
            source=source,
            type=f"dk.brobyg.{event_type}",
            subject=subject,
            time=MONDAY + timedelta(seconds=len(self.events)),
            dataschema="",
            correlationid="",
            sequence=number,
            data=msgspec.Raw(msgspec.json.encode({about: case.name, **data})),
        )
        self.events.append(event)
        return event.id

    def notice(
        self, case: Case, role: str, who: str, template: str, cause: str, became: str = "sent"
    ) -> None:
        one = f"notice {len(self.events)}"
        told = {"recipient_role": role, "recipient_id": who, "template": template, "cause": cause}
        self.tell("notification", f"notification.{became}", case, notification_id=one, **told)

    def match(self, case: Case, start: datetime, number: int) -> None:
        who = f"helper {number}"
        cause = self.tell(
            "matching",
            "volunteer.matched",
            case,
            starts_at=start,
            match_id=f"match {number}",
            helper_id=who,
        )
        self.notice(case, "helper", who, "matched_helper", cause)
        if case.reachable:
            self.notice(case, "citizen", "citizen", "matched_citizen", cause)
        else:
            self.notice(case, "citizen", "citizen", "matched_citizen", cause, "failed")
            self.notice(case, "coordinator", "randers-norddjurs", "unreachable_citizen", cause)
            self.tell("notification", "attention.raised", case, kind="mail_refused")

    def release(self, case: Case, number: int) -> None:
        gone = {"match_id": f"match {number}", "helper_id": f"helper {number}"}
        cause = self.tell("matching", "match.released", case, **gone)
        self.notice(case, "helper", f"helper {number}", "released_helper", cause)
        self.notice(case, "citizen", "citizen", "released_citizen", cause)
        self.notice(case, "helper", f"helper {number}", "offer", "another question")

    def play(self, case: Case) -> None:
        first, *others, (_, last, start) = case.steps
        self.tell("referral", "appointment.booked", case, starts_at=first[2])
        if case.company == "escalated":
            cause = self.tell("matching", "match.escalated", case, starts_at=start)
            self.notice(case, "coordinator", "randers-norddjurs", "escalated", cause)
            self.tell("matching", "attention.raised", case, kind=case.attention)
        else:
            self.match(case, first[2], 1)
        if others:
            self.tell("referral", "appointment.rescheduled", case, starts_at=start)
            self.release(case, 1)
            self.match(case, start, 2)
        ended = {"fulfilled": "completed", "noshow": "missed"}.get(last, last)
        self.tell("referral", f"appointment.{ended}", case, starts_at=start)
        if case.company == "released":
            self.release(case, 1)


def good_week() -> list[Event]:
    teller = Teller()
    for case in CASES:
        if case.expect == "kept":
            teller.play(case)
    return teller.events


def of_kinds(events: Sequence[Event], *without: str) -> list[Event]:
    return [
        event
        for event in events
        if not event.type.startswith(tuple(f"dk.brobyg.{kind}" for kind in without))
    ]


def mails_of(events: Sequence[Event]) -> Counter[str]:
    sent = [event for event in events if event.type == "dk.brobyg.notification.sent"]
    return Counter(msgspec.json.decode(event.data)["notification_id"] for event in sent)


def kept() -> set[str]:
    return {case.name for case in CASES if case.expect == "kept"}


def named(sentences: Sequence[str]) -> set[str]:
    return {sentence.partition(":")[0] for sentence in sentences}


def test_a_week_in_which_all_went_well_differs_in_nothing() -> None:
    assert differences(outcomes(good_week())) == []


def test_a_week_in_which_nobody_was_matched_differs_in_every_case() -> None:
    found = differences(
        outcomes(
            of_kinds(good_week(), "volunteer.", "match.", "offer.", "notification.", "attention.")
        )
    )
    assert named(found) == kept()
    assert "company: company is 'nobody' instead of 'matched'" in "\n".join(found)


def test_a_week_in_which_nobody_was_told_differs_in_every_case() -> None:
    found = differences(outcomes(of_kinds(good_week(), "notification.")))
    assert named(found) == kept()


def test_a_week_in_which_nothing_happened_differs_in_every_case() -> None:
    assert named(differences(outcomes([]))) == kept()


@pytest.mark.parametrize(
    "kind",
    [
        "match.released",
        "match.escalated",
        "appointment.cancelled",
        "appointment.missed",
        "attention.",
    ],
)
def test_no_kind_of_event_can_be_missing_unnoticed(kind: str) -> None:
    assert differences(outcomes(of_kinds(good_week(), kind)))


@pytest.mark.parametrize(
    "template",
    [
        "matched_helper",
        "matched_citizen",
        "released_helper",
        "released_citizen",
        "escalated",
        "unreachable",
    ],
)
def test_no_kind_of_message_can_be_missing_unnoticed(template: str) -> None:
    week = [
        event
        for event in good_week()
        if f'"template":"{template}'.encode() not in bytes(event.data)
    ]
    assert differences(outcomes(week))


def test_who_is_told_of_the_old_time_only_was_not_told_of_the_match_that_is_valid() -> None:
    moved = by_name("moved")
    teller = Teller()
    teller.play(moved)
    week = [
        event
        for event in teller.events
        if event.type != "dk.brobyg.notification.sent" or event.sequence <= 5
    ]
    found = [sentence for sentence in differences(outcomes(week)) if sentence.startswith("moved:")]
    assert len(found) == 1
    assert "helper is 'nothing'" in found[0]
    assert "citizen is 'released_citizen'" in found[0]


def test_two_volunteers_for_one_appointment_are_noticed() -> None:
    company = by_name("company")
    teller = Teller()
    teller.play(company)
    teller.match(company, company.start, 2)
    found = [
        sentence
        for sentence in differences(outcomes(teller.events))
        if sentence.startswith("company:")
    ]
    assert "company is '2 matches at once' instead of 'matched'" in found[0]


def test_an_appointment_of_somebody_without_a_referral_is_noticed() -> None:
    teller = Teller()
    teller.tell(
        "referral", "appointment.booked", by_name("without a referral"), starts_at=CASES[-2].start
    )
    assert "without a referral" in named(differences(outcomes(teller.events)))


def test_a_second_copy_of_a_mail_is_reported_unless_the_fault_allows_it() -> None:
    week = good_week()
    mails = mails_of(week)
    assert mail_differences(week, mails, 0) == []
    twice = mails + Counter(list(mails)[:1])
    assert mail_differences(week, twice, 0) == [
        "1 mails are there that the history does not have, beyond the 0 the fault allows"
    ]
    assert mail_differences(week, twice, 1) == []


def test_a_mail_without_an_event_does_not_make_up_for_an_event_without_a_mail() -> None:
    week = good_week()
    mails = mails_of(week)
    missing = next(iter(mails))
    other = mails - Counter([missing]) + Counter(["another"])
    assert len(mail_differences(week, other, 0)) == 2
    assert len(mail_differences(week, other, IN_HAND)) == 1


def test_only_faults_between_a_mail_and_the_record_of_it_allow_a_second_copy() -> None:
    def copies(component: str) -> int:
        return copies_allowed(Fault("one", (Outage(component, "kill", BUSY),)))

    assert {copies(name) for name in ("referral", "matching", "kafka", "portal", "reporting")} == {
        0
    }
    assert {copies(name) for name in ("notification", "mail", "postgres")} == {IN_HAND}
