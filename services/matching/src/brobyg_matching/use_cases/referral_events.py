"""What is done on each event of a referral. `handlers.py` is the table of them."""

from typing import Literal

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ConsentGiven,
    ConsentWithdrawn,
    ReferralCreated,
)
from brobyg_kit.event import Event

from brobyg_matching.domain import transitions
from brobyg_matching.domain.match import Match
from brobyg_matching.domain.referral import Referral
from brobyg_matching.use_cases.working_set import Step, WorkingSet


def referral_created(working: WorkingSet, event: Event, data: ReferralCreated) -> None:
    """A referral exists only with consent: from now on its appointments are searched for."""
    working.set_referral(
        Referral(
            referral_id=data.referral_id,
            citizen_id=data.citizen_id,
            pathway=data.pathway,
            department=data.department,
            consented=True,
            needs=data.needs,
        )
    )


def consent_given(working: WorkingSet, event: Event, data: ConsentGiven) -> None:
    """Appointments booked from now on are searched for (again)."""
    _set_consent(working, data.referral_id, consented=True)


def consent_withdrawn(working: WorkingSet, event: Event, data: ConsentWithdrawn) -> None:
    """Nothing moves without consent: every search ends and every volunteer is released."""
    _set_consent(working, data.referral_id, consented=False)
    working.step(_called_off("consent_withdrawn"), working.matches_of(data.referral_id), event)


def appointment_booked(
    working: WorkingSet, event: Event, data: AppointmentBooked | AppointmentRescheduled
) -> None:
    """Search a volunteer for the appointment at these times, whatever was before."""
    match, context = working.match(data.appointment_id), working.context(data.referral_id)
    if (change := transitions.booked(match, data, context)) is not None:
        working.apply(change, event)


def appointment_cancelled(working: WorkingSet, event: Event, data: AppointmentCancelled) -> None:
    """Nobody is needed any more."""
    working.step(_called_off("appointment_cancelled"), _known(working, data), event)


def appointment_completed(working: WorkingSet, event: Event, data: AppointmentCompleted) -> None:
    """It took place; whoever came along stays on record."""
    working.step(_ended("completed"), _known(working, data), event)


def appointment_missed(working: WorkingSet, event: Event, data: AppointmentMissed) -> None:
    """The citizen did not come; the volunteer's time was given all the same."""
    working.step(_ended("missed"), _known(working, data), event)


def _set_consent(working: WorkingSet, referral_id: str, *, consented: bool) -> None:
    referral = working.context(referral_id).referral
    working.set_referral(msgspec.structs.replace(referral, consented=consented))


def _known(
    working: WorkingSet, data: AppointmentCancelled | AppointmentCompleted | AppointmentMissed
) -> list[Match]:
    """The appointment's match, if there is one."""
    match = working.match(data.appointment_id)
    return [match] if match else []


def _called_off(reason: Literal["appointment_cancelled", "consent_withdrawn"]) -> Step:
    return lambda match, context: transitions.called_off(match, reason, context)


def _ended(outcome: Literal["completed", "missed"]) -> Step:
    return lambda match, context: transitions.ended(match, outcome, context)
