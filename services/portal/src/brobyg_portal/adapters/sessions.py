"""Sessions in PostgreSQL. An ended one is there for a day: see `kept_forms`."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database, Transaction
from brobyg_kit.ids import new_id
from brobyg_kit.retention import Carrier
from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update

from brobyg_portal.adapters.secrets import hash_of, is_secret, new_secret, seal, unseal
from brobyg_portal.adapters.tables import administrator, passkey, session, sign_in_link
from brobyg_portal.domain.session import Lifetime, Person, Session, Times, state_of

_s = session.c
#: `seen_at` is written this seldom.
_SEEN_EVERY = timedelta(minutes=1)
#: The longest token of a provider that is kept for the sign-out, bytes.
_LONGEST_ID_TOKEN = 16_384
_ID_TOKEN = "id-token"  # noqa: S105 - what is sealed, not a password
_IS_ADMINISTRATOR = (
    select(administrator.c.subject).where(administrator.c.subject == _s.subject).exists()
)
_FIND = select(session, _IS_ADMINISTRATOR.label("administrator"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a cookie stands for."""

    #: None without one that is open.
    session: Session | None = None
    #: The session that it was, where it has ended.
    ended: Session | None = None
    #: Whether it was ended with this request, as somebody came too late with a former cookie.
    stolen: bool = False
    #: Whether its cookie is to be given anew; see `Sessions.rotate`.
    due: bool = False


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session as an administrator sees it."""

    subject: str
    kind: str
    roles: list[str]
    organisation: str | None
    department: str | None
    began_at: datetime
    seen_at: datetime


class Sessions:
    """The sessions of all processes."""

    def __init__(self, database: Database, clock: Clock, lifetime: Lifetime) -> None:
        """`clock` tells real time."""
        self._database, self._clock, self.lifetime = database, clock, lifetime

    async def begin(
        self,
        person: Person,
        *,
        former: str | None = None,
        provider_session: str | None = None,
        id_token: str = "",
    ) -> str:
        """Begin a session and return its token; whatever this browser's cookie `former` was ends.

        So nobody's session can be given to somebody else beforehand (CWE-384).
        """
        now, token = self._clock.now(), new_secret()
        row = {
            "session_id": new_id(self._clock),
            "token_hash": hash_of(token),
            "rotated_at": now,
            "kind": person.kind,
            "subject": person.subject,
            "roles": sorted(person.roles),
            "organisation": person.organisation,
            "department": person.department,
            "provider_session": provider_session,
            "id_token": _sealed(token, id_token, person.subject),
            "form_key": secrets.token_bytes(32),
            "began_at": now,
            "seen_at": now,
            "ends_at": now + self.lifetime.longest,
        }
        async with self._database.transaction() as tx:
            if former is not None and is_secret(former):
                await tx.connection.execute(self._ending(_held_by(former)))
            await tx.connection.execute(insert(session).values(row))
        return token

    async def seen(self, token: str | None, *, by_hand: bool = True) -> Seen:
        """What stands behind this cookie with a request now.

        One that a page has made by itself, not `by_hand`, keeps nobody signed in.
        """
        if token is None or not is_secret(token):
            return Seen()
        now = self._clock.now()
        async with self._database.connect() as connection:
            row = (await connection.execute(_FIND.where(_held_by(token)))).one_or_none()
            if row is None:
                return Seen()
            found, former = _session(row), row.token_hash != hash_of(token)
            state = state_of(_times(row), self.lifetime, now, former=former)
            if state == "stolen":
                await connection.execute(self._ending(_s.session_id == found.session_id))
            if state in ("ended", "stolen"):
                return Seen(ended=found, stolen=state == "stolen")
            if not former and row.previous_hash is not None and row.taken_up_at is None:
                this = update(session).where(_s.token_hash == row.token_hash)
                taken_up = this.values(taken_up_at=now, previous_id_token=None)
                await connection.execute(taken_up)
            if by_hand and now >= row.seen_at + _SEEN_EVERY:
                seen = update(session).where(_s.session_id == found.session_id)
                await connection.execute(seen.values(seen_at=func.greatest(_s.seen_at, now)))
        return Seen(found, due=by_hand and state == "rotate")

    async def rotate(self, token: str) -> str | None:
        """Give the session of this cookie a new one, and return that.

        None where it has ended, or another request of the same browser was first: the cookie goes
        with its answer. Done last, when there is an answer to take it along.
        """
        new = new_secret()
        async with self._database.connect() as connection:
            row = (await connection.execute(_FIND.where(_held_by(token)))).one_or_none()
            if row is None:
                return None
            done = await connection.execute(_rotation(row, token, new, self._clock.now()))
        return new if done.rowcount else None

    @property
    def can_be_asked(self) -> bool:
        """False before the database was first reached."""
        try:
            return bool(self._database.engine)
        except RuntimeError:
            return False

    async def end(self, token: str) -> str:
        """End the session of this cookie; return the provider's token that it was begun with.

        "" where there is none.
        """
        async with self._database.connect() as connection:
            row = (await connection.execute(_FIND.where(_held_by(token)))).one_or_none()
            await connection.execute(self._ending(_held_by(token)))
        return "" if row is None else _opened(row, token).decode()

    async def end_all_of(self, subject: str) -> int:
        """End all sessions of somebody at once; how many there were.

        With the links and passkeys by which they could come in again. Staff have none of these.
        """
        async with self._database.transaction() as tx:
            for table in (sign_in_link, passkey):
                await tx.connection.execute(delete(table).where(table.c.subject == subject))
            ended = await tx.connection.execute(self._ending(_s.subject == subject))
        return int(ended.rowcount)

    async def end_at_provider(self, subject: str | None, provider_session: str | None) -> int:
        """End the sessions that the provider has ended: those of one of its own, else all.

        How many there were.
        """
        theirs = _s.subject == subject
        if provider_session is None:
            return await self._end(theirs, _s.kind == "staff")
        same = _s.provider_session == provider_session
        if subject is None:
            return await self._end(same)
        # Of a session whose own id at the provider is not known it can't be told which one it is.
        return await self._end(theirs, or_(same, _s.provider_session.is_(None)), _s.kind == "staff")

    async def open_ones(self, most: int) -> list[OpenSession]:
        """The sessions that are open, the last seen first."""
        now = self._clock.now()
        columns = (
            _s.subject, _s.kind, _s.roles, _s.organisation, _s.department, _s.began_at, _s.seen_at
        )  # fmt: skip
        statement = (
            select(*columns)
            .where(
                _s.ended_at.is_(None), _s.ends_at > now, _s.seen_at > now - self.lifetime.idle
            )
            .order_by(_s.seen_at.desc(), _s.session_id)
            .limit(most)
        )  # fmt: skip
        async with self._database.connect() as connection:
            return [OpenSession(*row) for row in await connection.execute(statement)]

    async def _end(self, *which: ColumnElement[bool]) -> int:
        async with self._database.connect() as connection:
            return (await connection.execute(self._ending(and_(*which)))).rowcount

    def _ending(self, which: ColumnElement[bool]) -> Any:  # an update with or without RETURNING
        return (
            update(session).where(which, _s.ended_at.is_(None)).values(ended_at=self._clock.now())
        )


class Administrators:
    """Who may see and end sessions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells real time."""
        self._database, self._clock = database, clock

    async def add(self, subject: str) -> bool:
        """Make somebody one; False for one who is already."""
        async with self._database.transaction() as tx:
            if subject in await _administrators(tx):
                return False
            row = {"subject": subject, "added_at": self._clock.now()}
            await tx.connection.execute(insert(administrator).values(row))
        return True

    async def remove(self, subject: str) -> bool:
        """Make somebody one no more, at once; False for one who is none."""
        statement = delete(administrator).where(administrator.c.subject == subject)
        async with self._database.connect() as connection:
            return bool((await connection.execute(statement)).rowcount)

    async def all(self) -> list[str]:
        """Their ids, sorted."""
        async with self._database.transaction() as tx:
            return await _administrators(tx)

    async def has(self, subject: str) -> bool:
        """Whether somebody is one."""
        statement = select(administrator.c.subject).where(administrator.c.subject == subject)
        async with self._database.connect() as connection:
            return (await connection.execute(statement)).first() is not None


def deleted_after(clock: Clock, kept: timedelta, column: ColumnElement[datetime]) -> Carrier:
    """Deletes rows of which `column` is so long ago in real time, whatever the service's clock."""
    table = column.table

    async def carry_out(tx: Transaction, before: datetime, most: int) -> int:
        del before
        key = next(iter(table.primary_key))
        over = select(key).where(column < clock.now() - kept).order_by(column).limit(most)
        done = await tx.connection.execute(
            delete(table).where(key.in_(over.with_for_update(skip_locked=True)))
        )
        return int(done.rowcount)

    return Carrier(carry_out)


