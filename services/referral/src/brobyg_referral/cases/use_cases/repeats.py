"""Requests that are sent again with their Idempotency-Key."""

from dataclasses import dataclass

from brobyg_kit.database import Transaction

from brobyg_referral.cases.ports import RequestStore
from brobyg_referral.errors import CitizenErased, IdempotencyKeyReused
from brobyg_referral.people.domain.hashing import Hasher


@dataclass(frozen=True, slots=True)
class Keyed:
    """What a request is recognised by when it is repeated."""

    #: None: it is not recognised.
    idempotency_key: str | None
    #: What is asked, and the request in canonical form.
    fingerprint: bytes


class Repeats:
    """Recognises repeats."""

    def __init__(self, store: RequestStore, hasher: Hasher) -> None:
        """No state of its own."""
        self._store, self._hasher = store, hasher

    async def made_by(self, tx: Transaction, sender: str, request: Keyed) -> str | None:
        """The id of what the request has made before; None when it is no repeat.

        Raises IdempotencyKeyReused when the key was used for another request, and CitizenErased
        when the citizen was erased whom the request named.
        """
        if not request.idempotency_key:
            return None
        key_hash = self._hasher.idempotency_key(request.idempotency_key)
        made = await self._store.made(tx, sender, key_hash)
        if made is None:
            return None
        made_id, request_hash = made
        if made_id is None:
            raise CitizenErased  # a late repeat must not bring the data back
        if request_hash != self._hasher.request(request.fingerprint):
            raise IdempotencyKeyReused("use a new key for a new request")
        return made_id

    async def remember(self, tx: Transaction, sender: str, request: Keyed, made_id: str) -> None:
        """Recognise it from now on."""
        if request.idempotency_key:
            key_hash = self._hasher.idempotency_key(request.idempotency_key)
            request_hash = self._hasher.request(request.fingerprint)
            await self._store.remember(tx, sender, key_hash, request_hash, made_id)
