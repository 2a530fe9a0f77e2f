"""Somebody who wants to help is registered: once, however often the same request comes."""

import hashlib
import hmac

from brobyg_contracts import VolunteerRegistered
from brobyg_contracts.places import POSTCODES
from brobyg_kit.database import Database
from msgspec import Struct

from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.ports import Contact


class Request(Struct, frozen=True):
    """What a repeat is known by: who sends it under which Idempotency-Key, and the body in one agreed form.

    Without a key the body stands for it: nobody is two people because an answer was lost on its way.
    """

    sender: str
    key: str | None
    body: str


class KeyUsed(Exception):
    """The sender has used this key for another request."""


class Registering:
    """Registers volunteers. Raises an asyncpg error or OSError when the database is in the way."""

    def __init__(self, database: Database, volunteers: PostgresVolunteers, secret: str) -> None:
        """Of a request only hashes under `secret` are kept; under another secret no earlier request is known again."""
        self._database, self._volunteers, self._secret = database, volunteers, secret.encode()

    async def register(self, volunteer: Volunteer, contact: Contact, request: Request) -> Volunteer:
        """Keep the volunteer and return them; for a repeat of the request, whom the first one made, as they are now. Raises KeyUsed."""
        async with self._database.transaction() as tx:
            key = ("body as key", request.body) if request.key is None else ("key", request.key)
            key_hash, body_hash = (
                self._hash(key[0], request.sender, key[1]),
                self._hash("body", request.body),
            )
            first, first_body_hash = await self._volunteers.registered(
                tx, key_hash, body_hash, volunteer.volunteer_id
            )
            if first_body_hash != body_hash:
                raise KeyUsed
            if first != volunteer.volunteer_id:
                known = await self._volunteers.locked(tx, first)
                assert known is not None  # a foreign key says so
                return known
            await self._volunteers.add(tx, volunteer, contact)
            event = VolunteerRegistered(
                volunteer_id=volunteer.volunteer_id,
                pool=volunteer.pool,
                department=volunteer.department,
                municipality_code=POSTCODES[volunteer.home_postcode].municipality_code,
            )
            tx.emit(event, subject=volunteer.volunteer_id)
        return volunteer

    def _hash(self, *parts: str) -> bytes:
        return hmac.new(
            self._secret, "\0".join(("registration", *parts)).encode(), hashlib.sha256
        ).digest()
