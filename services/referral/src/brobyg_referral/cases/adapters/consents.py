"""What citizens have consented to, in PostgreSQL."""

from dataclasses import fields

from brobyg_kit.database import Transaction
from sqlalchemy import insert, select, update

from brobyg_referral.cases.adapters.tables import consent
from brobyg_referral.cases.domain.consent import Consent

_COLUMNS = [consent.c[field.name] for field in fields(Consent)]


class PostgresConsents:
    """Implements `cases.ports.ConsentStore`."""

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Consent]:
        """As the port says."""
        found = await tx.connection.execute(
            select(*_COLUMNS)
            .where(consent.c.citizen_id == citizen_id)
            .order_by(consent.c.consent_no)
        )
        return [Consent(**row) for row in found.mappings()]

    async def insert(self, tx: Transaction, new: Consent) -> None:
        """As the port says."""
        values = {column.name: getattr(new, column.name) for column in _COLUMNS}
        await tx.connection.execute(insert(consent).values(**values))

    async def save(self, tx: Transaction, changed: Consent) -> None:
        """As the port says."""
        await tx.connection.execute(
            update(consent)
            .where(
                consent.c.referral_id == changed.referral_id,
                consent.c.scope == changed.scope,
                consent.c.withdrawn_at.is_(None),
                consent.c.replaced_at.is_(None),
            )
            .values(
                replaced_at=changed.replaced_at,
                withdrawn_at=changed.withdrawn_at,
                withdrawn_by=changed.withdrawn_by,
                withdrawn_role=changed.withdrawn_role,
            )
        )
