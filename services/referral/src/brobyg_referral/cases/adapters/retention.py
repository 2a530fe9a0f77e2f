"""Citizens whose time may be over, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from brobyg_contracts.consent import catalogue
from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes
from brobyg_kit.tables import erased_person, restriction
from sqlalchemy import ColumnElement, Select, exists, func, or_, select

from brobyg_referral.cases.adapters.referrals import referral_of, referrals
from brobyg_referral.cases.adapters.tables import appointment, consent, idempotency_key, referral
from brobyg_referral.cases.domain.need import pathways_about
from brobyg_referral.cases.domain.retention import Course

#: The last time of an appointment, of those that it has.
_heard = func.greatest(appointment.c.starts_at, appointment.c.ends_at, appointment.c.last_updated)
_other = referral.alias("other")
_any = consent.alias("any_consent")


def _kept(citizen: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether nothing of the citizen ends by itself: erased already, or restricted."""
    held = (erased_person.c.person_id, restriction.c.person_id)
    return or_(*(exists().where(person == citizen) for person in held))


class PostgresCourses:
    """Implements `cases.ports.CourseStore`."""

    async def ended(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        citizen, help_ = consent.c.citizen_id, catalogue().allowing("help").id
        active = exists().where(_other.c.citizen_id == citizen, _other.c.status == "active")
        later = exists().where(
            _any.c.citizen_id == citizen, _any.c.scope == help_, _any.c.withdrawn_at >= before
        )
        return await _found(
            tx,
            select(citizen)
            .where(consent.c.scope == help_, consent.c.withdrawn_at < before)
            .where(~active, ~later, ~_kept(citizen))
            .distinct()
            .limit(most),
        )

    async def silent(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says. Any consent is a sign of the citizen."""
        citizen = referral.c.citizen_id
        later = exists().where(_other.c.citizen_id == citizen, _other.c.created_at >= before)
        told = func.greatest(_any.c.given_at, _any.c.withdrawn_at)
        consented = exists().where(_any.c.citizen_id == citizen, told >= before)
        appointed = exists().where(appointment.c.citizen_id == citizen, _heard >= before)
        helped = exists().where(
            _other.c.citizen_id == citizen,
            _other.c.status == "active",
            _other.c.pathway.in_(pathways_about("referral")),
        )
        return await _found(
            tx,
            select(citizen)
            .where(referral.c.status == "active", referral.c.created_at < before)
            .where(~later, ~consented, ~appointed, ~helped, ~_kept(citizen))
            .distinct()
            .limit(most),
        )

    async def course(self, tx: Transaction, citizen_id: str) -> Course | None:
        """As the port says."""
        own = referral.c.citizen_id == citizen_id
        locking = referrals().where(own)
        locking = locking.with_for_update(key_share=True, skip_locked=True, of=referral)
        rows = (await tx.connection.execute(locking)).all()
        total = await tx.connection.scalar(select(func.count()).where(own))
        if len(rows) != total:
            return None
        times = await tx.connection.scalars(
            select(_heard).where(appointment.c.citizen_id == citizen_id)
        )
        return Course([referral_of(row) for row in rows], list(times))


async def _found(tx: Transaction, wanted: Select[tuple[str]]) -> Sequence[str]:
    return list(await tx.connection.scalars(wanted))


#: How the rest of what the cases keep for a number of days is ended. An appointment whose outcome
#: nobody has told has a need that may be open, which ends with the referral alone.
DELETED: dict[str, Carrier] = {
    "appointment": deletes(
        appointment,
        _heard,
        appointment.c.announced.not_in(("booked", "withheld")),
        ~_kept(appointment.c.citizen_id),
    ),
    "idempotency_key": deletes(idempotency_key, idempotency_key.c.created_at),
}
