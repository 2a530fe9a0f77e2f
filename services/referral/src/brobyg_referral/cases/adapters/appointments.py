"""Appointments in PostgreSQL.

Every statement takes arrays: one message or two thousand cost the same number of round trips.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from brobyg_kit.database import Transaction
from brobyg_kit.statements import unnest
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Row,
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from brobyg_referral.cases.adapters.tables import (
    appointment,
    appointment_identifier,
    idempotency_key,
    referral,
)
from brobyg_referral.cases.domain.appointment import (
    Announced,
    Appointment,
    AppointmentStatus,
    BusinessIdentifier,
    Content,
    Participation,
    PlannedVisit,
)
from brobyg_referral.cases.domain.need import pathways_about
from brobyg_referral.cases.ports import (
    ActiveReferral,
    Names,
    StoredAppointment,
)
from brobyg_referral.errors import Overtaken

#: Columns that say whose an appointment is, and never change.
_FIXED = ("appointment_id", "referral_id", "citizen_id")
_ACTIVE = (
    referral.c.referral_id,
    referral.c.citizen_id,
    referral.c.pathway,
    referral.c.department,
)
_identifier = appointment_identifier.c


class PostgresAppointments:
    """Implements `ports.AppointmentStore`."""

    @asynccontextmanager
    async def locking(self, tx: Transaction) -> AsyncIterator[None]:
        """As the port says."""
        with suppress(Overtaken):
            async with tx.connection.begin_nested():
                yield

    async def lock_active_referrals(
        self, tx: Transaction, citizen_ids: Collection[str], names: Names
    ) -> dict[str, ActiveReferral]:
        """As the port says."""
        by_citizen = select(referral.c.referral_id).where(
            referral.c.citizen_id == _any_of(referral.c.citizen_id, citizen_ids)
        )
        by_name = select(appointment.c.referral_id).where(
            appointment.c.appointment_id.in_(_named(names))
        )
        # FOR NO KEY UPDATE does not block the foreign keys of others.
        found = await tx.connection.execute(
            select(*_ACTIVE)
            .where(
                _is_helped(),
                referral.c.referral_id.in_(by_citizen.union(by_name)),
            )
            .order_by(referral.c.referral_id)
            .with_for_update(key_share=True, of=referral)
        )
        return {row.referral_id: ActiveReferral(*row) for row in found}

    async def find(self, tx: Transaction, names: Names) -> list[StoredAppointment]:
        """As the port says."""
        named = appointment.c.appointment_id.in_(_named(names))
        return await self._all(tx, named & _is_helped())

    async def of_referral(self, tx: Transaction, referral_id: str) -> list[StoredAppointment]:
        """As the port says."""
        return await self._all(tx, appointment.c.referral_id == referral_id)

    async def referral_of(self, tx: Transaction, appointment_id: str) -> str | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(appointment.c.referral_id).where(appointment.c.appointment_id == appointment_id)
        )
        return found.scalar_one_or_none()

    async def _all(self, tx: Transaction, wanted: ColumnElement[bool]) -> list[StoredAppointment]:
        order = (_identifier.system, _identifier.value)
        identifiers = (
            select(
                func.array_agg(aggregate_order_by(_identifier.system, *order)).label("systems"),
                func.array_agg(aggregate_order_by(_identifier.value, *order)).label("numbers"),
            )
            .where(_identifier.appointment_id == appointment.c.appointment_id)
            .lateral()
        )
        found = await tx.connection.execute(
            select(appointment, referral.c.pathway, referral.c.department, identifiers)
            .join_from(appointment, referral)
            .join(identifiers, true())
            .where(wanted)
            .order_by(appointment.c.appointment_id)
        )
        return [_stored(row) for row in found]

    async def ends_of(
        self, tx: Transaction, appointment_ids: Collection[str]
    ) -> dict[str, datetime | None]:
        """As the port says."""
        found = await tx.connection.execute(
            select(appointment.c.appointment_id, appointment.c.ends_at).where(
                appointment.c.appointment_id
                == _any_of(appointment.c.appointment_id, appointment_ids)
            )
        )
        return {row.appointment_id: row.ends_at for row in found}

    async def save(
        self,
        tx: Transaction,
        changed: Sequence[StoredAppointment],
        identifiers: Sequence[tuple[BusinessIdentifier, StoredAppointment]],
    ) -> None:
        """As the port says.

        Raises a unique violation when another transaction gave one of the identifiers to another
        appointment meanwhile.
        """
        if changed:
            kinds = {column.name: column.type for column in appointment.c}
            values = [_values(one) for one in changed]
            rows = unnest(kinds, [[one[name] for name in kinds] for one in values])
            statement = insert(appointment).from_select(list(kinds), select(rows))
            new = {name: statement.excluded[name] for name in kinds if name not in _FIXED}
            await tx.connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[appointment.c.appointment_id], set_=new
                )
            )
        if identifiers:
            kinds = {column.name: column.type for column in _identifier}
            rows = unnest(
                kinds,
                [
                    (stored.organisation, name.system, name.value, stored.appointment_id)
                    for name, stored in identifiers
                ],
            )
            # A restriction alone may keep an appointment that has one of these: see `find`.
            await tx.connection.execute(
                delete(appointment_identifier).where(
                    _identifier.organisation == rows.c.organisation,
                    _identifier.system == rows.c.system,
                    _identifier.value == rows.c.value,
                    _identifier.appointment_id == appointment.c.appointment_id,
                    appointment.c.referral_id == referral.c.referral_id,
                    ~_is_helped(),
                )
            )
            await tx.connection.execute(
                insert(appointment_identifier).from_select(list(kinds), select(rows))
            )

    async def forget(self, tx: Transaction, referral_id: str) -> None:
        """As the port says."""
        of_referral = appointment.c.referral_id == referral_id
        made = select(appointment.c.appointment_id).where(of_referral)
        await tx.connection.execute(
            delete(idempotency_key).where(idempotency_key.c.made_id.in_(made))
        )
        await tx.connection.execute(delete(appointment).where(of_referral))


def _any_of(column: Column[Any], values: Collection[object]) -> Any:  # arrays have no type
    return func.any(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))


def _is_helped() -> ColumnElement[bool]:
    """Whether the referral is active, and one under which appointments open needs."""
    about = _any_of(referral.c.pathway, pathways_about("appointment"))
    return and_(referral.c.status == "active", referral.c.pathway == about)


def _named(names: Names) -> Any:  # nor has a union
    """The ids of the appointments that are named."""
    wanted = unnest(
        {"system": Text(), "value": Text()}, [(one.system, one.value) for one in names.identifiers]
    )
    ids = appointment.c.appointment_id
    return (
        select(_identifier.appointment_id)
        .join(
            wanted, (_identifier.system == wanted.c.system) & (_identifier.value == wanted.c.value)
        )
        .where(_identifier.organisation == names.organisation)
        .union(
            select(ids).where(
                appointment.c.organisation == names.organisation,
                ids == _any_of(ids, names.appointment_ids),
            ),
            select(ids).where(
                appointment.c.organisation.is_(None),
                appointment.c.referral_id == _any_of(appointment.c.referral_id, names.entered_for),
            ),
        )
    )


def _stored(row: Row[Any]) -> StoredAppointment:
    announced = Announced(row.announced)
    told = PlannedVisit(row.announced_starts_at, row.announced_ends_at, row.announced_location_id)
    return StoredAppointment(
        appointment_id=row.appointment_id,
        organisation=row.organisation,
        identifiers=tuple(map(BusinessIdentifier, row.systems or (), row.numbers or ())),
        referral=ActiveReferral(row.referral_id, row.citizen_id, row.pathway, row.department),
        state=Appointment(
            content=Content(
                AppointmentStatus(row.status),
                PlannedVisit(row.starts_at, row.ends_at, row.location_id),
                Participation(row.patient_status),
                Participation(row.location_status),
            ),
            last_updated=row.last_updated,
            own_time=row.own_time,
            own_version=row.own_version,
            announced=announced,
            announced_plan=None if announced is Announced.NOTHING else told,
            version=row.version,
        ),
        is_entered=row.is_entered,
    )


def _values(stored: StoredAppointment) -> dict[str, object]:
    """The row, by the names of the columns."""
    state, content = stored.state, stored.state.content
    told = state.announced_plan or PlannedVisit(None, None, None)
    return {
        "appointment_id": stored.appointment_id,
        "organisation": stored.organisation,
        "is_entered": stored.is_entered,
        "referral_id": stored.referral.referral_id,
        "citizen_id": stored.referral.citizen_id,
        "status": content.status,
        "starts_at": content.plan.starts_at,
        "ends_at": content.plan.ends_at,
        "location_id": content.plan.location_id,
        "patient_status": content.patient,
        "location_status": content.location,
        "last_updated": state.last_updated,
        "own_time": state.own_time,
        "own_version": state.own_version,
        "announced": state.announced,
        "announced_starts_at": told.starts_at,
        "announced_ends_at": told.ends_at,
        "announced_location_id": told.location_id,
        "version": state.version,
    }
