"""Citizens and referrals in PostgreSQL. What names a citizen is sealed before it gets here."""

from datetime import datetime

import asyncpg
import msgspec
from brobyg_contracts import Needs
from brobyg_kit.database import Transaction

from brobyg_referral.adapters.secrets import Vault
from brobyg_referral.domain.contact import Contact
from brobyg_referral.domain.referral import Referral

_INSERT_REFERRAL = """
insert into referral (referral_id, citizen_id, pathway, department, municipality_code, referrer_kind, organisation, needs, status, consent_given_at, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9, $10)
"""


class Citizens:
    """The citizen table: find, keep, open."""

    def __init__(self, vault: Vault) -> None:
        """`vault` seals and opens."""
        self._vault = vault

    async def lock(self, tx: Transaction, cpr_hash: bytes, new_id: str, contact: Contact) -> str:
        """The id of the citizen with this hash, kept now if unknown (as `new_id`), locked until the transaction ends."""
        row = await tx.driver.fetchrow(
            "insert into citizen (citizen_id, cpr_hash, key_id, sealed, created_at) values ($1, $2, $3, $4, $5)"
            " on conflict (cpr_hash) do update set cpr_hash = excluded.cpr_hash returning citizen_id",
            new_id, cpr_hash, self._vault.key_id, self._sealed(contact, new_id), tx.clock.now(),
        )  # fmt: skip
        assert row is not None
        return str(row["citizen_id"])

    async def renew(self, tx: Transaction, citizen_id: str, contact: Contact) -> None:
        """Keep what is known now instead of what was."""
        await tx.driver.execute(
            "update citizen set key_id = $2, sealed = $3 where citizen_id = $1",
            citizen_id,
            self._vault.key_id,
            self._sealed(contact, citizen_id),
        )

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """How to reach the citizen; None when erased. Raises LookupError when there is no such citizen, CannotOpen when the key is missing."""
        row = await tx.driver.fetchrow(
            "select key_id, sealed from citizen where citizen_id = $1", citizen_id
        )
        if row is None:
            raise LookupError("no such citizen")
        if row["sealed"] is None:
            return None
        return msgspec.json.decode(
            self._vault.open(row["sealed"], row["key_id"], citizen_id), type=Contact
        )

    async def is_erased(self, tx: Transaction, citizen_id: str) -> bool | None:
        """Whether the citizen was erased, who is locked until the transaction ends; None when there is no such citizen."""
        row = await tx.driver.fetchrow(
            "select erased_at is not null as erased from citizen where citizen_id = $1 for update",
            citizen_id,
        )
        return bool(row["erased"]) if row else None

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """Delete all that names the citizen, and what the citizen is found by; the opaque id stays."""
        await tx.driver.execute(
            "update citizen set cpr_hash = null, key_id = null, sealed = null, erased_at = $2 where citizen_id = $1",
            citizen_id,
            tx.clock.now(),
        )

    async def record_access(
        self, tx: Transaction, citizen_id: str, purpose: str, subject: str, organisation: str | None
    ) -> None:
        """Record who was told."""
        await tx.driver.execute(
            "insert into access_log (citizen_id, purpose, subject, organisation, accessed_at) values ($1, $2, $3, $4, $5)",
            citizen_id, purpose, subject, organisation, tx.clock.now(),
        )  # fmt: skip

    def _sealed(self, contact: Contact, citizen_id: str) -> bytes:
        return self._vault.seal(msgspec.json.encode(contact), citizen_id)


class Referrals:
    """The referral table and the idempotency keys."""

    async def insert(self, tx: Transaction, referral: Referral) -> None:
        """Keep a new one. Raises asyncpg.UniqueViolationError when the citizen has an active one of the pathway."""
        await tx.driver.execute(
            _INSERT_REFERRAL, referral.referral_id, referral.citizen_id, referral.pathway, referral.department, referral.municipality_code,
            referral.referrer_kind, referral.organisation, msgspec.to_builtins(referral.needs), referral.consent_given_at, referral.created_at,
        )  # fmt: skip

    async def get(self, tx: Transaction, referral_id: str) -> Referral | None:
        """The referral, locked until the transaction ends; None when there is none."""
        row = await tx.driver.fetchrow(
            "select * from referral where referral_id = $1 for update", referral_id
        )
        return _referral(row) if row else None

    async def active_of(self, tx: Transaction, citizen_id: str, pathway: str) -> Referral | None:
        """The citizen's active referral of the pathway; None when there is none."""
        row = await tx.driver.fetchrow(
            "select * from referral where citizen_id = $1 and pathway = $2 and status = 'active'",
            citizen_id,
            pathway,
        )
        return _referral(row) if row else None

    async def of_citizen(self, tx: Transaction, citizen_id: str) -> list[Referral]:
        """All of the citizen's referrals."""
        rows = await tx.driver.fetch("select * from referral where citizen_id = $1", citizen_id)
        return [_referral(row) for row in rows]

    async def save_consent(self, tx: Transaction, referral: Referral) -> None:
        """Keep the consent as it is now. Raises asyncpg.UniqueViolationError when the citizen has another active one meanwhile."""
        await tx.driver.execute(
            "update referral set status = $2, consent_given_at = $3, consent_withdrawn_at = $4 where referral_id = $1",
            referral.referral_id, referral.status, referral.consent_given_at, referral.consent_withdrawn_at,
        )  # fmt: skip

    async def forget_appointments(self, tx: Transaction, referral_id: str) -> None:
        """Delete what was kept of the hospital's appointments."""
        await tx.driver.execute("delete from appointment where referral_id = $1", referral_id)

    async def answered(
        self, tx: Transaction, organisation: str, key_hash: bytes
    ) -> tuple[str, bytes] | None:
        """The referral that a request with the Idempotency-Key of this hash made, and the hash of that request."""
        row = await tx.driver.fetchrow(
            "select referral_id, request_hash from idempotency_key where organisation = $1 and key_hash = $2",
            organisation,
            key_hash,
        )
        return (str(row["referral_id"]), row["request_hash"]) if row else None

    async def remember(
        self,
        tx: Transaction,
        organisation: str,
        key_hash: bytes,
        request_hash: bytes,
        referral_id: str,
        at: datetime,
    ) -> None:
        """Keep the answer for repeats."""
        await tx.driver.execute(
            "insert into idempotency_key (organisation, key_hash, request_hash, referral_id, created_at) values ($1, $2, $3, $4, $5)",
            organisation, key_hash, request_hash, referral_id, at,
        )  # fmt: skip


def _referral(row: asyncpg.Record) -> Referral:
    return Referral(
        referral_id=str(row["referral_id"]),
        citizen_id=str(row["citizen_id"]),
        pathway=row["pathway"],
        department=row["department"],
        municipality_code=row["municipality_code"],
        referrer_kind=row["referrer_kind"],
        organisation=row["organisation"],
        needs=msgspec.convert(row["needs"], Needs),
        consent_given_at=row["consent_given_at"],
        consent_withdrawn_at=row["consent_withdrawn_at"],
        created_at=row["created_at"],
    )
