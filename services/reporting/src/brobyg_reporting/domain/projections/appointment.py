"""Each appointment, as the hospital says. How the search for helpers went stands with its need."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
)
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class AppointmentRow(msgspec.Struct, gc=False):
    """One appointment, all of it from brobyg.referral.v1 (key referral_id)."""

    appointment_id: Annotated[str, Doc("The appointment.")]
    referral_id: Annotated[str | None, Doc("The referral it belongs to.")] = None
    citizen_id: Annotated[str | None, Doc("Opaque id of the citizen.")] = None
    state: Annotated[
        Literal["booked", "cancelled", "completed", "missed"] | None,
        Doc("booked, cancelled, completed or missed, as the hospital says."),
    ] = None
    starts_at: Annotated[datetime | None, Doc("Start, UTC.")] = None
    ends_at: Annotated[datetime | None, Doc("End, UTC.")] = None
    location_id: Annotated[str | None, Doc("Where it takes place.")] = None
    booked_at: Annotated[datetime | None, Doc("When its booking was first heard of, UTC.")] = None
    times_rescheduled: Annotated[int, Doc("Times it was moved.")] = 0
    closed_at: Annotated[
        datetime | None, Doc("When it was cancelled, completed or missed, UTC; null while booked.")
    ] = None


APPOINTMENT = Projection("appointment", AppointmentRow)


def _planned(
    row: AppointmentRow, event: AppointmentBooked | AppointmentRescheduled, time: datetime
) -> None:
    row.referral_id = event.referral_id
    row.citizen_id = event.citizen_id
    row.state = "booked"
    row.starts_at, row.ends_at, row.location_id = event.starts_at, event.ends_at, event.location_id
    row.booked_at = row.booked_at or time
    row.closed_at = None


@APPOINTMENT.on(AppointmentBooked)
def _booked(row: AppointmentRow, event: AppointmentBooked, time: datetime) -> None:
    _planned(row, event, time)


@APPOINTMENT.on(AppointmentRescheduled)
def _rescheduled(row: AppointmentRow, event: AppointmentRescheduled, time: datetime) -> None:
    _planned(row, event, time)
    row.times_rescheduled += 1


@APPOINTMENT.on(AppointmentCancelled)
def _cancelled(row: AppointmentRow, event: AppointmentCancelled, time: datetime) -> None:
    row.referral_id, row.citizen_id = event.referral_id, event.citizen_id
    row.state, row.closed_at = "cancelled", time


@APPOINTMENT.on(AppointmentCompleted)
def _completed(row: AppointmentRow, event: AppointmentCompleted, time: datetime) -> None:
    row.referral_id, row.citizen_id = event.referral_id, event.citizen_id
    row.state, row.closed_at = "completed", time
    row.starts_at, row.ends_at = event.starts_at, event.ends_at


@APPOINTMENT.on(AppointmentMissed)
def _missed(row: AppointmentRow, event: AppointmentMissed, time: datetime) -> None:
    row.referral_id, row.citizen_id = event.referral_id, event.citizen_id
    row.state, row.closed_at = "missed", time
