"""Everything that a system keeps, says or shows, piece by piece: where, and the bytes themselves.

A piece is what belongs together: a record, a row, a line. What is compressed or encoded is decoded.
What can't be read is an error; only what is gone meanwhile is passed over.
"""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple, Self

import asyncpg
import httpx2
import psutil
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from brobyg_kit import kafka
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from brobyg_local.errors import PlaceUnreadable
from brobyg_local.mail import recipient_hash
from brobyg_local.services import SERVICES
from brobyg_local.system import System
from brobyg_local.tools import find_postgres

#: Where a mail's reader is named, which is whose mail it is.
_OF_ITS_READER = "to"
_TABLES = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by 1
"""
#: What the server itself keeps of what it was given: the commonest values, and the last statements.
_OF_THE_SERVER = ("pg_catalog.pg_stats", "pg_catalog.pg_stat_activity")
#: Which table's a file of the database is; an index's and an overflow's are the table's.
_FILES = """
select pg_relation_filepath(c.oid) as file, quote_ident(n.nspname) || '.' || quote_ident(t.relname)
from pg_class c
left join pg_index i on i.indexrelid = c.oid
left join pg_class o on o.reltoastrelid in (c.oid, i.indrelid)
join pg_class t on t.oid = coalesce(o.oid, i.indrelid, c.oid)
join pg_namespace n on n.oid = t.relnamespace
where pg_relation_filepath(c.oid) is not null
"""
#: The kind of piece that its reader may have: whose it is decides what may stand there.
MAIL_BODY = "mail body"
#: Every kind of piece, and the two kinds of file, which are searched as they are.
KINDS = (
    "topic",
    "segment",
    "table",
    "dump",
    "metrics",
    "readiness",
    "log",
    "trace",
    "mail header",
    MAIL_BODY,
    "process",
    "file",
    "data file",
)


class Piece(NamedTuple):
    """One piece: what kind of place, which of them, and what stands there.

    Of a mail's body which of them is the hash of its reader's address.
    """

    kind: str
    where: str
    content: bytes


class KeptFile(NamedTuple):
    """One file: its kind, which of them, and its path."""

    kind: str
    where: str
    path: str
    #: Whether nobody has read it by pieces, so that what stands beside an id is looked for in it.
    #: The database's journal is left out: it has all that was written, until it is overwritten.
    as_it_is: bool


@dataclass(frozen=True)
class Places:
    """Where one system keeps and shows things."""

    kafka: str
    #: The database server, `postgresql://user:password@host:port`.
    database: str
    #: The state folder: logs, mails, the broker's files, and whatever else is in it.
    folder: Path
    #: The database's data, in the folder or elsewhere.
    data: Path
    #: The services, by name.
    urls: Mapping[str, str] = field(default_factory=dict)
    processes: Sequence[psutil.Process] = ()
    #: The kinds of which there must be something to search.
    kinds: frozenset[str] = frozenset(KINDS)

    @classmethod
    def of(cls, system: System) -> Self:
        """All of a system that runs on this machine."""
        environment = system.environment()
        elsewhere = {
            "segment": "BROBYG_KAFKA",  # what is another's has its disk elsewhere
            "data file": "BROBYG_DATABASE",
            "trace": "BROBYG_OTLP_ENDPOINT",
        }
        return cls(
            environment["BROBYG_KAFKA"],
            environment["BROBYG_DATABASE"],
            system.folder.path,
            system.cluster.postgres.data,
            {one: environment[f"BROBYG_{one.upper()}_URL"] for one in SERVICES},
            system.supervisor.processes(),
            frozenset(one for one in KINDS if not system.given.get(elsewhere.get(one, ""))),
        )

    @property
    def mail(self) -> Path:
        """One `.eml` file a mail."""
        return self.folder / "mail"

    @property
    def traces(self) -> Path:
        """One `.otlp` file a request to the collector."""
        return self.folder / "traces"

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
            _traces(self.traces),
            _mails(self.mail),
            _processes(self.processes),
        ):
            for piece in source:
                yield piece

    async def files(self) -> list[KeptFile]:
        """Every file as it is on the disk but the mails, which are encoded and read decoded."""
        tables = await _tables_of_files(self.database) if self.data.exists() else {}
        return [self._kept(path, tables) for path in self._paths()]

    def _paths(self) -> Iterator[Path]:
        elsewhere = [] if self.data.is_relative_to(self.folder) else [self.data]
        for top in (self.folder, *elsewhere):
            for folder, _, names in os.walk(top, onerror=_raise_unless_gone):
                yield from (
                    Path(folder, name)
                    for name in names
                    if not (name.endswith(".eml") and Path(folder) == self.mail)
                )

    def _kept(self, path: Path, tables: Mapping[str, str]) -> KeptFile:
        if path.is_relative_to(self.data):
            name = str(path.relative_to(self.data))
            table = tables.get(name.partition(".")[0].partition("_fsm")[0].partition("_vm")[0])
            return KeptFile("data file", table or name, str(path), not name.startswith("pg_wal/"))
        if path.parent.parent.parent == self.folder / "kafka":
            topic = topic_of_folder(path.parent.name)
            return KeptFile("file", topic, str(path), ".log" not in path.name)
        in_pieces = any(map(path.is_relative_to, (self.folder / "log", self.traces)))
        return KeptFile("file", str(path.relative_to(self.folder)), str(path), not in_pieces)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


async def _names(server: str) -> list[str]:
    """Every database that lets anybody in."""
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        found = await connection.fetch("select datname from pg_database where datallowconn")
    finally:
        await connection.close()
    return sorted(row["datname"] for row in found)


async def _tables_of_files(server: str) -> dict[str, str]:
    """The table by its file's path in the data folder, after all is written there."""
    found: dict[str, str] = {}
    for name in await _names(server):
        connection = await asyncpg.connect(f"{server}/{name}")
        try:
            await connection.execute("checkpoint")
            rows = await connection.fetch(_FILES)
        finally:
            await connection.close()
        found |= {file: f"{name}.{table}" for file, table in rows}
    return found


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
        try:
            with contextlib.suppress(FileNotFoundError):
                for content in _records(path.read_bytes()):
                    yield Piece("segment", topic, content)
        except CorruptRecordException as error:
            raise PlaceUnreadable(f"a segment of {topic} could not be read: {error}") from error


