"""Who is told what because of which event: the rules, pure.

Each takes the event and the calendars of its need's people, and raises
brobyg_kit.event.UndecodableEvent when the event's data breaks its schema.
"""

from typing import TypeAlias

from brobyg_contracts import (
    CitizenErased,
    CitizenRestricted,
    CitizenUnrestricted,
    HelperErased,
    HelperRestricted,
    HelperUnrestricted,
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from msgspec import UNSET

from brobyg_notification.domain.calendar_status import (
    Calendars,
    CalendarUpdate,
    CalledOff,
    Plan,
    plan_of,
)
from brobyg_notification.domain.notice import CalendarMethod, Notice, Role, Template, decode_match

#: After these releases nothing takes place as agreed. After all others, also of a later version,
#: it does, and a new helper is searched for: a need that has ended is told by need.closed too.
_CALLED_OFF = frozenset(
    {
        "appointment_cancelled",
        "appointment_rescheduled",
        "citizen_erased",
        "consent_withdrawn",
        "restricted",
        "withdrawn",
    }
)
#: A need that was closed for one of these has called nothing off.
_TOOK_ITS_COURSE = frozenset({"completed", "missed"})
#: What a citizen is told of a match; when it can't arrive, the coordinator is asked to phone.
_OF_A_MATCH = frozenset({"matched_citizen", "released_citizen", "released_citizen_searching"})


_About: TypeAlias = OfferMade | VolunteerMatched | MatchReleased | MatchEscalated


def offer_made(cause: Event, _: Calendars) -> CalendarUpdate:
    """The helper is asked."""
    made = cause.decode(OfferMade)
    return CalendarUpdate([_notice("offer", "helper", made.helper_id, cause, made)])


def matched(cause: Event, _: Calendars) -> CalendarUpdate:
    """The helper gets it into the calendar; the citizen, if any, once the least crew is there."""
    match = decode_match(cause)
    notices = [_notice("matched_helper", "helper", match.helper_id, cause, match, "REQUEST", cause)]
    if match.citizen_id is not UNSET and match.crew_complete:
        notices.append(
            _notice("matched_citizen", "citizen", match.citizen_id, cause, match, "REQUEST", cause)
        )
    return CalendarUpdate(notices)


def match_released(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """The helper's entry is cancelled. The citizen's stays only if what it is about does.

    A moved appointment cancels the citizen's entry too: the event knows only the old time, and an
    entry at the old time sends people to the hospital on the wrong day. The next match invites
    again under the same UID with a higher SEQUENCE. Nobody is told of a release after the end.
    """
    released = cause.decode(MatchReleased)
    if released.ends_at is not UNSET and released.ends_at <= cause.time:
        return CalendarUpdate()
    helper = _notice(
        "released_helper", "helper", released.helper_id, cause, released, "CANCEL",
        reason=released.reason,
    )  # fmt: skip
    citizen = _released_citizen(cause, released, calendars)
    return CalendarUpdate([helper] if citizen is None else [helper, citizen])


def _released_citizen(cause: Event, released: MatchReleased, calendars: Calendars) -> Notice | None:
    """The citizen's entry is cancelled once, by the topic whose event arrives first.

    Nobody is told of a search that has been called off, of a match of which they never heard, or of
    a helper without whom enough still come.
    """
    if released.citizen_id is UNSET:
        return None
    entry = calendars.entries.get(("citizen", released.citizen_id))
    if entry is None or entry.method == "CANCEL":
        return None
    reason = released.reason
    if reason not in _CALLED_OFF:
        off = entry.match and calendars.called_off_since(entry.match.time, plan_of(released))
        if not off and released.crew_complete:
            return None
        if not off:
            return _notice(
                "released_citizen_searching", "citizen", released.citizen_id, cause, released,
                "REQUEST", reason=reason,
            )  # fmt: skip
        cause, reason = off.cause, off.reason
    return _notice(
        "released_citizen", "citizen", released.citizen_id, cause, released, "CANCEL",
        reason=reason,
    )  # fmt: skip


def match_escalated(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """The department's coordinator is told while there is still time to act.

    The citizen is told only after an earlier match, of which they were told, and not when the need
    has been closed or has another plan since.
    """
    escalated = cause.decode(MatchEscalated)
    notices = [_notice("escalated", "coordinator", escalated.department, cause, escalated)]
    if (
        escalated.citizen_id is not UNSET
        and ("citizen", escalated.citizen_id) in calendars.entries
        and not calendars.called_off_since(cause.time, plan_of(escalated))
    ):
        notices.append(
            _notice("escalated_citizen", "citizen", escalated.citizen_id, cause, escalated)
        )
    return CalendarUpdate(notices)


def need_opened(cause: Event, _: Calendars) -> CalendarUpdate:
    """Whether it is new or was closed before: it is open now."""
    cause.decode(NeedOpened)
    return CalendarUpdate(opened=True)


def need_changed(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """See `_called_off`. A change of anything but time and place calls nothing off."""
    need = cause.decode(NeedChanged)
    return _called_off(calendars, need.need_id, "appointment_rescheduled", cause, plan_of(need))


def need_closed(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """See `_called_off`."""
    need = cause.decode(NeedClosed)
    if need.reason in _TOOK_ITS_COURSE:
        return CalendarUpdate(closed=True)
    return _called_off(calendars, need.need_id, need.reason, cause, None)


def _called_off(
    calendars: Calendars, need_id: str, reason: str, cause: Event, plan: Plan | None
) -> CalendarUpdate:
    """A cancellation for the entry that the citizen still has from before the event.

    Where no helper is matched any more, no release follows. What was called off is stored for
    later events of the matching service's topic: the two topics have no order between them.
    """
    off = CalledOff(need_id, reason, cause, plan)
    notices = [
        _notice(
            "released_citizen", "citizen", entry.recipient_id, cause, match, "CANCEL",
            entry.match, reason,
        )
        for entry in calendars.citizens()
        if (match := entry.invitation_at(cause.time)) and off.ends(plan_of(match))
    ]  # fmt: skip
    return CalendarUpdate(notices, off, closed=plan is None)


def citizen_erased(cause: Event, _: Calendars) -> CalendarUpdate:
    """Nobody is left to write to."""
    return CalendarUpdate(erased=("citizen", cause.decode(CitizenErased).citizen_id))


def helper_erased(cause: Event, _: Calendars) -> CalendarUpdate:
    """The same."""
    return CalendarUpdate(erased=("helper", cause.decode(HelperErased).helper_id))


def citizen_restricted(cause: Event, _: Calendars) -> CalendarUpdate:
    """What was told stays. That nothing is sent is the owner's doing, who tells no address."""
    said = cause.decode(CitizenRestricted)
    return CalendarUpdate(restricted=(said.citizen_id, said.reason))


def citizen_unrestricted(cause: Event, _: Calendars) -> CalendarUpdate:
    """What was told is kept for as long as anybody's."""
    return CalendarUpdate(restricted=(cause.decode(CitizenUnrestricted).citizen_id, None))


def helper_restricted(cause: Event, _: Calendars) -> CalendarUpdate:
    """As of a citizen."""
    said = cause.decode(HelperRestricted)
    return CalendarUpdate(restricted=(said.helper_id, said.reason))


def helper_unrestricted(cause: Event, _: Calendars) -> CalendarUpdate:
    """As of a citizen."""
    return CalendarUpdate(restricted=(cause.decode(HelperUnrestricted).helper_id, None))


def unreachable_citizen(failed: Notice) -> list[Notice]:
    """The department's coordinator phones a citizen whom no e-mail reaches.

    Only for what a citizen is told of a match: a coordinator's message that fails leads to no
    other.
    """
    if failed.template not in _OF_A_MATCH:
        return []
    return [
        Notice(
            template="unreachable_citizen",
            role="coordinator",
            recipient_id=failed.department,
            need_id=failed.need_id,
            referral_id=failed.referral_id,
            pathway=failed.pathway,
            department=failed.department,
            seat_role=failed.seat_role,
            cause=failed.cause,
            starts_at=failed.starts_at,
            ends_at=failed.ends_at,
            match=failed.match,
            release_reason=failed.release_reason,
        )
    ]


def _notice(
    template: Template,
    role: Role,
    recipient_id: str,
    cause: Event,
    about: _About,
    calendar: CalendarMethod | None = None,
    match: Event | None = None,
    reason: str | None = None,
) -> Notice:
    return Notice(
        template=template,
        role=role,
        recipient_id=recipient_id,
        need_id=about.need_id,
        referral_id=about.referral_id or None,
        pathway=about.pathway,
        department=about.department,
        seat_role=None if isinstance(about, MatchEscalated) else about.role,
        cause=cause,
        starts_at=about.starts_at or None,
        ends_at=about.ends_at or None,
        match=match,
        release_reason=reason,
        calendar=calendar,
    )
