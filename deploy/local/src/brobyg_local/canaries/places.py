"""Everything that a system keeps, says or shows, piece by piece: where, and the bytes themselves.

A piece is what belongs together: a record, a row, a line. What is compressed or encoded is decoded.
"""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any, NamedTuple, Self

import asyncpg
import httpx2
import psutil
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from brobyg_kit import kafka

from brobyg_local.services import SERVICES
from brobyg_local.system import System
from brobyg_local.tools import find_postgres

#: Where a mail's reader is named, which is whose mail it is.
_OF_ITS_READER = frozenset({"to"})
_TABLES = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by 1
"""
#: What the server itself keeps of what it was given: the commonest values, and the last statements.
_OF_THE_SERVER = ("pg_catalog.pg_stats", "pg_catalog.pg_stat_activity")


class Piece(NamedTuple):
    """One piece: what kind of place, which of them, and what stands there."""

    kind: str
    where: str
    content: bytes


@dataclass(frozen=True)
class Places:
    """Where one system keeps and shows things."""

    kafka: str
    #: The database server, `postgresql://user:password@host:port`.
    database: str
    #: The state folder: logs, mails, the broker's files, and whatever else is in it.
    folder: Path
    #: Further folders, such as the database's data where they are elsewhere.
    others: Sequence[Path] = ()
    #: The services, by name.
    urls: Mapping[str, str] = field(default_factory=dict)
    processes: Sequence[psutil.Process] = ()

    @classmethod
    def of(cls, system: System) -> Self:
        """All of a system that runs on this machine."""
        environment = system.environment()
        data = system.cluster.postgres.data
        elsewhere = not data.is_relative_to(system.folder.path)
        return cls(
            environment["BROBYG_KAFKA"],
            environment["BROBYG_DATABASE"],
            system.folder.path,
            [data] if elsewhere else [],
            {one: environment[f"BROBYG_{one.upper()}_URL"] for one in SERVICES},
            system.supervisor.processes(),
        )

    @property
    def mail(self) -> Path:
        """One `.eml` file a mail."""
        return self.folder / "mail"

    async def pieces(self) -> AsyncIterator[Piece]:
        """All of it but the files as they are, which are `files`. Blocks for seconds in between."""
        async for piece in _topics(self.kafka):
            yield piece
        async for piece in _databases(self.database):
            yield piece
        async for piece in _answers(self.urls):
            yield piece
        for source in (
            _segments(self.folder / "kafka"),
            _logs(self.folder / "log"),
            _mails(self.mail),
            _processes(self.processes),
        ):
            for piece in source:
                yield piece

    def files(self) -> Iterator[str]:
        """Every file as it is on the disk but the mails, which are encoded and read decoded."""
        for top in (self.folder, *self.others):
            for folder, _, names in os.walk(top):
                if Path(folder) != self.mail:
                    yield from (f"{folder}/{name}" for name in names)


async def _topics(address: str) -> AsyncIterator[Piece]:
    """Every record of every topic: key, value and headers, decompressed by the client."""
    async with kafka.admin(address) as admin:
        names = [one["topic"] for one in await admin.describe_topics()]
        found = await kafka.partitions(admin, names)
    places = [one for partitions in found.values() for one in partitions]
    async with kafka.reader(address) as reader:
        marks = await kafka.watermarks(reader, places)
        async for batch in kafka.read_range(reader, marks):
            for record in batch:
                headers = [part for name, value in record.headers for part in (name, value)]
                yield Piece("topic", record.topic, _flat([record.key, record.value, *headers]))


def _segments(data: Path) -> Iterator[Piece]:
    """Every record that is on the broker's disk, read from its files without the broker.

    Here stands also what no client is given any more: what compaction has not removed yet.
    """
    for path in sorted(data.glob("*/*/*.log*")):
        topic = topic_of_folder(path.parent.name)
        with contextlib.suppress(FileNotFoundError, CorruptRecordException):
            records = MemoryRecords(path.read_bytes())
            while records.has_next():
                batch = records.next_batch()
                for record in batch or ():
                    headers = [part for pair in record.headers for part in pair]
                    content = _flat([record.key, record.value, *headers])
                    yield Piece("segment", topic, content)


def topic_of_folder(name: str) -> str:
    """The topic of a partition's folder."""
    return name.rpartition("-")[0]


async def _databases(server: str) -> AsyncIterator[Piece]:
    """Every row of every table of every database, and every line of a dump."""
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        found = await connection.fetch("select datname from pg_database where datallowconn")
    finally:
        await connection.close()
    for name in sorted(row["datname"] for row in found):
        if name == "template1":
            continue
        async for piece in _rows(server, name):
            yield piece
        for line in _dump(server, name):
            yield Piece("dump", name, line)


async def _rows(server: str, name: str) -> AsyncIterator[Piece]:
    connection = await asyncpg.connect(f"{server}/{name}")
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        # As the columns are, bytes as bytes, and as the text that a query shows.
        queries = {one: f"select one::text as as_text, one.* from {one} one" for one in tables}  # noqa: S608
        queries |= {one: f"select one::text from {one} one" for one in _OF_THE_SERVER}  # noqa: S608
        for table, query in queries.items():
            async with connection.transaction():
                async for row in connection.cursor(query, prefetch=1_000):
                    yield Piece("table", f"{name}.{table}", _flat(list(row.values())))
    finally:
        await connection.close()


def _dump(server: str, name: str) -> Iterator[bytes]:
    """A dump's lines; none where PostgreSQL's `pg_dump` is not on this machine."""
    program = find_postgres(lambda _: None) / "pg_dump"
    if not program.exists():
        return
    credentials, _, address = server.partition("://")[2].rpartition("@")
    user, _, password = credentials.partition(":")
    command = [str(program), f"postgresql://{user}@{address}/{name}"]
    done = subprocess.run(
        command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, check=True
    )
    yield from done.stdout.splitlines()


async def _answers(urls: Mapping[str, str]) -> AsyncIterator[Piece]:
    """What services show without being asked who asks."""
    async with httpx2.AsyncClient(timeout=10.0, trust_env=False) as http:
        for service, url in urls.items():
            for path in ("/metrics", "/readyz"):
                answer = await http.get(url + path)
                for line in answer.content.splitlines():
                    yield Piece("metrics", f"{service}{path}", line)


def _logs(folder: Path) -> Iterator[Piece]:
    """PostgreSQL's and the broker's too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for line in path.read_bytes().splitlines():
                yield Piece("log", path.name, line)


def _mails(folder: Path) -> Iterator[Piece]:
    """Headers and bodies apart: a body is with its reader, what stands around it is on the way."""
    for path in sorted(folder.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes())  # the older policy reads ten times as fast
        headers = [
            part
            for one in mail.walk()
            for name, value in one.items()
            if name.lower() not in _OF_ITS_READER
            for part in (name, str(value), str(make_header(decode_header(str(value)))))
        ]
        yield Piece("mail header", "mail", _flat([path.name, *headers]))
        bodies = [one.get_payload(decode=True) for one in mail.walk() if not one.is_multipart()]
        yield Piece("mail body", "mail", _flat(bodies))


def _processes(processes: Sequence[psutil.Process]) -> Iterator[Piece]:
    """Command lines and environments, which other programs of the machine may read."""
    for one in processes:
        with contextlib.suppress(psutil.Error, OSError):
            yield Piece("process", one.name(), _flat([*one.cmdline(), *one.environ().values()]))


def _flat(value: Any) -> bytes:
    """Whatever it is, as bytes; parts of it on lines of their own."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple):
        return b"\n".join(map(_flat, value))
    return str(value).encode("utf-8", "surrogateescape")