def _records(segment: bytes) -> Iterator[bytes]:
    records = MemoryRecords(segment)
    while records.has_next():
        for record in records.next_batch() or ():
            headers = [part for pair in record.headers for part in pair]
            yield _flat([record.key, record.value, *headers])


def topic_of_folder(name: str) -> str:
    """The topic of a partition's folder."""
    return name.rpartition("-")[0]


async def _databases(server: str) -> AsyncIterator[Piece]:
    """Every row of every table of every database, and every line of a dump."""
    for name in await _names(server):
        async for piece in _rows(server, name):
            yield piece
        for piece in _dump(server, name):
            yield piece


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


def _dump(server: str, name: str) -> Iterator[Piece]:
    """A dump's lines, each with the table whose rows it is among."""
    program = find_postgres(lambda _: None) / "pg_dump"
    credentials, _, address = server.partition("://")[2].rpartition("@")
    user, _, password = credentials.partition(":")
    command = [str(program), f"postgresql://{user}@{address}/{name}"]
    try:
        done = subprocess.run(
            command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = f"{name} could not be dumped: {type(error).__name__}"
        advice = f"{program} must be there, and as new as the server"
        raise PlaceUnreadable(said, advice=advice) from error
    table = ""
    for line in done.stdout.splitlines():
        if line.startswith(b"COPY "):
            table = line.split()[1].decode()
        yield Piece("dump", f"{name}.{table}" if table else name, line)
        if line == b"\\.":
            table = ""


async def _answers(urls: Mapping[str, str]) -> AsyncIterator[Piece]:
    """What services show without being asked who asks."""
    async with httpx2.AsyncClient(timeout=10.0, trust_env=False) as http:
        for service, url in urls.items():
            for kind, path in (("metrics", "/metrics"), ("readiness", "/readyz")):
                answer = await http.get(url + path)
                # What is not ready says so, and why.
                if answer.status_code != 200 and path == "/metrics":
                    raise PlaceUnreadable(f"{service}{path} answered {answer.status_code}")
                for line in answer.content.splitlines():
                    yield Piece(kind, f"{service}{path}", line)


def _logs(folder: Path) -> Iterator[Piece]:
    """PostgreSQL's and the broker's too."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError):
                for line in path.read_bytes().splitlines():
                    yield Piece("log", path.name, line)


def _traces(folder: Path) -> Iterator[Piece]:
    """Every span, and who says that it is theirs, as OTLP sends them."""
    for path in sorted(folder.glob("*.otlp")):
        sent = ExportTraceServiceRequest.FromString(path.read_bytes())
        for of_service in sent.resource_spans:
            yield Piece("trace", "traces", of_service.resource.SerializeToString())
            for scope in of_service.scope_spans:
                for span in scope.spans:
                    yield Piece("trace", "traces", span.SerializeToString())


def _mails(folder: Path) -> Iterator[Piece]:
    """Headers and bodies apart: a body is with its reader, what stands around it is on the way."""
    for path in sorted(folder.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes())  # the older policy reads ten times as fast
        reader = path.stem.rpartition("-")[2]  # who was sent it, whatever it says itself
        headers = [
            part
            for one in mail.walk()
            for name, value in one.items()
            if not (name.lower() == _OF_ITS_READER and _hash_of(str(value)) == reader)
            for part in (name, str(value), str(make_header(decode_header(str(value)))))
        ]
        yield Piece("mail header", "mail", _flat([path.name, *headers]))
        bodies = [one.get_payload(decode=True) for one in mail.walk() if not one.is_multipart()]
        yield Piece(MAIL_BODY, reader, _flat(bodies))


def _hash_of(header: str) -> str:
    return recipient_hash(parseaddr(header)[1])


def _processes(processes: Sequence[psutil.Process]) -> Iterator[Piece]:
    """Command lines and environments, which other programs of the machine may read."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
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
