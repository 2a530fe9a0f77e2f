"""A volunteer is registered, once however often the same request comes, and activated."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import date

from brobyg_contracts import VolunteerActivated, VolunteerRegistered
from brobyg_contracts.places import POSTCODES
from brobyg_kit.database import Database
from msgspec import Struct

from brobyg_matching.domain.volunteer import Volunteer, activated
from brobyg_matching.errors import IdempotencyKeyReused, UnknownVolunteer
from brobyg_matching.ports import Contact, RegisteredRequest, Volunteers


class RegistrationRequest(Struct, frozen=True):
    """What a repeated request is recognised by.

    Without a key it is the body: nobody is registered twice because an answer was lost.
    """

    #: Who sends it.
    sender: str
    #: The Idempotency-Key, if there is one.
    key: str | None
    #: The body in one canonical form.
    body: str


class Registration:
    """Registers and activates volunteers. Every method may raise one of DATABASE_ERRORS."""

    def __init__(self, database: Database, volunteers: Volunteers, keys: Sequence[str]) -> None:
        """Keep only hashes of a request: the first key hashes it, by all keys it is recognised."""
        self._database, self._volunteers = database, volunteers
        self._keys = [key.encode() for key in keys]

    async def register(
        self, volunteer: Volunteer, contact: Contact, request: RegistrationRequest
    ) -> Volunteer:
        """Keep the volunteer and return them; for a repeat, whom the first made, as they are now.

        Raises IdempotencyKeyReused.
        """
        hashes = dict(_hashes(key, request) for key in self._keys)
        async with self._database.transaction() as tx:
            first = await self._volunteers.registered(tx, hashes)
            if first is not None:
                if first.request_hash != hashes[first.key_hash]:
                    raise IdempotencyKeyReused
                known = await self._volunteers.lock(tx, first.volunteer_id)
                assert known is not None  # a foreign key guarantees it
                return known
            key_hash, request_hash = next(iter(hashes.items()))
            made = RegisteredRequest(key_hash, request_hash, volunteer.volunteer_id)
            await self._volunteers.add(tx, volunteer, contact, made)
            event = VolunteerRegistered(
                volunteer_id=volunteer.volunteer_id,
                pool=volunteer.pool,
                department=volunteer.department,
                municipality_code=POSTCODES[volunteer.home_postcode].municipality_code,
            )
            tx.emit(event, subject=volunteer.volunteer_id)
        return volunteer

    async def activate(
        self,
        volunteer_id: str,
        signed: date,
        checked: date,
        introduced: date,
        allowed: Callable[[Volunteer], bool],
    ) -> Volunteer:
        """From now on the volunteer can be asked; see `domain.volunteer.activated`.

        Raises NotReady; UnknownVolunteer, also where the caller is not `allowed` to change them.
        """
        async with self._database.transaction() as tx:
            volunteer = await self._volunteers.lock(tx, volunteer_id)
            if volunteer is None or not allowed(volunteer):
                raise UnknownVolunteer
            active = activated(volunteer, signed, checked, introduced, tx.now)
            await self._volunteers.update(tx, active)
            if volunteer.status != "active":
                tx.emit(VolunteerActivated(volunteer_id=volunteer_id), subject=volunteer_id)
        return active


def _hashes(key: bytes, request: RegistrationRequest) -> tuple[bytes, bytes]:
    """What the request is recognised by, and what its body is compared by."""
    known_by = ("body as key", request.body) if request.key is None else ("key", request.key)
    return _hash(key, known_by[0], request.sender, known_by[1]), _hash(key, "body", request.body)


def _hash(key: bytes, *parts: str) -> bytes:
    return hmac.new(key, "\0".join(("registration", *parts)).encode(), hashlib.sha256).digest()
