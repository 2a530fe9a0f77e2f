"""A helper is registered, once however often the same request comes, activated and paused."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence

from brobyg_contracts import HelperActivated, HelperPaused, HelperRegistered
from brobyg_kit.database import Database, Transaction
from msgspec import Struct
from msgspec.structs import replace

from brobyg_matching.domain.helper import Helper, Paper, activated, paused
from brobyg_matching.domain.need import CAPACITY, RECHECK
from brobyg_matching.domain.neighbours import asked_of
from brobyg_matching.errors import (
    HelperErased,
    IdempotencyKeyReused,
    NotReady,
    RegisteredBefore,
    UnknownHelper,
)
from brobyg_matching.ports import Contact, RegisteredRequest
from brobyg_matching.use_cases.boards import Boards

#: Whether the caller may change a helper of this department.
Allowed = Callable[[str], bool]


class RegistrationRequest(Struct, frozen=True):
    """What a repeated request is recognised by.

    Without a key the body stands for it: nobody becomes two people because an answer was lost.
    """

    #: Who sends it.
    sender: str
    #: The Idempotency-Key, if there is one.
    key: str | None
    #: The body in one canonical form.
    body: str
    #: Whether the sender knows that somebody with this address or number is registered, and that
    #: this is another person.
    is_another: bool = False


class Registration:
    """Registers, activates and pauses helpers. Every method may raise one of DATABASE_ERRORS."""

    def __init__(self, database: Database, boards: Boards, keys: Sequence[str]) -> None:
        """Keep only hashes of a request: the first key hashes it, by all keys it is recognised."""
        self._database, self._boards, self._helpers = database, boards, boards.helpers
        self._keys = [key.encode() for key in keys]

    async def register(
        self, helper: Helper, contact: Contact, request: RegistrationRequest, allowed: Allowed
    ) -> Helper:
        """Keep the helper and return them; for a repeat, whom the first made, as they are now.

        Departments are kept as they are called now. Raises IdempotencyKeyReused; RegisteredBefore,
        with the id only of whom the caller is `allowed` to change;
        NotReady for a pool, department or postcode that the reference data does not have.
        """
        hashes = dict(_hashes(key, request) for key in self._keys)
        async with self._database.transaction() as tx:
            first = await self._helpers.registered(tx, hashes)
            if first is not None:
                if first.request_hash != hashes[first.key_hash]:
                    raise IdempotencyKeyReused
                return (await self._helpers.lock(tx, (first.helper_id,)))[first.helper_id]
            alike = await self._helpers.alike(tx, contact)
            if alike and not request.is_another:
                before = await self._helpers.lock(tx, alike)
                own = [one for one, o in before.items() if any(map(allowed, o.departments))]
                raise RegisteredBefore(min(own, default=None))
            reference = await self._boards.reference(tx)
            present = map(reference.present_department, helper.departments)
            names = tuple(dict.fromkeys(present))
            helper = replace(helper, departments=names)
            for kind, given, known in (
                ("department", names, reference.departments),
                ("pool", helper.pools, reference.pools),
                ("postcode", (helper.home_postcode,), reference.postcodes),
            ):
                if any(one not in known or known[one].withdrawn for one in given):
                    raise NotReady(f"the reference data has no such {kind}")
            key_hash, request_hash = next(iter(hashes.items()))
            made = RegisteredRequest(key_hash, request_hash, helper.helper_id)
            await self._helpers.add(tx, helper, contact, made)
            event = HelperRegistered(
                helper_id=helper.helper_id,
                pools=helper.pools,
                departments=helper.departments,
                municipality_code=reference.postcode(helper.home_postcode).municipality_code,
            )
            tx.emit(event, subject=helper.helper_id)
        return helper

    async def activate(
        self, helper_id: str, papers: Mapping[str, Paper], allowed: Allowed
    ) -> Helper:
        """From now on the helper can be asked; see `domain.helper.activated`.

        At least one of their pools must have all its papers. Raises NotReady; NotAllowed while
        they are restricted; HelperErased; UnknownHelper, also where the caller is not `allowed` to
        change them.
        """
        async with self._database.transaction() as tx:
            helper = await self._known(tx, helper_id, allowed)
            reference = await self._boards.reference(tx)
            records = [reference.pools[one] for one in helper.pools if one in reference.pools]
            active = activated(helper, papers, [one.requires for one in records], tx.now)
            await self._helpers.update(tx, helper, active)
            if helper.status != "active":
                tx.emit(HelperActivated(helper_id=helper_id), subject=helper_id)
                for department in map(reference.present_department, active.departments):
                    for one in (department, *asked_of(department, reference)):
                        tx.schedule(CAPACITY, one, tx.now)
        return active

    async def pause(self, helper_id: str, allowed: Allowed) -> Helper:
        """Ask the helper for nothing new; what was agreed stands. Return them as paused.

        Open offers can't be accepted from now on, and are withdrawn by a timer at once. Again has
        no further effect. Raises UnknownHelper, HelperErased, NotAllowed.
        """
        async with self._database.transaction() as tx:
            helper = await self._known(tx, helper_id, allowed)
            changed = paused(helper)
            if helper.status != "paused":
                await self._helpers.update(tx, helper, changed)
                tx.emit(HelperPaused(helper_id=helper_id), subject=helper_id)
                tx.schedule(RECHECK, helper_id, tx.now)
        return changed

    async def _known(self, tx: Transaction, helper_id: str, allowed: Allowed) -> Helper:
        helper = (await self._helpers.lock(tx, (helper_id,))).get(helper_id)
        if helper is None or not any(map(allowed, helper.departments)):
            raise UnknownHelper
        if helper.status == "erased":
            raise HelperErased
        return helper


def _hashes(key: bytes, request: RegistrationRequest) -> tuple[bytes, bytes]:
    """What the request is recognised by, and what its body is compared by."""
    known_by = ("body as key", request.body) if request.key is None else ("key", request.key)
    return _hash(key, known_by[0], request.sender, known_by[1]), _hash(key, "body", request.body)


def _hash(key: bytes, *parts: str) -> bytes:
    return hmac.new(key, "\0".join(("registration", *parts)).encode(), hashlib.sha256).digest()
