"""What a message says: the facts its template needs and the span of its calendar entry. Pure.

Names of places and departments are the reference data's. Raises
brobyg_contracts.errors.UnknownReference for one that is not there yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from brobyg_contracts import MatchEscalated, OfferMade
from brobyg_contracts.reference import Reference
from msgspec import UnsetType

from brobyg_notification.domain.calendar import Entry
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Notice, Role, Template, calendar_uid


@dataclass(frozen=True, slots=True)
class MatchTimes:
    """When a match's helper leaves home, meets the citizen and is home again, zone-aware UTC.

    Asked of matching, as no event holds it. All None for a need without a span.
    """

    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None

    @property
    def facts(self) -> "Facts":
        """As templates need them."""
        minutes = None
        if self.leave_at and self.home_at:
            minutes = max(1, int((self.home_at - self.leave_at).total_seconds()) // 60)
        return {"meet_at": self.meet_at, "home_at": self.home_at, "minutes": minutes}


#: The variables of a template.
Facts = dict[str, object]


def facts(notice: Notice, reference: Reference) -> Facts:
    """What the notice's template needs beside what is personal. Names nobody."""
    about: Facts = {
        "place": _place_of_match(notice, reference),
        "starts_at": notice.starts_at,
        "ends_at": notice.ends_at,
        "reason": notice.release_reason,
        "need_id": notice.need_id,
        "referral_id": notice.referral_id,
    }
    own = _FACTS.get(notice.template)
    return about | own(notice, reference) if own else about


def party_facts(
    notice: Notice, reference: Reference, reader: Contact, other: Contact | None
) -> Facts:
    """The personal part: given names, and where the two meet.

    They meet at the citizen's address where the citizen wishes it and it may be told; else at the
    need's place.
    """
    citizen = reader if notice.role == "citizen" else other
    home = citizen.meeting_point if citizen and citizen.meeting == "home" else None
    return {
        "reader": reader.given_name,
        "other": other.given_name if other else "",
        "meeting_point": home or _place_of_match(notice, reference),
    }


def other_party(notice: Notice) -> tuple[Role, str] | None:
    """Role and id of the person the message names beside its reader; None when it names nobody.

    Names are given only to people who will meet.
    """
    match = notice.matched
    if match is None or notice.template not in ("matched_helper", "matched_citizen"):
        return None
    if notice.role == "citizen":
        return "helper", match.helper_id
    return None if isinstance(match.citizen_id, UnsetType) else ("citizen", match.citizen_id)


def calendar_entry(
    notice: Notice,
    reference: Reference,
    made_at: datetime,
    zone: ZoneInfo,
    times: MatchTimes | None = None,
) -> Entry | None:
    """The helper's invitation lasts from meeting to being home, all else as the appointment.

    `times` are those of the match that it invites to. None for a message without a calendar file,
    and for one about a need without a span.
    """
    if notice.calendar is None or notice.sequence is None:
        return None
    starts_at, ends_at = notice.starts_at, notice.ends_at
    if starts_at is None or ends_at is None:
        return None
    if times is not None and notice.role == "helper":
        starts_at, ends_at = times.meet_at or starts_at, times.home_at or ends_at
    return Entry(
        uid=calendar_uid(notice.need_id, notice.role, notice.recipient_id),
        sequence=notice.sequence,
        method=notice.calendar,
        made_at=made_at,
        starts_at=starts_at,
        ends_at=ends_at,
        location=_place_of_match(notice, reference),
        zone=zone,
    )


def _place_of_match(notice: Notice, reference: Reference) -> str:
    match = notice.matched
    return _place(match.location_id, reference) if match else ""


def _place(location_id: str | UnsetType, reference: Reference) -> str:
    """The place's name; empty for a need without a place."""
    return "" if isinstance(location_id, UnsetType) else reference.place(location_id).label


def _offer(notice: Notice, reference: Reference) -> Facts:
    made = notice.cause.decode(OfferMade)
    return {
        "place": _place(made.location_id, reference),
        "expires_at": made.expires_at,
    }


def _escalation(notice: Notice, reference: Reference) -> Facts:
    escalated = notice.cause.decode(MatchEscalated)
    return {
        "place": _place(escalated.location_id, reference),
        "department": reference.department(escalated.department).label,
        "reason": escalated.reason,
        "asked": escalated.asked,
        "excluded": {rule: count for rule, count in escalated.excluded.items() if count},
        "other_need_id": escalated.other_need_id or None,
        "other_place": _place(escalated.other_location_id, reference),
        "other_starts_at": escalated.other_starts_at or None,
        "other_ends_at": escalated.other_ends_at or None,
    }


_FACTS: Mapping[Template, Callable[[Notice, Reference], Facts]] = {
    "offer": _offer,
    "escalated": _escalation,
    "escalated_citizen": _escalation,
}
