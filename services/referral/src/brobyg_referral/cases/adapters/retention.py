"""Citizens whose time may be over, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, deletes
from brobyg_kit.tables import erased_person
from sqlalchemy import Select, exists, func, select

from brobyg_referral.cases.adapters.referrals import referral_of
from brobyg_referral.cases.adapters.tables import appointment, idempotency_key, referral
from brobyg_referral.cases.domain.retention import Course

#: The last time of an appointment, of those that it has.
_heard = func.greatest(appointment.c.starts_at, appointment.c.ends_at, appointment.c.last_updated)
_other = referral.alias("other")
_is_erased = exists().where(erased_person.c.person_id == referral.c.citizen_id)
_has_consent = exists().where(
    _other.c.citizen_id == referral.c.citizen_id, _other.c.status == "active"
)


class PostgresCourses:
    """Implements `cases.ports.CourseStore`."""

    async def ended(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        later = exists().where(
            _other.c.citizen_id == referral.c.citizen_id, _other.c.consent_withdrawn_at >= before
        )
        return await _found(
            tx,
            select(referral.c.citizen_id)
            .where(referral.c.consent_withdrawn_at < before, ~_has_consent, ~later, ~_is_erased)
            .distinct()
            .limit(most),
        )

    async def silent(self, tx: Transaction, before: datetime, most: int) -> Sequence[str]:
        """As the port says."""
        heard = func.greatest(
            _other.c.created_at, _other.c.consent_given_at, _other.c.consent_withdrawn_at
        )
        later = exists().where(_other.c.citizen_id == referral.c.citizen_id, heard >= before)
        appointed = exists().where(
            appointment.c.citizen_id == referral.c.citizen_id, _heard >= before
        )
        return await _found(
            tx,
            select(referral.c.citizen_id)
            .where(referral.c.status == "active", referral.c.created_at < before)
            .where(~later, ~appointed, ~_is_erased)
            .distinct()
            .limit(most),
        )

    async def course(self, tx: Transaction, citizen_id: str) -> Course | None:
        """As the port says."""
        own = select(referral).where(referral.c.citizen_id == citizen_id)
        locking = own.with_for_update(key_share=True, skip_locked=True)
        rows = (await tx.connection.execute(locking)).all()
        total = await tx.connection.scalar(select(func.count()).select_from(own.subquery()))
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
    "appointment": deletes(appointment, _heard, appointment.c.announced != "booked"),
    "idempotency_key": deletes(idempotency_key, idempotency_key.c.created_at),
}
