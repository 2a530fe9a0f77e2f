"""Who is told what because of which event: the rules, pure.

Each takes the event and the calendars of its referral's people, and raises
brobyg_kit.event.UndecodableEvent when the event's data breaks its schema.
"""

from typing import TypeAlias

from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    MatchEscalated,
    MatchReleased,
    OfferMade,
    ReleaseReason,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from msgspec import UNSET

from brobyg_notification.domain.calendar_status import Calendars, CalendarUpdate, CalledOff
from brobyg_notification.domain.notice import CalendarMethod, Notice, Role, Template

#: After these releases the appointment stands, and a new volunteer is searched for the citizen.
_SEARCH_CONTINUES: frozenset[ReleaseReason] = frozenset({"volunteer_withdrew", "blocked"})
#: What a citizen is told of a match; when it can't arrive, the coordinator is asked to phone.
_OF_A_MATCH = frozenset({"matched_citizen", "released_citizen", "released_citizen_searching"})


_About: TypeAlias = OfferMade | VolunteerMatched | MatchReleased | MatchEscalated | Notice


def offer_made(cause: Event, _: Calendars) -> CalendarUpdate:
    """The volunteer is asked."""
    made = cause.decode(OfferMade)
    return CalendarUpdate([_notice("offer", "volunteer", made.volunteer_id, cause, made)])


def volunteer_matched(cause: Event, _: Calendars) -> CalendarUpdate:
    """Both get the appointment in their calendar."""
    match = cause.decode(VolunteerMatched)
    return CalendarUpdate(
        [
            _notice(
                "matched_volunteer", "volunteer", match.volunteer_id, cause, match, "REQUEST", cause
            ),
            _notice("matched_citizen", "citizen", match.citizen_id, cause, match, "REQUEST", cause),
        ]
    )


def match_released(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """The volunteer's entry is cancelled. The citizen's stays only if the appointment does.

    A moved appointment cancels the citizen's entry too: the event knows only the old time, and an
    entry at the old time sends people to the hospital on the wrong day. The next match invites
    again under the same UID with a higher SEQUENCE. Nobody is told of a release after the end.
    """
    released = cause.decode(MatchReleased)
    if released.ends_at <= cause.time:
        return CalendarUpdate()
    volunteer = _notice(
        "released_volunteer", "volunteer", released.volunteer_id, cause, released, "CANCEL",
        reason=released.reason,
    )  # fmt: skip
    citizen = _released_citizen(cause, released, calendars)
    return CalendarUpdate([volunteer] if citizen is None else [volunteer, citizen])


def _released_citizen(cause: Event, released: MatchReleased, calendars: Calendars) -> Notice | None:
    """The citizen's entry is cancelled once, by the topic whose event arrives first.

    Nobody is told of a search that has been called off.
    """
    entry = calendars.entry(released.appointment_id, "citizen", released.citizen_id)
    if entry is not None and entry.method == "CANCEL":
        return None
    reason = released.reason
    if reason in _SEARCH_CONTINUES:
        off = entry and entry.match and calendars.called_off_since(
            entry.match.time, released.referral_id, released.appointment_id
        )  # fmt: skip
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

    The citizen is told only after an earlier match, of which they were told, and not when the
    appointment has been called off or moved since. The event that caused the escalation does not
    count as later, whatever the two services' clocks say.
    """
    escalated = cause.decode(MatchEscalated)
    notices = [_notice("escalated", "coordinator", escalated.department, cause, escalated)]
    off = calendars.called_off_since(cause.time, escalated.referral_id, escalated.appointment_id)
    if calendars.entry(escalated.appointment_id, "citizen", escalated.citizen_id) and (
        off is None or off.cause.id == cause.causationid
    ):
        notices.append(
            _notice("escalated_citizen", "citizen", escalated.citizen_id, cause, escalated)
        )
    return CalendarUpdate(notices)


def appointment_cancelled(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """See `_called_off`."""
    told = cause.decode(AppointmentCancelled)
    return _called_off(cause, calendars, told.appointment_id, "appointment_cancelled")


def appointment_rescheduled(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """See `_called_off`."""
    told = cause.decode(AppointmentRescheduled)
    return _called_off(cause, calendars, told.appointment_id, "appointment_rescheduled")


def consent_withdrawn(cause: Event, calendars: Calendars) -> CalendarUpdate:
    """See `_called_off`. All of the referral's appointments."""
    return _called_off(cause, calendars, None, "consent_withdrawn")


def _called_off(
    cause: Event, calendars: Calendars, appointment_id: str | None, reason: ReleaseReason
) -> CalendarUpdate:
    """A cancellation for each entry that the citizen still has from before the event.

    Where no volunteer is matched any more, no release follows. What was called off is stored for
    later events of the matching service's topic: the two topics have no order between them.
    """
    return CalendarUpdate(
        [
            _notice(
                "released_citizen", "citizen", entry.recipient_id, cause, match, "CANCEL",
                entry.match, reason,
            )
            for entry in calendars.citizens(appointment_id)
            if (match := entry.invitation_at(cause.time))
        ],
        CalledOff(appointment_id or cause.subject, reason, cause),
    )  # fmt: skip


def unreachable_citizen(failed: Notice) -> list[Notice]:
    """The coordinator of the match's department phones a citizen whom no e-mail reaches.

    Only for what a citizen is told of a match: a coordinator's message that fails leads to no
    other. Nobody is told when the match does not say its department (an event of an earlier
    version), for that would be a guess; `notification.failed` still says it.
    """
    match = failed.matched if failed.template in _OF_A_MATCH else None
    if match is None or match.department is UNSET:
        return []
    return [
        _notice(
            "unreachable_citizen", "coordinator", match.department, failed.cause, failed,
            match=failed.match, reason=failed.release_reason,
        )
    ]  # fmt: skip


def _notice(
    template: Template,
    role: Role,
    recipient_id: str,
    cause: Event,
    about: _About,
    calendar: CalendarMethod | None = None,
    match: Event | None = None,
    reason: ReleaseReason | None = None,
) -> Notice:
    return Notice(
        template=template,
        role=role,
        recipient_id=recipient_id,
        referral_id=about.referral_id,
        appointment_id=about.appointment_id,
        cause=cause,
        starts_at=about.starts_at,
        ends_at=about.ends_at,
        match=match,
        release_reason=reason,
        calendar=calendar,
    )
