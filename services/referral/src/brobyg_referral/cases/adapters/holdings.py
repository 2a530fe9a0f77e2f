"""What is held of what is done for a citizen: referrals, appointments, requests."""

from brobyg_kit.export import Held, held
from sqlalchemy import ColumnElement, select

from brobyg_referral.cases.adapters.tables import (
    appointment,
    appointment_identifier,
    consent,
    course,
    idempotency_key,
    referral,
    withheld_item,
)


def _identifiers(who: str) -> ColumnElement[bool]:
    own = select(appointment.c.appointment_id).where(appointment.c.citizen_id == who)
    return appointment_identifier.c.appointment_id.in_(own)


def _withheld(who: str) -> ColumnElement[bool]:
    own = select(appointment.c.appointment_id).where(appointment.c.citizen_id == who)
    return withheld_item.c.appointment_id.in_(own)


def _made(who: str) -> ColumnElement[bool]:
    referrals = select(referral.c.referral_id).where(referral.c.citizen_id == who)
    appointments = select(appointment.c.appointment_id).where(appointment.c.citizen_id == who)
    return idempotency_key.c.made_id.in_(referrals.union(appointments))


HOLDINGS: tuple[Held, ...] = (
    held("Referrals", referral, lambda who: referral.c.citizen_id == who),
    held("Consent", consent, lambda who: consent.c.citizen_id == who),
    held("Appointments", appointment, lambda who: appointment.c.citizen_id == who),
    held("What the hospital calls your appointments", appointment_identifier, _identifiers),
    held("What a coordinator is to look at once a restriction is lifted", withheld_item, _withheld),
    held("What decides how long you are known", course, lambda who: course.c.citizen_id == who),
    # The sender is the organisation of the referral, or one of the staff.
    held("Requests that were made about you", idempotency_key, _made, without=("sender",)),
)
