"""One worker of a rebuild: takes share after share until none is left.

It reads a share from Kafka, folds it in memory and copies it into the new version's tables. Its
statements are plain SQL on the driver: to import SQLAlchemy takes as long as to read 50,000 events.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import msgspec
from brobyg_kit.event import UndecodableEvent

from brobyg_reporting.adapters import log_rows
from brobyg_reporting.adapters.answers import answers
from brobyg_reporting.adapters.topics import Record, TopicReader, reading
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.log import Offsets, read_record
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.ports import OnRecords

#: Settings of a rebuild's connections. Its commits need not be on the disk: what a crash of the
#: server takes is built again. The switch alone waits for the disk (`VersionTables.switching`).
#: Statistics are coarse: of a sample as large as usual they would take as long as the indexes.
SESSION = {
    "application_name": "brobyg-reporting-rebuild",
    "synchronous_commit": "off",
    "maintenance_work_mem": "128MB",
    "default_statistics_target": "20",
}
#: The longest one statement of a rebuild may take, seconds: a COPY of a whole partition is one.
STATEMENT_TIMEOUT = 6 * 3600.0

_SHARE_LOCK = 0x62730000


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know; everything in it can be sent to another process."""

    kafka: str
    database: str
    version: int
    #: The version's schema.
    schema: str
    #: Share number -> where each of its partitions ends, as (topic, partition, offset). A share
    #: holds whole keys: partition p of all topics.
    shares: dict[int, list[tuple[str, int, int]]]
    #: The process that must be alive for the work to go on; 0 for none.
    parent: int = 0


def main() -> int:
    """A worker process: work on stdin; on stdout the size of each part read.

    What stops it is told there too, by the type of the error alone.
    """
    to = answers()
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    gc.freeze()
    gc.disable()  # no cycles are made here; a collection would only visit all rows
    try:
        asyncio.run(run(work, lambda records: print(records, file=to, flush=True)))
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001 - the parent says what it was
        # Its text may have data of the log in it, and what the parent says is read at /readyz.
        print(type(error).__name__, file=to, flush=True)
        return 1
    return 0


async def run(work: Work, on_records: OnRecords) -> None:
    """Do shares until none is left; `on_records` is called with the size of each part read."""
    names = sorted({topic for ends in work.shares.values() for topic, _, _ in ends})
    connection = await asyncpg.connect(
        work.database, timeout=10, command_timeout=STATEMENT_TIMEOUT, server_settings=SESSION
    )
    try:
        async with reading(work.kafka, names) as reader:
            # First the shares that nobody holds; then the others, waiting: a worker of a rebuild
            # that was killed may still commit or roll back.
            for wait in (False, True):
                for share, ends in work.shares.items():
                    offsets = {(topic, partition): end for topic, partition, end in ends}
                    copy = _ShareCopy(work, share, offsets, connection, reader, on_records)
                    async with connection.transaction():
                        if await copy.claim(wait=wait):
                            await copy.fill()
    finally:
        await connection.close(timeout=5)


@dataclass(slots=True)
class _ShareCopy:
    """One share, in one transaction."""

    work: Work
    number: int
    ends: Offsets
    connection: "asyncpg.Connection[asyncpg.Record]"
    reader: TopicReader
    on_records: OnRecords
    events: int = 0
    skipped: int = 0
    seen: set[str] = field(default_factory=set)
    folder: Folder = field(default_factory=Folder)

    async def claim(self, *, wait: bool) -> bool:
        """Take the share; False when it is done or, unless `wait`, when another holds it."""
        place = (_SHARE_LOCK + self.work.version % 0x10000, self.number)
        if wait:
            await self.connection.execute("select pg_advisory_xact_lock($1, $2)", *place)
        elif not await self.connection.fetchval("select pg_try_advisory_xact_lock($1, $2)", *place):
            return False
        return not await self.connection.fetchval(
            "select 1 from reporting.version_share where number = $1 and share = $2",
            self.work.version,
            self.number,
        )

    async def fill(self) -> None:
        """Fill the version's tables, and note it."""
        schema = self.work.schema
        await self.connection.copy_to_table(
            "event_log",
            schema_name=schema,
            columns=log_rows.COLUMNS,
            source=self._rows(),
            format="binary",
        )
        for projection in PROJECTIONS:
            rows = self.folder.rows[projection.table].values()
            if rows:
                await self.connection.copy_records_to_table(
                    projection.table,
                    schema_name=schema,
                    columns=projection.columns,
                    records=map(msgspec.structs.astuple, rows),
                )
        await self.connection.execute(
            "insert into reporting.version_share (number, share, events, skipped)"
            " values ($1, $2, $3, $4)",
            self.work.version,
            self.number,
            self.events,
            self.skipped,
        )

    async def _rows(self) -> AsyncIterator[bytes]:
        """The event log as COPY takes it, a part at a time; folds on the way."""
        yield log_rows.HEADER
        async for part in self.reader.records({}, self.ends):
            if self.work.parent and os.getppid() != self.work.parent:
                raise RuntimeError("the rebuild that started this worker has ended")
            yield self._rows_of(part)
            self.on_records(len(part))
        yield log_rows.TRAILER

    def _rows_of(self, part: list[Record]) -> bytes:
        seen, fold = self.seen, self.folder.fold
        rows = []
        for record in part:
            try:
                events = read_record(record.value or b"")
            except UndecodableEvent:  # which live parks as a dead letter
                self.skipped += 1
                continue
            place = record.topic, record.partition, record.offset
            for event, decoded in events:
                if event.id in seen:
                    continue
                seen.add(event.id)
                if decoded is not None:
                    fold(decoded, event.time)
                rows.append(log_rows.row(*place, event, folded=decoded is not None))
        self.events += len(rows)
        return b"".join(rows)


if __name__ == "__main__":
    sys.exit(main())
