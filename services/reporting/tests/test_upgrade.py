"""The database of the last release before this one, upgraded with its data under load."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import asyncpg
import msgspec
import pytest
from brobyg_kit import testing
from brobyg_kit.logins import ensure_login, signed_in
from brobyg_kit.migrate import migrate
from brobyg_kit.testing import Running, eventually, login_of
from brobyg_reporting.adapters.tables import metadata
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.testing import interleave, make_history

from .conftest import Publisher, Rebuilder, scalar

Serve = Callable[..., AbstractAsyncContextManager[Running]]

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "before_privacy"
LOGGED = "select count(*) from reporting.event_log"
VIEWS = ("referral", "need", "offer", "match", "helper", "attention", "notification", "decision")


class KafkaRecord(NamedTuple):
    topic: str
    key: str
    value: bytes


def golden_records() -> list[KafkaRecord]:
    lines = gzip.decompress((GOLDEN / "events.ndjson.gz").read_bytes()).splitlines()
    records = [msgspec.json.decode(line) for line in lines]
    return [KafkaRecord(one["topic"], one["key"], one["value"].encode()) for one in records]


@asynccontextmanager
async def golden_database(server: str, name: str) -> AsyncIterator[str]:
    """A database as the last release left it, dropped at the end."""
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f'create database "{name}"')
        connection = await asyncpg.connect(f"{server}/{name}")
        await connection.execute(
            gzip.decompress((GOLDEN / "reporting.sql.gz").read_bytes()).decode()
        )
        await connection.close()
        yield f"{server}/{name}"
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close()


class Reader:
    """Reads as analysts do, again and again; a failed read or a gap ends it."""

    def __init__(self) -> None:
        self.reads = 0

    async def run(self, url: str) -> None:
        connection, seen = await asyncpg.connect(url), 0
        try:
            while True:
                number = await connection.fetchval(LOGGED)
                assert number >= max(seen, 300)
                seen = number
                for view in VIEWS:
                    # As psql and most tools do: a prepared statement would hold old columns.
                    assert await connection.execute(f"select * from reporting.{view}") != "SELECT 0"
                self.reads += 1
        finally:
            await connection.close()


async def test_the_last_release_s_database_is_upgraded_with_no_failed_read_and_nothing_parked(
    serve: Serve, publisher: Publisher, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, random, reader = golden_records(), Random(12), Reader()
    await publisher.send_raw(old)
    new = interleave(random, make_history(random, 25))

    @asynccontextmanager
    async def upgraded(server: str, _: object, suffix: str) -> AsyncIterator[str]:
        async with golden_database(server, f"brobyg_reporting{suffix}") as url:
            reading = asyncio.create_task(reader.run(url))
            login = login_of(server, SERVICE.name)
            await ensure_login(server, login)
            await migrate(url, metadata, SERVICE.versions, login.name, SERVICE.grants)
            yield signed_in(url, login)
            assert not reading.done(), reading.exception()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    monkeypatch.setattr(testing, "_own_database", upgraded)
    async with serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None
        await publisher.send(new)

        async def arrived() -> bool:
            return await scalar(database, LOGGED) == len(old) + len(new)

        async def own() -> bool:
            async with database.connect() as connection:
                live = await VersionTables(connection).live()
            return all(one.own for one in live.values()) and "citizen" in live

        await eventually(own, "all is of this code", timeout=60)
        await eventually(arrived, "all events are logged", timeout=60)
        assert await scalar(database, "select count(*) from parked_event") == 0
        verified = await Rebuilder(publisher.address, database.url).run(purpose="verify")
        assert (verified.equal, verified.skipped) == (True, 0)
        before, asked = reader.reads, "the reader goes on"

        async def read_more() -> bool:
            return reader.reads > before

        await eventually(read_more, asked, timeout=30)
