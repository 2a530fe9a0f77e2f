"""Referrals and idempotency keys in PostgreSQL."""

from dataclasses import fields
from typing import Any

import msgspec
from brobyg_contracts import Needs
from brobyg_kit.database import Transaction
from sqlalchemy import Row, Select, insert, select, update

from brobyg_referral.cases.adapters.tables import idempotency_key, referral
from brobyg_referral.cases.domain.referral import Referral

_FIELDS = [field.name for field in fields(Referral)]


class PostgresReferrals:
    """Implements `ports.ReferralStore`."""

    async def insert(self, tx: Transaction, new: Referral) -> None:
        """As the port says."""
        values = {name: getattr(new, name) for name in _FIELDS}
        values |= {"needs": msgspec.to_builtins(new.needs), "status": new.status}
        await tx.connection.execute(insert(referral).values(values))

    async def get(self, tx: Transaction, referral_id: str) -> Referral | None:
        """As the port says."""
        return await _one(tx, select(referral).where(referral.c.referral_id == referral_id))

    async def lock(self, tx: Transaction, referral_id: str) -> Referral | None:
        """As the port says."""
        wanted = select(referral).where(referral.c.referral_id == referral_id)
        return await _one(tx, wanted.with_for_update(key_share=True))

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Referral]:
        """As the port says."""
        found = await tx.connection.execute(
            select(referral).where(referral.c.citizen_id == citizen_id)
        )
        return [_referral(row) for row in found]

    async def save_consent(self, tx: Transaction, changed: Referral) -> None:
        """As the port says."""
        await tx.connection.execute(
            update(referral)
            .where(referral.c.referral_id == changed.referral_id)
            .values(
                status=changed.status,
                consent_given_at=changed.consent_given_at,
                consent_withdrawn_at=changed.consent_withdrawn_at,
            )
        )

    async def answered(
        self, tx: Transaction, organisation: str, key_hash: bytes
    ) -> tuple[str, bytes] | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(idempotency_key.c.referral_id, idempotency_key.c.request_hash).where(
                idempotency_key.c.organisation == organisation,
                idempotency_key.c.key_hash == key_hash,
            )
        )
        row = found.one_or_none()
        return (row.referral_id, row.request_hash) if row else None

    async def remember(
        self,
        tx: Transaction,
        organisation: str,
        key_hash: bytes,
        request_hash: bytes,
        made: Referral,
    ) -> None:
        """As the port says."""
        await tx.connection.execute(
            insert(idempotency_key).values(
                organisation=organisation,
                key_hash=key_hash,
                request_hash=request_hash,
                referral_id=made.referral_id,
                created_at=made.created_at,
            )
        )


async def _one(tx: Transaction, wanted: Select[Any]) -> Referral | None:
    row = (await tx.connection.execute(wanted)).one_or_none()
    return _referral(row) if row else None


def _referral(row: Row[Any]) -> Referral:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Referral(**values | {"needs": msgspec.convert(row.needs, Needs)})
