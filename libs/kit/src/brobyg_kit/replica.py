"""A service's copy of a compacted topic: a table, and what a process makes of it in memory.

The table `replica` holds the last record of each key. It is written in the transaction of the batch
that brought the records, and a new service reads the topic from its beginning, as any consumer
does. A record without a value deletes what its key had. The key and the position stay, so that an
older record that comes late does not bring it back.

A `Replica` holds a view of the table in memory, which is made anew when the table has changed:
PostgreSQL notifies the process. While nobody listens (`Watch`), each use reads the table.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, LargeBinary, Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from brobyg_kit.backoff import Backoff
from brobyg_kit.database import Database, Transaction
from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
from brobyg_kit.event import TOMBSTONE, Event, EventData, UndecodableEvent, encode
from brobyg_kit.health import Check, Heartbeat
from brobyg_kit.logs import get_logger
from brobyg_kit.parking import Received
from brobyg_kit.statements import unnest
from brobyg_kit.tables import Id, replica
from brobyg_kit.upcasting import events_in

log = get_logger(__name__)

REPLICA_CHANNEL = "replica"
#: How often a connection that listens is asked whether it lives, seconds of wall time: so long may
#: a view be out of date when a connection is lost without a sign.
_ASK_SECONDS = 5.0

ViewT = TypeVar("ViewT")


@dataclass(frozen=True, slots=True)
class Copy(Generic[ViewT]):
    """That a service keeps a copy of a compacted topic, and what it makes of it."""

    topic: str
    #: Event type to Struct. Records of other types are passed over.
    kinds: Mapping[str, type[EventData]]
    #: Makes the view of the last record of each key, in any order; each is one of `kinds`.
    view: Callable[[Iterable[Any]], ViewT]
    #: The most bytes of records that are held in memory. Above it the last view stays in use, and
    #: the process is not ready.
    limit: int = 32 * 1024 * 1024

    def read(self, event: Event) -> EventData | None:
        """What the record says; None when it is of another type.

        Raises UndecodableEvent when it breaks its schema, or no view can be made of it.
        """
        record = event.read(self.kinds)
        if record is not None:
            try:
                self.view((record,))
            except Exception as error:
                reason = f"no view can be made of its data ({type(error).__name__})"
                raise UndecodableEvent(f"{event.type}: {reason}") from error
        return record


class Replica(Generic[ViewT]):
    """One process's view of its service's copy of a topic."""

    def __init__(self, copy: Copy[ViewT]) -> None:
        """Nothing is read yet."""
        self._copy = copy
        #: The view as last read; before that, of no records.
        self.latest = copy.view(())
        #: Bytes of the records in the table, as last read.
        self.size = 0
        #: How many records the view is made of, and how many were left out as this code can't
        #: read them.
        self.records = self.unreadable = 0
        #: Whether `Watch` is told of changes.
        self.watched = False
        #: How often the table has changed, and how often it had when the view was read.
        self._changes, self._seen = 1, 0
        self._reading = asyncio.Lock()

    @property
    def topic(self) -> str:
        """The topic that is copied."""
        return self._copy.topic

    async def get(self, tx: Transaction) -> ViewT:
        """The view as of now, with what `tx` itself has changed.

        Makes no query unless the copy has changed since it was last read. Raises one of
        DATABASE_ERRORS.
        """
        if self.topic in tx.replicated:
            own = tx.replicated[self.topic]
            if own is None:
                own = tx.replicated[self.topic] = (await self._read(tx.connection),)
            view: ViewT = own[0]
            return view
        if self.is_stale:
            await self.refresh(tx.connection)
        return self.latest

    @property
    def is_stale(self) -> bool:
        """Whether the table may have changed since it was last read."""
        return self._seen != self._changes or not self.watched

    def changed(self) -> None:
        """The table has changed."""
        self._changes += 1

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read the table again, unless another task has done so meanwhile."""
        async with self._reading:
            if not self.is_stale:
                return
            changes = self._changes  # a change during the query makes it stale again
            self.latest = await self._read(connection)
            self._seen = changes

    async def _read(self, connection: AsyncConnection) -> ViewT:
        mine = (replica.c.topic == self.topic, replica.c.body.is_not(None))
        total = select(func.coalesce(func.sum(func.octet_length(replica.c.body)), 0)).where(*mine)
        self.size = int((await connection.execute(total)).scalar_one())
        if self.size > self._copy.limit:
            log.error("replica.too_large", topic=self.topic, bytes=self.size)
            return self.latest
        bodies = (await connection.execute(select(replica.c.body).where(*mine))).scalars().all()
        try:
            events = [event for body in bodies for event in events_in(body)]
            records = [event.read(self._copy.kinds) for event in events]
            view = self._copy.view([one for one in records if one is not None])
            self.records, self.unreadable = len(bodies), 0
            return view
        except Exception as error:  # noqa: BLE001 - one record must not hide the others
            log.error("replica.unreadable", topic=self.topic, error=error)
            return self._copy.view(self._readable(bodies))

    def _readable(self, bodies: Sequence[bytes]) -> list[EventData]:
        """Those records that this code can read; another release may have stored the others."""
        found = []
        self.records = self.unreadable = 0
        for body in bodies:
            try:
                read = [self._copy.read(event) for event in events_in(body)]
            except UndecodableEvent:
                self.unreadable += 1
                continue
            self.records += 1
            found += [record for record in read if record is not None]
        return found

    def report(self) -> dict[str, int]:
        """What /readyz tells of it."""
        return {"records": self.records, "bytes": self.size, "unreadable": self.unreadable}

    async def check(self) -> Check:
        """Whether it fits into memory."""
        if self.size <= self._copy.limit:
            return Check(True)
        return Check(False, f"{self.topic}: {self.size} bytes are over {self._copy.limit}")


