"""Citizens whose time may be over, in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from brobyg_contracts.consent import catalogue
from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes, is_restricted
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, erased_person
from sqlalchemy import ColumnElement, Select, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from brobyg_referral.cases.adapters.referrals import referral_of, referrals
from brobyg_referral.cases.adapters.tables import (
    appointment,
    consent,
    course,
    idempotency_key,
    referral,
)
from brobyg_referral.cases.domain.need import pathways_about
from brobyg_referral.cases.domain.retention import Course

#: The last time of an appointment, of those that it has.
_heard = func.greatest(appointment.c.starts_at, appointment.c.ends_at, appointment.c.last_updated)
_other = referral.alias("other")
_any = consent.alias("any_consent")
_lifted = course.alias("lifted")


def _kept(citizen: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether nothing of the citizen ends by itself: erased already, or restricted."""
    return or_(exists().where(erased_person.c.person_id == citizen), is_restricted(citizen))


def _heard_since(citizen: ColumnElement[str], at: Any) -> ColumnElement[bool]:
    """Whether there is a sign of the citizen from then on; any consent is one."""
    told = func.greatest(_any.c.given_at, _any.c.withdrawn_at)
    return or_(
        exists().where(_other.c.citizen_id == citizen, _other.c.created_at >= at),
        exists().where(_any.c.citizen_id == citizen, told >= at),
        exists().where(appointment.c.citizen_id == citizen, _heard >= at),
        exists().where(_lifted.c.citizen_id == citizen, _lifted.c.lifted_at >= at),
    )


class PostgresCourses:
    """Implements `cases.ports.CourseStore`."""

    async def ended(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        citizen, help_ = consent.c.citizen_id, catalogue().allowing("help").id
        active = exists().where(_other.c.citizen_id == citizen, _other.c.status == "active")
        later = exists().where(
            _any.c.citizen_id == citizen, _any.c.scope == help_, _any.c.withdrawn_at >= before
        )
        lifted = exists().where(_lifted.c.citizen_id == citizen, _lifted.c.lifted_at >= before)
        return await _found(
            tx,
            select(citizen)
            .where(consent.c.scope == help_, consent.c.withdrawn_at < before)
            .where(~active, ~later, ~lifted, ~_kept(citizen))
            .order_by(consent.c.withdrawn_at)
            .limit(most),
        )

    async def silent(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        citizen = referral.c.citizen_id
        told = exists().where(course.c.citizen_id == citizen, course.c.told_at.is_not(None))
        helped = exists().where(
            _other.c.citizen_id == citizen,
            _other.c.status == "active",
            _other.c.pathway.in_(pathways_about("referral")),
        )
        return await _found(
            tx,
            select(citizen)
            .where(referral.c.status == "active", referral.c.created_at < before)
            .where(~told, ~helped, ~_kept(citizen), ~_heard_since(citizen, literal(before)))
            .order_by(referral.c.created_at)
            .limit(most),
        )

    async def told(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        citizen = course.c.citizen_id
        return await _found(
            tx,
            select(citizen)
            .where(course.c.told_at < before, ~_kept(citizen))
            .order_by(course.c.told_at)
            .limit(most),
        )

    async def heard(self, tx: Transaction, most: int) -> Sequence[str]:
        """As the port says."""
        citizen = course.c.citizen_id
        wanted = (
            select(citizen)
            .where(course.c.told_at.is_not(None), _heard_since(citizen, course.c.told_at))
            .order_by(course.c.told_at)
            .limit(most)
            .with_for_update(of=course, skip_locked=True)
        )
        nobody = update(course).values(told_at=None).where(citizen.in_(wanted))
        return list(await tx.connection.scalars(nobody.returning(citizen)))

    async def tell(self, tx: Transaction, citizen_ids: Collection[str]) -> None:
        """As the port says."""
        await _note(tx, sorted(citizen_ids), "told_at")

    async def lifted(self, tx: Transaction, citizen_id: str) -> None:
        """As the port says."""
        await _note(tx, [citizen_id], "lifted_at")

    async def forget(self, tx: Transaction, citizen_id: str) -> None:
        """As the port says."""
        await tx.connection.execute(delete(course).where(course.c.citizen_id == citizen_id))

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
        lifted_at = await tx.connection.scalar(
            select(course.c.lifted_at).where(course.c.citizen_id == citizen_id)
        )
        return Course([referral_of(row) for row in rows], list(times), lifted_at)


async def _found(tx: Transaction, wanted: Select[tuple[str]]) -> Sequence[str]:
    """Each once; one who is found twice leaves room for fewer."""
    return list(dict.fromkeys(await tx.connection.scalars(wanted)))


async def _note(tx: Transaction, citizen_ids: Sequence[str], column: str) -> None:
    """That it is so now."""
    if not citizen_ids:
        return
    given = unnest({"citizen_id": Id}, [(one,) for one in citizen_ids])
    statement = insert(course).from_select(
        ["citizen_id", column], select(given.c.citizen_id, literal(tx.now))
    )
    await tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[course.c.citizen_id],
            set_={column: statement.excluded[column]},
        )
    )


#: Whether a request has made something of somebody restricted.
_MADE_FOR_RESTRICTED = or_(
    *(
        exists().where(made == idempotency_key.c.made_id, is_restricted(citizen))
        for made, citizen in (
            (referral.c.referral_id, referral.c.citizen_id),
            (appointment.c.appointment_id, appointment.c.citizen_id),
        )
    )
)


#: How the rest of what the cases keep for a number of days is ended. An appointment whose outcome
#: nobody has told has a need that may be open, which ends with the referral alone.
DELETED: dict[str, Carrier] = {
    "appointment": deletes(
        appointment,
        _heard,
        appointment.c.announced.not_in(("booked", "withheld")),
        ~_kept(appointment.c.citizen_id),
    ),
    "idempotency_key": deletes(
        idempotency_key, idempotency_key.c.created_at, ~_MADE_FOR_RESTRICTED
    ),
}
