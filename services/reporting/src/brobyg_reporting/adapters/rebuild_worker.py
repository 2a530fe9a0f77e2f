"""One worker of a rebuild: takes share after share until none is left.

It reads a share from Kafka, folds it in memory and copies it into the new version's tables.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
from brobyg_kit.database import driver_of

from brobyg_reporting.adapters.connections import connect, transaction
from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.adapters.topics import Record, TopicReader, read, reading
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.ports import Heard

_NULL = "\\N"  # as COPY writes it


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know; everything in it can be sent to another process."""

    kafka: str
    database: str
    version: int
    #: Share number -> where each of its partitions ends, as (topic, partition, offset). A share
    #: holds whole keys: partition p of all topics.
    shares: dict[int, list[tuple[str, int, int]]]
    #: The process that must live for the work to have a point; 0 for none.
    parent: int = 0


def main() -> int:
    """A worker process: work on stdin; on stdout the size of each part read, or why it stopped."""
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    gc.freeze()
    gc.disable()  # nothing here is cyclic; a collection would only walk over the rows held
    try:
        asyncio.run(run(work, lambda records: print(records, flush=True)))
    except KeyboardInterrupt:
        return 1
    except Exception as error:  # noqa: BLE001 - the parent says what it was, without a traceback
        print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
        return 1
    return 0


async def run(work: Work, heard: Heard) -> None:
    """Do shares until none is left. `heard` is told how many records were read, part by part."""
    names = sorted({topic for ends in work.shares.values() for topic, _, _ in ends})
    async with connect(work.database) as connection, reading(work.kafka, names) as reader:
        versions = VersionTables(connection)
        # Once over what nobody is at; then again, waiting: a worker of a rebuild that was killed
        # may still end, well or not.
        for wait in (False, True):
            for share, ends in work.shares.items():
                async with transaction(connection):
                    if await versions.claim_share(work.version, share, wait=wait):
                        offsets = {(topic, partition): end for topic, partition, end in ends}
                        copy = _ShareCopy(work, reader, offsets, heard)
                        await copy.into(versions)
                        await versions.share_done(work.version, share, copy.events, copy.skipped)


@dataclass(slots=True)
class _ShareCopy:
    work: Work
    reader: TopicReader
    ends: Offsets
    heard: Heard
    events: int = 0
    skipped: int = 0
    seen: set[str] = field(default_factory=set)
    folder: Folder = field(default_factory=Folder)

    async def into(self, versions: VersionTables) -> None:
        """Fill the version's tables."""
        driver = await driver_of(versions.connection)
        tables = tables_of(self.work.version)
        log = tables["event_log"]
        await driver.copy_to_table(
            log.name, schema_name=log.schema, columns=log.c.keys(), source=self._lines()
        )
        for projection in PROJECTIONS:
            rows = self.folder.rows[projection.table].values()
            if rows:
                await driver.copy_records_to_table(
                    projection.table,
                    schema_name=log.schema,
                    columns=tables[projection.table].c.keys(),
                    records=map(msgspec.structs.astuple, rows),
                )

    async def _lines(self) -> AsyncIterator[bytes]:
        """The event log as COPY text, a part at a time; folds on the way."""
        async for part in self.reader.records({}, self.ends):
            if self.work.parent and os.getppid() != self.work.parent:
                raise RuntimeError("the rebuild that started this worker is gone")
            yield self._lines_of(part)
            self.heard(len(part))

    def _lines_of(self, part: list[Record]) -> bytes:
        """In the order of the table's columns."""
        seen, fold = self.seen, self.folder.fold
        lines = []
        for record in part:
            event = read(record)
            if event is None:
                self.skipped += 1
                continue
            if event.id in seen:
                continue
            seen.add(event.id)
            if event.said is not None:
                fold(event.said, event.time)
            data = str(event.data, "utf-8")
            if "\\" in data:  # the one thing in JSON that COPY's text format takes for its own
                data = data.replace("\\", "\\\\")
            lines.append(
                f"{event.id}\t{event.topic}\t{event.partition}\t{event.offset}\t{event.type}"
                f"\t{event.subject}\t{event.sequence}\t{event.time.isoformat()}"
                f"\t{event.correlationid}\t{event.causationid or _NULL}\t{data}"
                f"\t{'f' if event.said is None else 't'}\n"
            )
        self.events += len(lines)
        return "".join(lines).encode()


if __name__ == "__main__":
    sys.exit(main())
