"""Requests for links to sign in by, and the links, in PostgreSQL."""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.errors import CannotDecrypt
from brobyg_kit.fields import comparable_address
from brobyg_kit.ids import new_id
from brobyg_kit.vault import DataKey
from sqlalchemy import delete, func, insert, select, update

from brobyg_portal.adapters.secrets import hash_of, is_secret
from brobyg_portal.adapters.tables import sign_in_link, sign_in_request
from brobyg_portal.domain.sign_in_link import HOUR, LIFE, Known, Link, is_one_too_many

#: The kind of the timers by which the owners are asked.
ASKED = "sign_in_asked"
_ADDRESS = "address"
_LOCK = 0x6C696E6B
_r, _l = sign_in_request.c, sign_in_link.c


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asked for a link."""

    request_id: str
    address_hash: bytes
    #: None for one of before it was kept.
    network_hash: bytes | None
    is_known: bool
    #: None where it can't be opened any more.
    address: str | None
    asked_at: datetime


class SignInLinks:
    """Both tables. An address is sealed until its owners were asked, and never stored otherwise."""

    def __init__(self, database: Database, clock: Clock, keys: Sequence[bytes]) -> None:
        """`clock` tells real time. The first of the `keys`, of 32 bytes, seals; all open."""
        self._database, self._clock, self._keys = database, clock, keys

    def is_proof(self, address: str, proof: str) -> bool:
        """Whether this is what a browser kept in which somebody was signed in by the address."""
        return hmac.compare_digest(proof.encode(), self._proof(self._hash(address)).encode())

    async def ask(
        self, address: str, browser: str, wish: str, *, is_known: bool = False, network: str = ""
    ) -> None:
        """Keep that the browser with this secret asks, from a network, for a link for an address.

        Nothing is looked up: that is for the timer, and so takes no part of the answer's time.
        """
        request_id, address_hash = new_id(self._clock), self._hash(address)
        row = {
            "request_id": request_id,
            "browser_hash": hash_of(browser),
            "address_hash": address_hash,
            "network_hash": self._network_hash(address_hash, network),
            "is_known": is_known,
            "sealed": DataKey(self._keys[0], request_id).seal(address.encode(), _ADDRESS),
            "next": wish,
            "asked_at": self._clock.now(),
        }
        async with self._database.transaction() as tx:
            await tx.connection.execute(insert(sign_in_request).values(row))
            tx.schedule(ASKED, request_id, tx.now)

    async def waiting(self, tx: Transaction, request_ids: Collection[str]) -> list[Request]:
        """Those of these whose address is kept, with it; nobody else follows them meanwhile.

        In the order of the addresses, by which they are locked.
        """
        wanted = (
            select(
                _r.request_id,
                _r.address_hash,
                _r.network_hash,
                _r.is_known,
                _r.sealed,
                _r.asked_at,
            )
            .where(_r.request_id.in_(request_ids), _r.sealed.is_not(None))
            .order_by(_r.address_hash, _r.asked_at)
        )
        rows = (await tx.connection.execute(wanted)).all()
        return [
            Request(
                row.request_id,
                row.address_hash,
                row.network_hash,
                row.is_known,
                self._opened(row.request_id, row.sealed),
                row.asked_at,
            )
            for row in rows
        ]

    async def is_one_too_many(self, tx: Transaction, request: Request) -> bool:
        """See `domain.sign_in_link.is_one_too_many`; others of this address wait to ask."""
        number = int.from_bytes(request.address_hash[:4], "big", signed=True)
        await tx.connection.execute(select(func.pg_advisory_xact_lock(_LOCK, number)))
        since = self._clock.now() - HOUR
        of_network = func.count().filter(_r.network_hash == request.network_hash)
        found = select(of_network, func.count()).where(
            _r.address_hash == request.address_hash,
            _r.is_known == request.is_known,
            _r.followed_at > since,
            _r.request_id != request.request_id,
        )
        network, every = (await tx.connection.execute(found)).one()
        return is_one_too_many(is_known=request.is_known, of_network=network, of_all=every)

    async def linked(self, tx: Transaction, request_id: str) -> set[Known]:
        """Whom a link of this request was mailed to."""
        found = select(_l.kind, _l.subject).where(_l.request_id == request_id)
        return {Known(*row) for row in await tx.connection.execute(found)}

    async def keep(self, request_id: str, known: Known, token: str) -> None:
        """Keep that this link is mailed; at once, as its person may be quick to open it."""
        row = {
            "token_hash": hash_of(token),
            "request_id": request_id,
            "kind": known.kind,
            "subject": known.subject,
            "ends_at": self._clock.now() + LIFE,
        }
        async with self._database.connect() as connection:
            await connection.execute(insert(sign_in_link).values(row))

    async def drop(self, token: str) -> None:
        """The link was not mailed."""
        statement = delete(sign_in_link).where(_l.token_hash == hash_of(token))
        async with self._database.connect() as connection:
            await connection.execute(statement)

    async def count(self, tx: Transaction, request_id: str) -> None:
        """It was followed: its owners have answered, or somebody has a link by it."""
        statement = update(sign_in_request).where(_r.request_id == request_id)
        await tx.connection.execute(statement.values(followed_at=self._clock.now()))

    async def end_request(self, tx: Transaction, request_id: str) -> None:
        """Delete the address."""
        statement = update(sign_in_request).where(_r.request_id == request_id)
        await tx.connection.execute(statement.values(sealed=None))

    async def find(self, token: str) -> Link | None:
        """The link with this token."""
        if not is_secret(token):
            return None
        wanted = (
            select(
                _l.kind,
                _l.subject,
                _r.browser_hash,
                _l.ends_at,
                _l.used_at,
                _r.next,
                _r.address_hash,
            )
            .join(sign_in_request)
            .where(_l.token_hash == hash_of(token))
        )
        async with self._database.connect() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        return Link(
            Known(row.kind, row.subject),
            row.browser_hash,
            row.ends_at,
            row.used_at,
            row.next,
            self._proof(row.address_hash),
        )

    async def spend(self, token: str) -> bool:
        """Use the link; False for one that was used, is over or is gone."""
        now = self._clock.now()
        statement = (
            update(sign_in_link)
            .where(_l.token_hash == hash_of(token), _l.used_at.is_(None), _l.ends_at > now)
            .values(used_at=now)
        )
        async with self._database.connect() as connection:
            return bool((await connection.execute(statement)).rowcount)

    async def release(self, token: str) -> None:
        """The use had no effect: the link may be used again."""
        statement = update(sign_in_link).where(_l.token_hash == hash_of(token))
        async with self._database.connect() as connection:
            await connection.execute(statement.values(used_at=None))

    def _hash(self, address: str) -> bytes:
        said = b"sign-in-address\x00" + comparable_address(address).encode()
        return hmac.digest(self._keys[0], said, hashlib.sha256)

    def _network_hash(self, address_hash: bytes, network: str) -> bytes:
        """Of both, so that it tells of nobody for whom else they ask."""
        said = b"asked-from\x00" + address_hash + network.encode()
        return hmac.digest(self._keys[0], said, hashlib.sha256)

    def _proof(self, address_hash: bytes) -> str:
        said = b"signed-in-before\x00" + address_hash
        return hmac.digest(self._keys[0], said, hashlib.sha256).hex()

    def _opened(self, request_id: str, sealed: bytes) -> str | None:
        for key in self._keys:
            try:
                return DataKey(key, request_id).open(sealed, _ADDRESS).decode()
            except CannotDecrypt:
                continue
        return None
