"""How helpers are reached, sealed under each helper's own key."""

import hashlib
import hmac

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.errors import PersonKeyLost
from brobyg_kit.fields import comparable_address
from brobyg_kit.person_keys import PersonKeys
from sqlalchemy import delete, func, insert, or_, select

from brobyg_matching.adapters.tables import helper, helper_contact
from brobyg_matching.ports import Contact

#: What the sealed column is to its key.
CONTACT = "contact"
_ALIKE_LOCK = 0x616C696B
_IS_KEPT = helper.c.status != "erased"


class Reached(msgspec.Struct, frozen=True):
    """What is sealed."""

    name: str
    email: str
    phone: str | None


class Lookups:
    """Keyed hashes (HMAC-SHA256) by which the same mail address or phone number is noticed."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    def email(self, address: str) -> bytes:
        """See `comparable_address`."""
        return self._hash(b"email", comparable_address(address).encode())

    def phone(self, number: str) -> bytes:
        """As it is written."""
        return self._hash(b"phone", number.encode())

    def _hash(self, label: bytes, value: bytes) -> bytes:
        return hmac.new(self._key, b"contact-" + label + b"\x00" + value, hashlib.sha256).digest()


class SealedContacts:
    """The table helper_contact. Every method may raise one of DATABASE_ERRORS."""

    def __init__(self, keys: PersonKeys, lookups: Lookups) -> None:
        """`keys` are the helpers' own."""
        self._keys, self._lookups = keys, lookups

    async def alike(self, tx: Transaction, contact: Contact) -> list[str]:
        """See `ports.Helpers.alike`."""
        email, phone = self._hashes(contact)
        keys = {int.from_bytes(one[:4], "big", signed=True) for one in (email, phone) if one}
        for key in sorted(keys):
            await tx.connection.execute(select(func.pg_advisory_xact_lock(_ALIKE_LOCK, key)))
        same = [helper_contact.c.email_hash == email]
        if phone is not None:
            same.append(helper_contact.c.phone_hash == phone)
        found = select(helper_contact.c.helper_id).where(or_(*same))
        return list(await tx.connection.scalars(found.order_by(helper_contact.c.helper_id)))

    async def sign_in_ids(self, tx: Transaction, email: str, most: int) -> list[str]:
        """The ids of up to so many with this address, first of those who help."""
        same = helper_contact.c.email_hash == self._lookups.email(email)
        found = select(helper.c.helper_id).join(helper_contact).where(same, _IS_KEPT)
        helping_first = helper.c.status.in_(("active", "paused")).desc()
        wanted = found.order_by(helping_first, helper.c.helper_id).limit(most)
        return list(await tx.connection.scalars(wanted))

    async def may_sign_in(self, tx: Transaction, helper_id: str) -> bool:
        """Whether who they are is kept, restricted or not; not of who is erased or unknown."""
        found = select(helper.c.helper_id).where(helper.c.helper_id == helper_id, _IS_KEPT)
        return (await tx.connection.execute(found)).first() is not None

    async def add(self, tx: Transaction, helper_id: str, contact: Contact) -> None:
        """Keep how a new helper is reached; the helper is there already."""
        wrapped, key = self._keys.vault.new_key(helper_id)
        await self._keys.add(tx, wrapped)
        email, phone = self._hashes(contact)
        reached = Reached(contact.name, contact.email, contact.phone)
        await tx.connection.execute(
            insert(helper_contact).values(
                helper_id=helper_id,
                sealed=key.seal(msgspec.json.encode(reached), CONTACT),
                email_hash=email,
                phone_hash=phone,
                language=contact.language,
            )
        )

    async def read(self, tx: Transaction, helper_id: str) -> Contact | None:
        """How the helper is reached; None where that is not known, or no longer.

        Raises the kit's MasterKeyMissing, PersonKeyLost and CannotDecrypt.
        """
        columns = helper_contact.c
        found = await tx.connection.execute(
            select(columns.sealed, columns.language).where(columns.helper_id == helper_id)
        )
        row = found.one_or_none()
        if row is None:
            return None
        key = await self._keys.load(tx.connection, helper_id)
        if key is None:
            raise PersonKeyLost("a helper's own key is not there")
        reached = msgspec.json.decode(key.open(row.sealed, CONTACT), type=Reached)
        return Contact(**msgspec.structs.asdict(reached), language=row.language)

    async def destroy(self, tx: Transaction, helper_id: str) -> None:
        """Destroy it, with the key that all copies of it are sealed under."""
        await tx.connection.execute(
            delete(helper_contact).where(helper_contact.c.helper_id == helper_id)
        )
        await self._keys.destroy(tx, [helper_id])

    def _hashes(self, contact: Contact) -> tuple[bytes, bytes | None]:
        phone = contact.phone
        return (
            self._lookups.email(contact.email),
            None if phone is None else self._lookups.phone(phone),
        )
