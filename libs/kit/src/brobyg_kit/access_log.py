"""The access log: who read who somebody is or how to reach them, when and what for.

An entry is written in the transaction of the reading and waits for nobody. A loop seals what has
come since, each minute: a seal's hash covers its entries and the hash of the seal before, so that
whoever changes, removes or adds one later breaks the chain. That the newest seals were cut off
together is seen by who has noted a seal's number and hash elsewhere; each is logged for that.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
from brobyg_kit.domain import domain
from brobyg_kit.health import Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.tables import access_entry, access_seal, restriction

log = get_logger(__name__)

#: As schemas/retention.yaml calls it.
KIND = "access_log"
#: Seconds between two seals, and between two beats of the loop.
EVERY_SECONDS, _PAUSE_SECONDS = 60.0, 5.0
_LOCK = 0x62736561
#: What waits longer for its seal is told: nobody seals.
_SEALED_WITHIN = timedelta(minutes=15)
#: How many entries one seal covers at most; those left over are sealed at once by the next.
MOST = 5_000
#: The hash before the first seal.
BEGINNING = bytes(32)
#: Purposes that the system itself records, beside those that a caller states.
EXPORT, SEARCH = "export", "search"

_CONTENT = (
    access_entry.c.id,
    access_entry.c.person_id,
    access_entry.c.read_at,
    access_entry.c.reader,
    access_entry.c.roles,
    access_entry.c.organisation,
    access_entry.c.department,
    access_entry.c.purpose,
    access_entry.c.emergency,
)


async def record(
    tx: Transaction,
    caller: Caller,
    people: Iterable[str],
    purpose: str,
    emergency: str | None = None,
) -> None:
    """Record that the caller reads who these are, in the transaction of the reading."""
    by = {
        "read_at": tx.now,
        "reader": actor_of(caller.subject),
        "roles": sorted(caller.roles),
        "organisation": caller.organisation,
        "department": caller.department,
        "purpose": purpose,
        "emergency": emergency,
    }
    if rows := [{**by, "person_id": one} for one in people]:
        await tx.connection.execute(insert(access_entry), rows)


class Sealing:
    """Seals one service's access log, in one process at a time."""

    def __init__(self, database: Database, heartbeat: Heartbeat) -> None:
        """`database` is open before `run`."""
        self._database, self._heartbeat = database, heartbeat
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """End `run`."""
        self._wake.set()

    async def run(self) -> None:
        """Seal each minute of real time until stopped. Trouble with the database is waited out.

        Of real time, as a demo's clock may pass a minute in some milliseconds.
        """
        due = 0.0
        while not self._wake.is_set():
            try:
                if time.monotonic() >= due:
                    await self.round()
                    due = time.monotonic() + EVERY_SECONDS
                self._heartbeat.beat()
            except DATABASE_ERRORS as error:
                self._heartbeat.struggle(trouble_of(error))
                log.warning("access_log.not_sealed", error=error, retry_seconds=_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._wake.wait()

    async def round(self) -> None:
        """Seal all that is committed; nothing while another process does."""
        full = True
        while full:
            async with self._database.transaction() as tx:
                full = await seal(tx) == MOST


async def seal(tx: Transaction) -> int:
    """Seal the entries that are committed and not sealed, at most `MOST`; how many.

    One that commits later, although it was written before, is sealed with the next. None while
    another transaction seals.
    """
    if not await tx.connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    unsealed = select(*_CONTENT).where(access_entry.c.seal.is_(None))
    found = await tx.connection.execute(
        unsealed.order_by(access_entry.c.id).limit(MOST).with_for_update(skip_locked=True)
    )
    entries = found.mappings().all()
    if not entries:
        return 0
    last = (
        await tx.connection.execute(
            select(access_seal.c.no, access_seal.c.hash).order_by(access_seal.c.no.desc()).limit(1)
        )
    ).first()
    no, previous = (last.no + 1, last.hash) if last else (1, BEGINNING)
    values = {
        "no": no,
        "sealed_at": tx.now,
        "entries": len(entries),
        "last_read_at": max(one["read_at"] for one in entries),
        "previous": previous,
    }
    values["hash"] = hash_of(values, entries)
    await tx.connection.execute(insert(access_seal).values(values))
    ids = [one["id"] for one in entries]
    await tx.connection.execute(
        update(access_entry).where(access_entry.c.id == func.any(ids)).values(seal=no)
    )
    noted = {"seal": no, "hash": values["hash"].hex(), "entries": len(entries)}
    tx.after_commit(lambda: log.info("access_log.sealed", **noted))
    return len(entries)


def hash_of(seal: Mapping[str, Any] | RowMapping, entries: Iterable[RowMapping]) -> bytes:
    """SHA-256 over the seal before, the seal's own values and its entries by id, as JSON."""
    digest = hashlib.sha256(seal["previous"])
    head = [seal["no"], seal["sealed_at"], seal["entries"], seal["last_read_at"]]
    for row in (head, *(list(one.values()) for one in entries)):
        digest.update(msgspec.json.encode([_plain(value) for value in row]) + b"\n")
    return digest.digest()


def _plain(value: Any) -> Any:
    # A session's time zone changes how a time is told, and not what it is.
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _is_restricted(person: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(restriction.c.person_id == person)


async def end(
    tx: Transaction,
    before: datetime,
    most: int,
    is_restricted: Callable[[ColumnElement[Any]], ColumnElement[bool]] = _is_restricted,
) -> int:
    """Delete the entries of at most so many seals whose last reading was before; how many seals.

    The seals stay, so that the chain can still be followed. A seal over an entry of somebody
    restricted stays whole. What is over and not sealed yet is sealed first.
    """
    await seal(tx)
    restricted = exists().where(
        access_entry.c.seal == access_seal.c.no, is_restricted(access_entry.c.person_id)
    )
    over = (
        select(access_seal.c.no)
        .where(access_seal.c.last_read_at < before, access_seal.c.ended_at.is_(None), ~restricted)
        .order_by(access_seal.c.last_read_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ended = await tx.connection.scalars(
        update(access_seal)
        .where(access_seal.c.no.in_(over))
        .values(ended_at=tx.now)
        .returning(access_seal.c.no)
    )
    numbers = list(ended)
    await tx.connection.execute(
        delete(access_entry).where(access_entry.c.seal == func.any(numbers))
    )
    return len(numbers)


@dataclass(slots=True)
class Verified:
    """What a look through the whole log has found."""

    seals: int = 0
    entries: int = 0
    #: Of the seals those whose entries are deleted, their time being over.
    ended: int = 0
    #: Entries that wait for their seal, and since when the oldest does; whether that is too long.
    unsealed: int = 0
    unsealed_since: datetime | None = None
    late: bool = False
    #: The newest seal: note it elsewhere, and it can't be cut off unnoticed.
    last: int = 0
    last_hash: str = ""
    #: What does not fit, the first of it; empty when all does.
    broken: str = ""


async def verify(
    connection: AsyncConnection, now: datetime, noted: tuple[int, str] | None = None
) -> Verified:
    """Compute every seal anew and compare, in a transaction of the caller's, best one snapshot.

    `now` is the time by the clock of the readings; `noted` is a seal's number and hash that
    somebody has kept elsewhere.
    """
    found, previous = Verified(), BEGINNING
    waiting = select(func.count(), func.min(access_entry.c.read_at)).where(
        access_entry.c.seal.is_(None)
    )
    found.unsealed, found.unsealed_since = (await connection.execute(waiting)).one()
    found.late = found.unsealed_since is not None and now - found.unsealed_since > _SEALED_WITHIN
    there = access_seal.c.no == access_entry.c.seal
    stray = select(func.min(access_entry.c.id)).where(
        access_entry.c.seal.is_not(None), ~exists().where(there, access_seal.c.ended_at.is_(None))
    )
    if (entry := await connection.scalar(stray)) is not None:
        found.broken = f"entry {entry} is under a seal that is not there, or has ended"
        return found
    async with connection.stream(select(access_seal).order_by(access_seal.c.no)) as seals:
        async for one in seals.mappings():
            found.broken = _misplaced(one, found.last, previous)
            if found.broken:
                return found
            found.seals, found.last, previous = found.seals + 1, one["no"], one["hash"]
            found.last_hash = previous.hex()
            if noted == (found.last, found.last_hash):
                noted = None
            if one["ended_at"] is not None:
                if not one["last_read_at"] + _kept() <= one["ended_at"] <= now:
                    found.broken = f"seal {found.last} was ended before its time"
                    return found
                found.ended += 1
                continue
            found.broken = await _changed(connection, one)
            if found.broken:
                return found
            found.entries += one["entries"]
    if noted:
        found.broken = f"seal {noted[0]} is not there as it was noted: the log was written anew"
    return found


def _kept() -> timedelta:
    """How long entries are kept at least, as schemas/retention.yaml says."""
    days = [one.days for one in domain().retention() if one.kind == KIND]
    return timedelta(days=days[0] or 0) if days else timedelta()


def _misplaced(seal: RowMapping, last: int, previous: bytes) -> str:
    if seal["no"] != last + 1:
        return f"seal {last + 1} is missing"
    if seal["previous"] != previous:
        return f"seal {seal['no']} does not follow the one before"
    return ""


async def _changed(connection: AsyncConnection, seal: RowMapping) -> str:
    under = select(*_CONTENT).where(access_entry.c.seal == seal["no"]).order_by(access_entry.c.id)
    entries = (await connection.execute(under)).mappings().all()
    if len(entries) != seal["entries"]:
        return f"seal {seal['no']} is over {seal['entries']} entries, and there are {len(entries)}"
    if hash_of(seal, entries) != seal["hash"]:
        return f"seal {seal['no']} or an entry under it was changed"
    return ""
