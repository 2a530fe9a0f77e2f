"""What somebody entered here of an appointment that the hospital sends."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from brobyg_referral.cases.domain.appointment import (
    Announced,
    AppointmentMessage,
    AppointmentStatus,
    PlannedVisit,
    apart,
    receive,
    take_up,
)
from brobyg_referral.cases.ports import ActiveReferral, StoredAppointment

#: Changes after which somebody is to go there.
_BOOKS = ("booked", "rescheduled")


def is_for(referral: ActiveReferral | None, stored: StoredAppointment) -> bool:
    """Whether the appointment is of the citizen who has this referral."""
    return referral is not None and referral.citizen_id == stored.referral.citizen_id


def entered_alike(
    known: Iterable[StoredAppointment], plan: PlannedVisit, referral: ActiveReferral
) -> StoredAppointment | None:
    """The one among `known` that was entered here and that no hospital has sent yet.

    That of a referral of the citizen's, at the same place and about the same time: one that is
    still booked, or withheld, before one that was called off, then the nearest.
    """
    near = []
    for one in known:
        if one.organisation is None and is_for(referral, one):
            between = apart(one.state.content.plan, plan)
            if between is not None:
                called_off = one.state.announced not in {Announced.BOOKED, Announced.WITHHELD}
                near.append((called_off, between, one.appointment_id, one))
    return min(near)[3] if near else None


def without_doubles(known: Iterable[StoredAppointment], now: datetime) -> list[StoredAppointment]:
    """The same, once a restriction is lifted: what the hospital books is no second need.

    What was entered of it and is still withheld is called off, as the hospital's own is told.
    """
    found = {one.appointment_id: one for one in known}
    for one in list(found.values()):
        taken = take_up(one.state, now)
        plan = taken.appointment.announced_plan
        if one.organisation is None or plan is None or taken.change not in _BOOKS:
            continue
        withheld = (o for o in found.values() if o.state.announced is Announced.WITHHELD)
        if entered := entered_alike(withheld, plan, one.referral):
            found[entered.appointment_id] = called_off(entered, now, told=False)
            found[one.appointment_id] = replace(one, is_entered=True)
    return list(found.values())


def called_off(stored: StoredAppointment, at: datetime, *, told: bool = True) -> StoredAppointment:
    """It, once it has turned out to be another one. Unless `told`, nothing is published of that."""
    content = replace(stored.state.content, status=AppointmentStatus.CANCELLED)
    said = AppointmentMessage(content, at, has_own_time=False)
    return replace(stored, state=receive(stored.state, said, told=told).appointment)
