"""Citizens in PostgreSQL. What names a citizen is sealed under the citizen's own key."""

from collections.abc import Collection
from datetime import date

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.errors import PersonKeyLost
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id
from brobyg_kit.vault import DataKey
from sqlalchemy import (
    ARRAY,
    LargeBinary,
    bindparam,
    delete,
    func,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from brobyg_referral.errors import NoSuchCitizen
from brobyg_referral.people.adapters.tables import citizen, name_token
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import RULES, terms_of
from brobyg_referral.people.domain.record import CitizenRecord

#: What the sealed column is to its key.
IDENTITY = "identity"


class PostgresCitizens:
    """Implements `people.ports.CitizenStore`.

    Citizens are locked FOR NO KEY UPDATE, which does not block the foreign keys of appointments:
    the intake locks referrals and then checks those keys.
    """

    def __init__(self, keys: PersonKeys, hasher: Hasher) -> None:
        """`keys` are the citizens' own; `hasher` makes what they are searched by."""
        self._keys, self._hasher = keys, hasher

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
        wrapped, key = self._keys.vault.new_key(new_id)
        row = {"citizen_id": new_id, "cpr_hash": cpr_hash, "created_at": tx.now}
        statement = postgresql.insert(citizen).values(**row, sealed=sealed(key, contact))
        # To set a column of a unique key would lock the row FOR UPDATE.
        found = await tx.connection.execute(
            statement.on_conflict_do_update(
                index_elements=[citizen.c.cpr_hash], set_={"created_at": citizen.c.created_at}
            ).returning(citizen.c.citizen_id)
        )
        citizen_id: str = found.scalar_one()
        if citizen_id == new_id:
            await self._keys.add(tx, wrapped)
        return citizen_id

    async def lock(self, tx: Transaction, citizen_id: str, *, wait: bool = True) -> bool | None:
        """As the port says."""
        statement = select(citizen.c.erased_at.is_not(None)).with_for_update(
            key_share=True, skip_locked=not wait
        )
        found = await tx.connection.execute(statement.where(citizen.c.citizen_id == citizen_id))
        return found.scalar_one_or_none()

    async def renew(
        self,
        tx: Transaction,
        citizen_id: str,
        contact: Contact,
        record: CitizenRecord,
        born: date | None,
    ) -> None:
        """As the port says."""
        key = await self._keys.load(tx.connection, citizen_id)
        if key is None:  # lost: what it had sealed is told anew here
            wrapped, key = self._keys.vault.new_key(citizen_id)
            await self._keys.add(tx, wrapped)
        values = {"sealed": sealed(key, contact), "record": msgspec.to_builtins(record)}
        await tx.connection.execute(
            update(citizen).where(citizen.c.citizen_id == citizen_id).values(values)
        )
        await self.index(tx, citizen_id, contact, born)

    async def index(
        self,
        tx: Transaction,
        citizen_id: str,
        contact: Contact,
        born: date | None,
        *,
        keep: bool = False,
    ) -> None:
        """Make what finds the citizen, who is locked, what the newest rules say.

        With `keep` what else found them stays.

        Whether it is so is told by a token too, of these rules and of each before: what code of
        before them writes lacks the last, and it leaves alone what it finds.
        """
        tokens = {self._hasher.term(term) for term in terms_of(contact, born)}
        if contact.email is not None:
            tokens.add(self._hasher.email(contact.email))
        tokens |= {self._hasher.rules(one) for one in range(1, RULES[0].version + 1)}
        given = unnest({"token": LargeBinary()}, [(one,) for one in sorted(tokens)])
        own = name_token.c.citizen_id == citizen_id
        if not keep:
            others = name_token.c.token.not_in(select(given.c.token))
            await tx.connection.execute(delete(name_token).where(own, others))
        added = postgresql.insert(name_token).from_select(
            ["citizen_id", "token"], select(literal(citizen_id, Id), given.c.token)
        )
        await tx.connection.execute(added.on_conflict_do_nothing())

    async def is_kept(self, tx: Transaction, citizen_id: str) -> bool:
        """As the port says."""
        found = select(citizen.c.citizen_id).where(
            citizen.c.citizen_id == citizen_id, citizen.c.erased_at.is_(None)
        )
        return (await tx.connection.execute(found)).first() is not None

    async def contact(self, tx: Transaction, citizen_id: str) -> Contact | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(citizen.c.sealed).where(citizen.c.citizen_id == citizen_id)
        )
        row = found.one_or_none()
        if row is None:
            raise NoSuchCitizen
        if row.sealed is None:
            return None
        key = await self._keys.load(tx.connection, citizen_id)
        if key is None:
            raise PersonKeyLost("a citizen's own key is not there")
        return msgspec.json.decode(key.open(row.sealed, IDENTITY), type=Contact)

    async def record(self, tx: Transaction, citizen_id: str) -> CitizenRecord | None:
        """As the port says."""
        found = await tx.connection.execute(
            select(citizen.c.record).where(citizen.c.citizen_id == citizen_id)
        )
        stored = found.scalar_one_or_none()
        return None if stored is None else msgspec.convert(stored, CitizenRecord)

    async def erase(self, tx: Transaction, citizen_id: str) -> None:
        """As the port says."""
        await self._keys.destroy(tx, [citizen_id])
        await self._forget_tokens(tx, citizen_id)
        nothing = {"cpr_hash": None, "sealed": None, "record": null()}
        values = nothing | {"erased_at": tx.now}
        await tx.connection.execute(
            update(citizen).where(citizen.c.citizen_id == citizen_id).values(values)
        )

    async def _forget_tokens(self, tx: Transaction, citizen_id: str) -> None:
        await tx.connection.execute(delete(name_token).where(name_token.c.citizen_id == citizen_id))


def sealed(key: DataKey, contact: Contact) -> bytes:
    """The contact as it is stored."""
    return key.seal(msgspec.json.encode(contact), IDENTITY)