async def _administrators(tx: Transaction) -> list[str]:
    statement = select(administrator.c.subject).order_by(administrator.c.subject)
    return list(await tx.connection.scalars(statement))


def _held_by(token: str) -> ColumnElement[bool]:
    hashed = hash_of(token)
    return or_(_s.token_hash == hashed, _s.previous_hash == hashed)


def _rotation(row: Row[Any], token: str, new: str, now: datetime) -> Any:
    """Gives the session a new token, unless another request has."""
    opened = _opened(row, token).decode()
    return (
        update(session)
        .where(
            _s.token_hash == row.token_hash,
            _s.ended_at.is_(None),
            or_(_s.token_hash == hash_of(token), _s.taken_up_at.is_(None)),
        )
        .values(
            token_hash=hash_of(new),
            previous_hash=hash_of(token),
            rotated_at=now,
            taken_up_at=None,
            seen_at=now,
            id_token=_sealed(new, opened, row.subject),
            previous_id_token=_sealed(token, opened, row.subject),
        )
    )


def _opened(row: Row[Any], token: str) -> bytes:
    """The provider's token of this session; b"" without one."""
    current = row.token_hash == hash_of(token)
    sealed = row.id_token if current else row.previous_id_token
    return (unseal(token, sealed, row.subject, _ID_TOKEN) if sealed else None) or b""


def _times(row: Row[Any]) -> Times:
    return Times(row.rotated_at, row.taken_up_at, row.seen_at, row.ends_at, row.ended_at)


def _sealed(token: str, id_token: str, subject: str) -> bytes | None:
    plain = id_token.encode()
    return seal(token, plain, subject, _ID_TOKEN) if 0 < len(plain) <= _LONGEST_ID_TOKEN else None


def _session(row: Row[Any]) -> Session:
    return Session(
        row.session_id, row.kind, row.subject, frozenset(row.roles), row.organisation,
        row.department, row.ends_at, row.administrator, row.form_key, row.began_at,
    )  # fmt: skip
