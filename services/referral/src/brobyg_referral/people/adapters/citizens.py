"""Citizens in PostgreSQL. What names a citizen is encrypted before it gets here."""

from collections.abc import Collection

import msgspec
from brobyg_kit.database import Transaction
from sqlalchemy import ARRAY, LargeBinary, bindparam, func, insert, null, select, update
from sqlalchemy.dialects import postgresql

from brobyg_referral.errors import NoSuchCitizen
from brobyg_referral.people.adapters.secrets import Vault
from brobyg_referral.people.adapters.tables import access_log, citizen
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.record import CitizenRecord


class PostgresCitizens:
    """Implements `people.ports.CitizenStore`.

    Citizens are locked FOR NO KEY UPDATE, which does not block the foreign keys of appointments:
    the intake locks referrals and then checks those keys.
    """

    def __init__(self, vault: Vault) -> None:
        """`vault` encrypts and decrypts."""
        self._vault = vault

    async def ids_of(self, tx: Transaction, cpr_hashes: Collection[bytes]) -> dict[bytes, str]:
        """As the port says."""
        if not cpr_hashes:
            return {}
        wanted = bindparam("hashes", list(cpr_hashes), type_=ARRAY(LargeBinary))
        found = await tx.connection.execute(
            select(citizen.c.cpr_hash, citizen.c.citizen_id).where(
                citizen.c.cpr_hash == func.any(wanted)
            )
        )
        return {row.cpr_hash: row.citizen_id for row in found}

    async def find_or_add(
        self, tx: Transaction, cpr_hash: bytes, new_id: str, contact: Contact
    ) -> str:
        """As the port says."""
        row = {"citizen_id": new_id, "cpr_hash": cpr_hash, "created_at": tx.now}
        statement = postgresql.insert(citizen).values(**row, **self._sealed(contact, new_id))
        # To set a column of a unique key would lock the row FOR UPDATE.
        found = await tx.connection.execute(
            statement.on_conflict_do_update(
                index_elements=[citizen.c.cpr_hash], set_={"created_at": citizen.c.created_at}
            ).returning(citizen.c.citizen_id)
        )
        citizen_id: str = found.scalar_one()
        return citizen_id

    async def lock(self, tx: Transaction, citizen_id: str, *, wait: bool = True) -> bool | None:
        """As the port says."""
        statement = select(citizen.c.erased_at.is_not(None)).with_for_update(
            key_share=True, skip_locked=not wait
        )
        found = await tx.connection.execute(statement.where(citizen.c.citizen_id == citizen_id))
        return found.scalar_one_or_none()

    async def renew(
        self, tx: Transaction, citizen_id: str, contact: Contact, record: CitizenRecord
    ) -> None:
        """As the port says."""
        values = self._sealed(contact, citizen_id) | {"record": msgspec.to_builtins(record)}
        await tx.connection.execute(
            update(citizen).where(citizen.c.citizen_id == citizen_id).values(values)
        )

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(citizen.c.key_id, citizen.c.sealed).where(citizen.c.citizen_id == citizen_id)
        )
        row = found.one_or_none()
        if row is None:
            raise NoSuchCitizen
        if row.sealed is None:
            return None
        return msgspec.json.decode(
            self._vault.open(row.sealed, row.key_id, citizen_id), type=Contact
        )

    async def record(self, tx: Transaction, citizen_id: str) -> CitizenRecord | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(citizen.c.record).where(citizen.c.citizen_id == citizen_id)
        )
        stored = found.scalar_one_or_none()
        return None if stored is None else msgspec.convert(stored, CitizenRecord)

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """As the port says."""
        nothing = {"cpr_hash": None, "key_id": None, "sealed": None, "record": null()}
        values = nothing | {"erased_at": tx.now}
        await tx.connection.execute(
            update(citizen).where(citizen.c.citizen_id == citizen_id).values(values)
        )

    async def record_access(
        self, tx: Transaction, citizen_id: str, purpose: str, subject: str, organisation: str | None
    ) -> None:
        """As the port says."""
        await tx.connection.execute(
            insert(access_log).values(
                citizen_id=citizen_id,
                purpose=purpose,
                subject=subject,
                organisation=organisation,
                accessed_at=tx.now,
            )
        )

    def _sealed(self, contact: Contact, citizen_id: str) -> dict[str, object]:
        sealed = self._vault.seal(msgspec.json.encode(contact), citizen_id)
        return {"key_id": self._vault.key_id, "sealed": sealed}
