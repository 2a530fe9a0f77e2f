"""What a message says: the facts its template needs and the span of its calendar entry. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

from brobyg_contracts import MatchEscalated, OfferMade
from brobyg_contracts.places import location_name

from brobyg_notification.domain.calendar import Entry
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Notice, Role, Template, calendar_uid

#: The variables of a template.
Facts = dict[str, object]


def facts(notice: Notice) -> Facts:
    """What the notice's template needs beside what is personal. Names nobody."""
    about: Facts = {
        "place": _place_of_match(notice),
        "starts_at": notice.starts_at,
        "ends_at": notice.ends_at,
        "reason": notice.release_reason,
        "appointment_id": notice.appointment_id,
        "referral_id": notice.referral_id,
    }
    own = _FACTS.get(notice.template)
    return about | own(notice) if own else about


def party_facts(notice: Notice, reader: Contact, other: Contact | None) -> Facts:
    """The personal part: given names, and where the two meet.

    They meet at the citizen's address where that is agreed and may be told; else at the place of
    care.
    """
    match = notice.matched
    citizen = reader if notice.role == "citizen" else other
    home = citizen.meeting_point if citizen and match and match.meeting == "home" else None
    return {
        "reader": reader.given_name,
        "other": other.given_name if other else "",
        "meeting_point": home or _place_of_match(notice),
    }


def other_party(notice: Notice) -> tuple[Role, str] | None:
    """Role and id of the person the message names beside its reader; None when it names nobody.

    Names are given only to people who will meet.
    """
    match = notice.matched
    if match is None or notice.template not in ("matched_volunteer", "matched_citizen"):
        return None
    if notice.role == "volunteer":
        return "citizen", match.citizen_id
    return "volunteer", match.volunteer_id


def calendar_entry(notice: Notice, made_at: datetime) -> Entry | None:
    """The volunteer's entry lasts from meeting to being home, the citizen's as the appointment.

    A release takes its span from the match it ends. None for a message without a calendar file.
    """
    if notice.calendar is None or notice.sequence is None:
        return None
    span = (notice.starts_at, notice.ends_at)
    match = notice.matched
    if match and notice.role == "volunteer" and span == (match.starts_at, match.ends_at):
        span = (match.meet_at, match.home_at)
    return Entry(
        uid=calendar_uid(notice.appointment_id, notice.role, notice.recipient_id),
        sequence=notice.sequence,
        method=notice.calendar,
        made_at=made_at,
        starts_at=span[0],
        ends_at=span[1],
        location=_place_of_match(notice),
    )


def _place_of_match(notice: Notice) -> str:
    match = notice.matched
    return location_name(match.location_id) if match else ""


def _offer(notice: Notice) -> Facts:
    made = notice.cause.decode(OfferMade)
    return {
        "place": location_name(made.location_id),
        "meet_at": made.meet_at,
        "meeting": made.meeting,
        "distance_metres": made.distance_metres,
        "expires_at": made.expires_at,
    }


def _match(notice: Notice) -> Facts:
    match = notice.matched
    assert match is not None  # it is the notice's cause
    return {"meet_at": match.meet_at, "home_at": match.home_at, "minutes": match.minutes}


def _escalation(notice: Notice) -> Facts:
    escalated = notice.cause.decode(MatchEscalated)
    return {
        "place": location_name(escalated.location_id),
        "department": escalated.department.capitalize(),
        "reason": escalated.reason,
        "asked": escalated.asked,
        "excluded": {rule: count for rule, count in escalated.excluded.items() if count},
    }


_FACTS: Mapping[Template, Callable[[Notice], Facts]] = {
    "offer": _offer,
    "matched_volunteer": _match,
    "matched_citizen": _match,
    "escalated": _escalation,
    "escalated_citizen": _escalation,
}
