"""Checks of one request of the hospital's: its times, its version, and what to warn of."""

from dataclasses import replace
from datetime import datetime

from brobyg_referral.cases.domain.appointment import (
    AppointmentMessage,
    AppointmentStatus,
    is_ahead,
    is_beyond,
    is_too_long,
)
from brobyg_referral.cases.ports import StoredAppointment
from brobyg_referral.hospital.errors import RuleBroken, VersionConflict
from brobyg_referral.hospital.fhir.bundle import AppointmentRequest
from brobyg_referral.hospital.fhir.outcome import Issue
from brobyg_referral.hospital.fhir.reading import HospitalAppointment


def unaccompanied_warning(appointment: HospitalAppointment, now: datetime) -> Issue | None:
    """What the hospital is told when what is now booked is at no known place, or over.

    None where that matters to nobody.
    """
    if appointment.content.status is not AppointmentStatus.BOOKED:
        return None
    if issue := appointment.place_issue:
        text = (
            "Taken in, but nobody comes along to this place, and who would have come along is told"
            f" so. {issue.diagnostics}"
        )
        return replace(issue, severity="warning", diagnostics=text)
    ends_at = appointment.content.plan.ends_at
    if ends_at is None or ends_at > now:
        return None
    text = "Taken in, but its end has passed, so nobody is asked to come along: is the date right?"
    return Issue("value", text, "Appointment.end", severity="warning")


def check_times(message: AppointmentMessage, now: datetime) -> None:
    """Raise RuleBroken for a time that is a typing error."""
    if message.has_own_time and is_ahead(message.last_updated, now):
        raise RuleBroken.of(
            "value",
            "meta.lastUpdated is expected to be at most a day ahead of now: the true messages after"
            " it would count as out of date.",
            "Appointment.meta.lastUpdated",
        )
    plan = message.content.plan
    if message.content.status is not AppointmentStatus.BOOKED or plan.starts_at is None:
        return
    if is_beyond(plan.starts_at, now):
        raise RuleBroken.of(
            "value",
            "The start is expected within two years of now: is the year right? Volunteers would be"
            " asked for it.",
            "Appointment.start",
        )
    if is_too_long(plan):
        raise RuleBroken.of(
            "value",
            "The end is expected within 31 days of the start: is the date right? Volunteers would"
            " be asked for it.",
            "Appointment.end",
        )


def check_version(request: AppointmentRequest, known: StoredAppointment | None) -> None:
    """Raise VersionConflict when the request is about another version than the current."""
    wanted = request.if_match
    if wanted is not None and (known is None or wanted not in ("*", known.state.version)):
        raise VersionConflict.of(
            "conflict",
            "If-Match names another version than the current: read the appointment again.",
        )
