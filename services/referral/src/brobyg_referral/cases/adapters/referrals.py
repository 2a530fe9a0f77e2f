"""Referrals in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from brobyg_contracts.consent import catalogue
from brobyg_kit.database import Transaction
from sqlalchemy import Column, Row, ScalarSelect, Select, insert, select, update

from brobyg_referral.cases.adapters.tables import consent, referral
from brobyg_referral.cases.domain.referral import Referral

_FIELDS = [field.name for field in fields(Referral)]


class PostgresReferrals:
    """Implements `ports.ReferralStore`."""

    async def insert(self, tx: Transaction, new: Referral) -> None:
        """As the port says."""
        values = {name: getattr(new, name) for name in _FIELDS if name in referral.c}
        await tx.connection.execute(insert(referral).values(**values, status=new.status))

    async def get(self, tx: Transaction, referral_id: str) -> Referral | None:
        """As the port says."""
        return await _one(tx, referrals().where(referral.c.referral_id == referral_id))

    async def lock(self, tx: Transaction, referral_id: str) -> Referral | None:
        """As the port says."""
        wanted = referrals().where(referral.c.referral_id == referral_id)
        return await _one(tx, wanted.with_for_update(key_share=True, of=referral))

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Referral]:
        """As the port says."""
        found = await tx.connection.execute(referrals().where(referral.c.citizen_id == citizen_id))
        return [referral_of(row) for row in found]

    async def save_status(self, tx: Transaction, changed: Referral) -> None:
        """As the port says."""
        await tx.connection.execute(
            update(referral)
            .where(referral.c.referral_id == changed.referral_id)
            .values(status=changed.status)
        )


def referrals() -> Select[Any]:
    """Referrals, with when consent to the help was given and withdrawn last."""
    return select(
        referral,
        _latest(consent.c.given_at).label("consent_given_at"),
        _latest(consent.c.withdrawn_at).label("consent_withdrawn_at"),
    )


def _latest(wanted: Column[Any]) -> ScalarSelect[Any]:
    return (
        select(wanted)
        .where(
            consent.c.referral_id == referral.c.referral_id,
            consent.c.scope == catalogue().allowing("help").id,
        )
        .order_by(consent.c.consent_no.desc())
        .limit(1)
        .scalar_subquery()
    )


async def _one(tx: Transaction, wanted: Select[Any]) -> Referral | None:
    row = (await tx.connection.execute(wanted)).one_or_none()
    return referral_of(row) if row else None


def referral_of(row: Row[Any]) -> Referral:
    """The referral of a whole row."""
    return Referral(**{name: getattr(row, name) for name in _FIELDS})


def referred_by(departments: Sequence[str] | None) -> Select[tuple[str]]:
    """The citizens that one of these departments has referred; None for any."""
    citizens: Select[tuple[str]] = select(referral.c.citizen_id)
    return (
        citizens if departments is None else citizens.where(referral.c.department.in_(departments))
    )


def helped() -> Select[tuple[str]]:
    """The citizens of whom a referral is active."""
    return select(referral.c.citizen_id).where(referral.c.status == "active")
