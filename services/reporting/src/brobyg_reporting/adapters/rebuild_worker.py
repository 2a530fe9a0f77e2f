"""One process of a rebuild: takes share after share, reads it from Kafka, folds it in memory and copies it into the new version's tables."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import asyncpg
import msgspec
from brobyg_kit.event import UndecodableEvent

from brobyg_reporting.adapters import versions
from brobyg_reporting.adapters.store import LOG_COLUMNS, schema
from brobyg_reporting.adapters.topics import Offsets, RangeReader, Record
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.log import read_line
from brobyg_reporting.domain.projections import PROJECTIONS

#: The longest one statement of a rebuild may take, seconds: a COPY of a whole partition is one statement.
STATEMENT_TIMEOUT = 6 * 3600.0
_NULL = "\\N"  # as COPY writes it


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know; everything in it can be sent to another process."""

    kafka: str
    database: str
    version: int
    #: Share number -> where each of its partitions ends, as (topic, partition, offset). A share holds whole keys: partition p of all topics.
    shares: dict[int, list[tuple[str, int, int]]]
    #: The process that must live for the work to have a point; 0 for none.
    parent: int = 0


def encode_work(work: Work) -> bytes:
    """For stdin of a worker process."""
    return msgspec.json.encode(work)


def main() -> int:
    """A worker process: work on stdin; on stdout a number for every part read, or why it stopped."""
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    gc.freeze()
    gc.disable()  # nothing here is cyclic; a collection would only walk over the rows held
    try:
        asyncio.run(run(work, lambda records: print(records, flush=True)))
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001  # the parent says what it was; a traceback would tear its progress bar
        print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
        return 1
    return 0


async def run(work: Work, report: Callable[[int], None]) -> None:
    """Do shares until none is left. `report` is told how many records were read, again and again. Blocks the loop; raises what stopped it."""
    connection = await connect(work.database)
    reader = RangeReader(work.kafka)
    try:
        # Once over what nobody is at; then again, waiting: a worker of a rebuild that was killed may still end, well or not.
        for wait in (False, True):
            for share, ends in work.shares.items():
                async with connection.transaction():
                    if await versions.claim(connection, work.version, share, wait=wait):
                        offsets = {(topic, partition): end for topic, partition, end in ends}
                        done = await _ShareCopy(work, offsets, reader, report).copy(connection)
                        await versions.mark_done(
                            connection, work.version, share, done.events, done.skipped
                        )
    finally:
        reader.close()
        await connection.close(timeout=5)


async def connect(database: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection for a rebuild. Its commits need not be on the disk: what a crash of the server takes is built again, except the switch."""
    return await asyncpg.connect(
        database,
        timeout=10,
        command_timeout=STATEMENT_TIMEOUT,
        server_settings={
            "application_name": "brobyg-reporting-rebuild",
            "synchronous_commit": "off",
            "maintenance_work_mem": "128MB",
        },
    )


@dataclass(slots=True)
class _ShareCopy:
    work: Work
    ends: Offsets
    reader: RangeReader
    report: Callable[[int], None]
    events: int = 0
    skipped: int = 0
    seen: set[str] = field(default_factory=set)
    folder: Folder = field(default_factory=Folder)

    async def copy(self, connection: "asyncpg.Connection[asyncpg.Record]") -> "_ShareCopy":
        target = schema(self.work.version)
        await connection.copy_to_table(
            "event_log", schema_name=target, columns=LOG_COLUMNS, source=self._lines()
        )
        for projection in PROJECTIONS:
            rows = self.folder.rows[projection.table].values()
            if rows:
                await connection.copy_records_to_table(
                    projection.table,
                    schema_name=target,
                    columns=projection.columns,
                    records=map(msgspec.structs.astuple, rows),
                )
        return self

    async def _lines(self) -> AsyncIterator[bytes]:
        """The event log as COPY text, a part at a time; folds on the way."""
        for part in self.reader.read({}, self.ends):
            if self.work.parent and os.getppid() != self.work.parent:
                raise RuntimeError("the rebuild that started this worker is gone")
            yield self._lines_of(part)
            self.report(len(part))

    def _lines_of(self, part: list[Record]) -> bytes:
        seen, fold = self.seen, self.folder.fold
        lines = []
        for topic, partition, offset, value in part:
            try:
                event, time = read_line(value)
            except UndecodableEvent:
                self.skipped += 1  # live parks it as a dead letter; it is no event in either
                continue
            if event.id in seen:
                continue
            seen.add(event.id)
            fold(event.type, event.data, time)
            data = str(event.data, "utf-8")
            if "\\" in data:
                data = data.replace(
                    "\\", "\\\\"
                )  # the one thing in JSON that COPY's text format would take for its own
            cause = _NULL if event.causationid is None else event.causationid
            lines.append(
                f"{event.id}\t{topic}\t{partition}\t{offset}\t{event.type}\t{event.subject}\t{event.sequence}\t{event.time}"
                f"\t{event.correlationid}\t{cause}\t{data}\n"
            )
        self.events += len(lines)
        return "".join(lines).encode()


if __name__ == "__main__":
    sys.exit(main())
