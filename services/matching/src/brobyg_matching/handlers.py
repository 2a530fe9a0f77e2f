"""What happens on which event: the table is at the end. How batches are carried out is in running.py."""

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ConsentGiven,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    ReferralCreated,
    VolunteerActivated,
    VolunteerMatched,
    VolunteerPaused,
    VolunteerRegistered,
)
from brobyg_kit.event import EventData

from brobyg_matching.batch import Batch, Reaction, Reader
from brobyg_matching.domain import transitions
from brobyg_matching.domain.match import Change
from brobyg_matching.domain.world import Needs, Referral


def referral_created(batch: Batch, data: ReferralCreated) -> list[Change | None]:
    """A referral exists only with consent; from here on its appointments are searched for."""
    needs = Needs(
        languages=frozenset(data.needs.languages),
        gender_wish=data.needs.gender_wish,
        mobility=data.needs.mobility,
        meeting=data.needs.meeting,
        postcode=data.needs.postcode,
    )
    batch.know(
        Referral(
            referral_id=data.referral_id,
            citizen_id=data.citizen_id,
            pathway=data.pathway,
            department=data.department,
            consented=True,
            needs=needs,
        )
    )
    return []


def consent_given(batch: Batch, data: ConsentGiven) -> list[Change | None]:
    """Appointments booked from now on are searched for (again)."""
    batch.know(msgspec.structs.replace(batch.context(data.referral_id).referral, consented=True))
    return []


def consent_withdrawn(batch: Batch, data: ConsentWithdrawn) -> list[Change | None]:
    """Nothing moves without consent: every search ends and every volunteer is released."""
    context = batch.context(data.referral_id)
    batch.know(msgspec.structs.replace(context.referral, consented=False))
    ids = sorted(batch.of_referral.get(data.referral_id, ()))
    return [transitions.called_off(batch.matches[one], "consent_withdrawn", context) for one in ids]


def appointment_booked(
    batch: Batch, data: AppointmentBooked | AppointmentRescheduled
) -> list[Change | None]:
    """Search company for the appointment at these times, whatever was before."""
    return [
        transitions.booked(
            batch.matches.get(data.appointment_id), data, batch.context(data.referral_id)
        )
    ]


def appointment_cancelled(batch: Batch, data: AppointmentCancelled) -> list[Change | None]:
    """There is nothing to come along to."""
    match = batch.matches.get(data.appointment_id)
    return (
        [transitions.called_off(match, "appointment_cancelled", batch.context(data.referral_id))]
        if match
        else []
    )


def appointment_completed(batch: Batch, data: AppointmentCompleted) -> list[Change | None]:
    """It has been; whoever came along keeps it to their name."""
    match = batch.matches.get(data.appointment_id)
    return [transitions.over(match, "completed", batch.context(data.referral_id))] if match else []


def appointment_missed(batch: Batch, data: AppointmentMissed) -> list[Change | None]:
    """It passed without the citizen; the volunteer's time was given all the same."""
    match = batch.matches.get(data.appointment_id)
    return [transitions.over(match, "missed", batch.context(data.referral_id))] if match else []


CONSUMES: dict[type[EventData], Reader] = {
    ReferralCreated: Reaction(ReferralCreated, referral_created),
    ConsentGiven: Reaction(ConsentGiven, consent_given),
    ConsentWithdrawn: Reaction(ConsentWithdrawn, consent_withdrawn),
    AppointmentBooked: Reaction(AppointmentBooked, appointment_booked),
    AppointmentRescheduled: Reaction(AppointmentRescheduled, appointment_booked),
    AppointmentCancelled: Reaction(AppointmentCancelled, appointment_cancelled),
    AppointmentCompleted: Reaction(AppointmentCompleted, appointment_completed),
    AppointmentMissed: Reaction(AppointmentMissed, appointment_missed),
}
EMITS: tuple[type[EventData], ...] = (
    OfferMade, OfferAccepted, OfferDeclined, OfferExpired, OfferWithdrawn, VolunteerMatched, MatchReleased, MatchEscalated,
    VolunteerRegistered, VolunteerActivated, VolunteerPaused,
)  # fmt: skip