class Copies:
    """What one consumer copies: writes the table `replica`."""

    def __init__(
        self,
        copies: Iterable[Copy[Any]],
        replicas: Mapping[str, Replica[Any]],
        handled: Collection[str] = (),
    ) -> None:
        """`replicas` are those of this process, by topic; they learn of its own changes at once.

        `handled` are the topics whose events the service's handlers take.
        """
        self._copies = {copy.topic: copy for copy in copies}
        self._replicas = replicas
        #: The topics whose events no handler takes.
        self.only_copied = frozenset(self._copies) - frozenset(handled)

    async def keep(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Store those of `batch` that are of a copied topic, of each key the last.

        Whatever comes in whatever order and however often, the copy ends with the record of the
        highest offset. Raises UndecodableEvent as `Copy.read`.
        """
        last: dict[tuple[str, str], tuple[int, str, bytes | None]] = {}
        for one in batch:
            event, origin = one.event, one.origin
            copy = self._copies.get(origin.topic)
            if copy is None:
                continue
            body = None
            if event.type != TOMBSTONE:
                if copy.read(event) is None:
                    continue  # a type of a later version
                body = encode(event)
            key = origin.topic, event.subject
            if key not in last or last[key][0] < origin.offset:
                last[key] = origin.offset, event.id, body
        if not last:
            return
        await tx.connection.execute(_upsert([(*key, *last[key]) for key in sorted(last)]))
        for topic in {topic for topic, _ in last}:
            await tx.connection.execute(select(func.pg_notify(REPLICA_CHANNEL, topic)))
            tx.replicated[topic] = None
            if topic in self._replicas:
                tx.after_commit(self._replicas[topic].changed)


def _upsert(rows: Sequence[tuple[str, str, int, str, bytes | None]]) -> Any:  # as in `database`
    kinds = {
        "topic": Text(),
        "key": Text(),
        "record_offset": BigInteger(),
        "event_id": Id,
        "body": LargeBinary(),
    }
    given = unnest(kinds, rows)
    columns = [replica.c[name] for name in kinds]
    statement = insert(replica).from_select(columns, select(*(given.c[name] for name in kinds)))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[replica.c.topic, replica.c.key],
        set_={name: new[name] for name in ("record_offset", "event_id", "body")},
        where=replica.c.record_offset < new.record_offset,
    )


class Watch:
    """Keeps a process's replicas as the table is: it listens for changes and reads them."""

    def __init__(
        self, database: Database, replicas: Sequence[Replica[Any]], heartbeat: Heartbeat
    ) -> None:
        """`database` is open before `run`."""
        self._database, self._replicas, self._heartbeat = database, replicas, heartbeat
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Listen until stopped. Trouble with the database is waited out."""
        backoff = Backoff()
        while not self._stopping:
            try:
                await self._session()
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                self._heartbeat.struggle(trouble_of(error))
                log.warning("replica.unwatched", error=error, retry_seconds=pause)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def _session(self) -> None:
        try:
            async with self._database.listen(REPLICA_CHANNEL, self._notified) as listening:
                for one in self._replicas:
                    one.changed()
                    one.watched = True
                while not self._stopping:
                    self._wake.clear()
                    await self._refresh()
                    self._heartbeat.beat()
                    try:
                        async with asyncio.timeout(_ASK_SECONDS):
                            await self._wake.wait()
                    except TimeoutError:
                        await listening.fetchval("select 1")
        finally:
            for one in self._replicas:
                one.watched = False

    def _notified(self) -> None:
        for one in self._replicas:
            one.changed()
        self._wake.set()

    async def _refresh(self) -> None:
        stale = [one for one in self._replicas if one.is_stale]
        if stale:
            async with self._database.connect() as connection:
                for one in stale:
                    await one.refresh(connection)
