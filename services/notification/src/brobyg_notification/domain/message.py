"""From a notice and what its owners know to the facts a template needs and the calendar entry's span. Pure."""

from dataclasses import dataclass
from datetime import datetime

from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    OfferMade,
    VolunteerMatched,
)
from brobyg_contracts.places import LOCATIONS

from brobyg_notification.domain.notice import Notice

#: Why the referral service called an entry off, in the words of `match.released`.
CALLED_OFF = {
    AppointmentCancelled.EVENT_TYPE: "appointment_cancelled",
    AppointmentRescheduled.EVENT_TYPE: "appointment_rescheduled",
    ConsentWithdrawn.EVENT_TYPE: "consent_withdrawn",
}


@dataclass(frozen=True, slots=True)
class Span:
    """When something is in a calendar, and at which public place."""

    starts_at: datetime
    ends_at: datetime
    place: str


def place_name(location_id: str) -> str:
    """The public name of a place of care; its id when the list of places has no such place."""
    location = LOCATIONS.get(location_id)
    return location.name if location else location_id


def offer_facts(made: OfferMade, link: str) -> dict[str, object]:
    """What a volunteer is told when asked: when, where, how far. Nothing of the citizen."""
    return {
        "place": place_name(made.location_id),
        "starts_at": made.starts_at,
        "ends_at": made.ends_at,
        "meet_at": made.meet_at,
        "meeting": made.meeting,
        "distance_metres": made.distance_metres,
        "expires_at": made.expires_at,
        "link": link,
    }


def match_facts(
    match: VolunteerMatched, other: str, meeting_point: str | None, *, changed: bool
) -> dict[str, object]:
    """What both are told of a match. `other` is the other's given name, `meeting_point` the citizen's address line where they meet at home
    and it may be told; else they meet at the place of care. `changed` says that the reader was told something else before.
    """
    place = place_name(match.location_id)
    return {
        "place": place,
        "starts_at": match.starts_at,
        "ends_at": match.ends_at,
        "meet_at": match.meet_at,
        "home_at": match.home_at,
        "minutes": match.minutes,
        "meeting_point": meeting_point if match.meeting == "home" and meeting_point else place,
        "other": other,
        "changed": changed,
    }


def release_facts(released: MatchReleased, earlier: VolunteerMatched | None) -> dict[str, object]:
    """What both are told when a match ends. It names nobody: who need not meet needs no name."""
    return {
        "starts_at": released.starts_at,
        "ends_at": released.ends_at,
        "reason": released.reason,
        "place": place_name(earlier.location_id) if earlier else "",
    }


def called_off_facts(cause_type: str, earlier: VolunteerMatched) -> dict[str, object]:
    """What the citizen is told when what is `earlier` in the calendar no longer stands, though no volunteer had to be released."""
    return {
        "starts_at": earlier.starts_at,
        "ends_at": earlier.ends_at,
        "reason": CALLED_OFF[cause_type],
        "place": place_name(earlier.location_id),
    }


def escalation_facts(
    escalated: MatchEscalated, excluded: list[tuple[str, str]]
) -> dict[str, object]:
    """What the coordinator is told: ids and reasons, no person. `excluded` is each rule in words with its count."""
    return {
        "place": place_name(escalated.location_id),
        "starts_at": escalated.starts_at,
        "ends_at": escalated.ends_at,
        "department": escalated.department.capitalize(),
        "reason": escalated.reason,
        "asked": escalated.asked,
        "excluded": excluded,
        "appointment_id": escalated.appointment_id,
        "referral_id": escalated.referral_id,
    }


_Timed = type[OfferMade] | type[VolunteerMatched] | type[MatchReleased] | type[MatchEscalated]
_TIMED: dict[str, _Timed] = {
    OfferMade.EVENT_TYPE: OfferMade,
    VolunteerMatched.EVENT_TYPE: VolunteerMatched,
    MatchReleased.EVENT_TYPE: MatchReleased,
    MatchEscalated.EVENT_TYPE: MatchEscalated,
}


def over_at(notice: Notice, earlier: VolunteerMatched | None) -> datetime | None:
    """When the appointment that the notice tells of ends: after it there is nothing left to tell. None when no time was ever told."""
    kind = _TIMED.get(notice.cause.type)
    if kind is not None:
        return notice.cause.decode(kind).ends_at
    return earlier.ends_at if earlier else None


def told_match(notice: Notice, earlier: VolunteerMatched | None) -> VolunteerMatched | None:
    """The match that a notice tells of: its cause's own, else the one told before it."""
    return (
        notice.cause.decode(VolunteerMatched)
        if notice.cause.type == VolunteerMatched.EVENT_TYPE
        else earlier
    )


def unreachable_facts(notice: Notice, match: VolunteerMatched) -> dict[str, object]:
    """What the coordinator is told of a citizen whom no e-mail reaches: ids, time and public place, no person."""
    return {
        "what": "matched" if notice.cause.type == VolunteerMatched.EVENT_TYPE else "ended",
        "place": place_name(match.location_id),
        "starts_at": match.starts_at,
        "ends_at": match.ends_at,
        "appointment_id": notice.appointment_id,
        "referral_id": notice.referral_id,
    }


def calendar_span(notice: Notice, earlier: VolunteerMatched | None) -> Span:
    """The volunteer's entry covers meeting to being home again, the citizen's the appointment. A release takes its span from the match it ends."""
    if notice.cause.type == VolunteerMatched.EVENT_TYPE:
        return _matched_span(notice, notice.cause.decode(VolunteerMatched))
    if notice.cause.type in CALLED_OFF and earlier is not None:
        return _matched_span(notice, earlier)
    released = notice.cause.decode(MatchReleased)
    if earlier is not None and (earlier.starts_at, earlier.ends_at) == (
        released.starts_at,
        released.ends_at,
    ):
        return _matched_span(notice, earlier)
    return Span(
        released.starts_at, released.ends_at, place_name(earlier.location_id) if earlier else ""
    )


def _matched_span(notice: Notice, match: VolunteerMatched) -> Span:
    place = place_name(match.location_id)
    if notice.role == "volunteer":
        return Span(match.meet_at, match.home_at, place)
    return Span(match.starts_at, match.ends_at, place)
