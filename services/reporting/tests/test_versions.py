"""Code that is new, beside a version of the projections that older code wrote.

The older code is this code with another fingerprint, without a column, and with another fold.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from brobyg_contracts import AppointmentBooked, HelperPaused
from brobyg_kit.database import Database
from brobyg_kit.event import encode
from brobyg_kit.health import Check, Heartbeat
from brobyg_kit.testing import Running, eventually
from brobyg_reporting.adapters import tables, versions
from brobyg_reporting.adapters.fingerprints import fingerprint
from brobyg_reporting.adapters.status import readiness
from brobyg_reporting.adapters.versions import VersionTables, pooled, within
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.projections import HELPER
from brobyg_reporting.domain.projections.helper import HelperRow
from brobyg_reporting.entrypoints import cli
from brobyg_reporting.errors import NoVersion, OtherCode, RebuildRefused
from brobyg_reporting.handlers import HANDLERS
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.ports import Versions
from brobyg_reporting.testing import interleave, make_history, new_uuid, unknown_event
from brobyg_reporting.use_cases import upgrade
from brobyg_reporting.use_cases.live import Live
from brobyg_reporting.use_cases.rebuild import RebuildResult
from brobyg_reporting.use_cases.upgrade import Upgrade, create_first
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from typer.testing import CliRunner

from .conftest import Publisher, Rebuilder, first_version, scalar
from .test_live_and_rebuild import live, new_live, placed

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]

LOGGED = "select count(*) from reporting.event_log"
PARKED = "select count(*) from parked_event"


def paused_without_time(row: HelperRow, event: HelperPaused, time: datetime) -> None:
    """As the older code folded it, before it had the column `paused_at`."""
    row.status = "active"


@pytest.fixture(params=["every table", "helper"])
def older(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[pytest.MonkeyPatch]:
    """From the beginning of the test, and until `undo`, this is the older code.

    By the fingerprint of every table, or only of the one that is another.
    """
    old = {"helper"} if request.param == "helper" else set(tables.tables_of(0))
    row = msgspec.defstruct(
        "OlderRow",
        [
            (field.name, field.type, *([] if field.required else [field.default]))
            for field in msgspec.structs.fields(HelperRow)
            if field.name != "paused_at"
        ],
    )
    monkeypatch.setattr(HELPER, "row", row)
    monkeypatch.setattr(HELPER, "columns", row.__struct_fields__)
    folds: dict[Any, Any] = {**HELPER.folds, HelperPaused: paused_without_time}
    monkeypatch.setattr(HELPER, "folds", folds)
    monkeypatch.setattr(
        versions, "fingerprint", lambda name: "older" if name in old else fingerprint(name)
    )
    monkeypatch.setattr(upgrade, "_LONGEST_PAUSE", 0.2)
    tables.tables_of.cache_clear()
    undo = monkeypatch.undo

    def as_now() -> None:
        undo()
        tables.tables_of.cache_clear()

    monkeypatch.setattr(monkeypatch, "undo", as_now)
    yield monkeypatch
    as_now()


async def test_new_code_builds_its_own_version_while_readers_read_the_old_one_and_parks_nothing(
    serve: Serve, publisher: Publisher, older: pytest.MonkeyPatch
) -> None:
    random = Random(12)
    events = interleave(random, make_history(random, 60))
    middle = len(events) // 2
    async with serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None
        await publisher.send(events[:middle])

        async def has(number: int) -> None:
            async def arrived() -> bool:
                return await scalar(database, LOGGED) == number

            await eventually(arrived, f"{number} events are logged", timeout=60)

        await has(middle)
        [old] = set((await shown(database)).values())
        reading = asyncio.create_task(read_on(database))
        older.undo()
        await publisher.send(events[middle:])
        await has(len(events))

        async def built() -> bool:
            ready = (await running.client.get("/readyz")).status_code == 200
            return ready and (await shown(database))["helper"] != old

        await eventually(built, "the new version is shown, and the service ready", timeout=30)
        reading.cancel()
        assert await scalar(database, PARKED) == 0
        paused = "select count(*) from reporting.helper where status = 'paused'"
        assert await scalar(database, paused + " and paused_at is null") == 0
        assert await scalar(database, paused) != 0
        again = await verified(Rebuilder(publisher.address, database.url))
        assert (again.equal, again.skipped) == (True, 0)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def verified(rebuilder: Rebuilder) -> RebuildResult:
    """What `verify` finds, once the service's own build has ended; it shows its tables before."""
    found: list[RebuildResult] = []

    async def alone() -> bool:
        with suppress(RebuildRefused):
            found.append(await rebuilder.run(purpose="verify"))
        return bool(found)

    await eventually(alone, "nobody else builds", timeout=30)
    return found[0]


async def shown(database: Database) -> dict[str, int]:
    """The number of each table's live version."""
    async with database.connect() as connection:
        found = await VersionTables(connection).live()
    return {name: one.number for name, one in found.items()}


async def read_on(database: Database) -> None:
    """Read as analysts do, until cancelled; raises when a read fails or events are missing."""
    connection, seen = await asyncpg.connect(database.url), 0
    try:
        while True:
            number = await connection.fetchval(LOGGED)
            assert number >= seen
            seen = number
            await connection.fetch("select * from reporting.helper")
    finally:
        await connection.close()


async def test_a_version_that_other_code_wrote_is_not_written_and_the_consumer_is_told_to_wait(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = placed(interleave(Random(1), make_history(Random(1), 1)))[0]
    async with database_for(SERVICE) as database:
        with pytest.raises(NoVersion):
            async with database.transaction() as tx:
                await new_live().handle(tx, [event])
        await first_version(database)
        monkeypatch.setattr(versions, "fingerprint", lambda name: f"newer {name}")
        with pytest.raises(OtherCode, match="version 1 of the event log"):
            async with database.transaction() as tx:
                await new_live().handle(tx, [event])
        assert await scalar(database, LOGGED) == 0


async def test_a_rebuild_by_other_code_never_writes_the_live_version_and_verify_is_refused(
    database_for: DatabaseFor, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(6)
    async with database_for(SERVICE) as database:
        number = await publisher.send(interleave(random, make_history(random, 10)))
        rebuilder = Rebuilder(publisher.address, database.url)
        with pytest.raises(RebuildRefused, match="nothing to compare with"):
            await rebuilder.run(purpose="verify")
        old = await first_version(database)  # behind all of the topics
        monkeypatch.setattr(versions, "fingerprint", lambda name: f"newer {name}")
        with pytest.raises(RebuildRefused, match="nothing to compare with"):
            await rebuilder.run(purpose="verify")
        async with database.transaction():  # keeps the old tables from being dropped
            kept = await asyncpg.connect(database.url)
            async with kept.transaction():
                await kept.execute(f"lock table projection_v{old}.event_log in access share mode")
                monkeypatch.setattr(VersionTables, "drop_unused", nothing)
                outcome = await rebuilder.run()
                assert await kept.fetchval(f"select count(*) from projection_v{old}.event_log") == 0
            await kept.close()
        assert (outcome.switched, outcome.compared) == (True, False)
        assert "other code" in outcome.note
        assert await scalar(database, LOGGED) == number


async def nothing(_: VersionTables) -> None:
    """In place of dropping what is not used."""


async def test_two_releases_side_by_side_do_not_take_turns(
    database_for: DatabaseFor, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_for(SERVICE) as database:
        rebuilder = Rebuilder(topics, database.url)
        own = Upgrade(rebuilder.ports.versions, rebuilder, Heartbeat("version"))
        assert await own.once() == ""
        await first_version(database)
        assert await own.once() == ""
        monkeypatch.setattr(versions, "fingerprint", lambda name: f"newer {name}")
        assert await own.once() == ""
        assert await live(database) == 2
        monkeypatch.undo()
        assert "replaced this code's" in await own.once()
        assert await live(database) == 2
        assert (await Rebuilder(topics, database.url).run()).switched  # whoever asks may go back
        assert await own.once() == ""
        assert await live(database) == 3


async def test_a_wait_for_another_process_is_logged_when_it_begins_and_when_it_is_over(
    database_for: DatabaseFor, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(upgrade, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(upgrade, "log", Said(said))
    async with database_for(SERVICE) as database, database.connect() as other:
        await first_version(database)
        monkeypatch.setattr(versions, "fingerprint", lambda name: f"newer {name}")
        assert await VersionTables(other).claim_rebuild()
        rebuilder, looks = Rebuilder(topics, database.url), 0

        @asynccontextmanager
        async def connect() -> AsyncIterator[Versions]:
            nonlocal looks
            looks += 1
            async with rebuilder.ports.versions() as connected:
                yield connected

        heartbeat = Heartbeat("version")
        looking = asyncio.create_task(Upgrade(connect, rebuilder, heartbeat).run())

        async def looked() -> bool:
            return looks >= 4 and "another rebuild is running" in heartbeat.trouble

        await eventually(looked, "it is looked again and again, and told")
        assert said == ["version.waiting"]
        await other.execute(text("select pg_advisory_unlock_all()"))

        async def over() -> bool:
            return not heartbeat.trouble

        await eventually(over, "the version is built")
        looking.cancel()
        assert said == ["version.waiting", "version.switched", "version.wait_over"]


class Said:
    """A logger that keeps the lines' names."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def info(self, line: str, **_: object) -> None:
        self.lines.append(line)

    warning = info


async def test_readiness_makes_no_version(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        none_yet = Check(False, "no version of the projections has been built yet")
        assert await readiness(database) == none_yet
        assert await live(database) is None
        await create_first(partial(pooled, database))
        assert await readiness(database) == Check(True)
        await create_first(partial(pooled, database))
        assert await live(database) == 1


async def test_a_version_is_signed_when_it_is_made_whatever_becomes_of_its_first_batch(
    database_for: DatabaseFor,
) -> None:
    event = placed(interleave(Random(1), make_history(Random(1), 1)))[0]
    async with database_for(SERVICE) as database:
        await first_version(database)
        consumer = new_live()
        with suppress(ZeroDivisionError):
            async with database.transaction() as tx:
                await consumer.handle(tx, [event])
                raise ZeroDivisionError
        assert await scalar(database, LOGGED) == 0
        async with database.transaction() as tx:
            await consumer.handle(tx, [event])
        signed = (
            "select fingerprint from reporting.projection_version where projection = 'event_log'"
        )
        assert await scalar(database, signed) == fingerprint("event_log")
        assert await scalar(database, LOGGED) == 1


async def test_a_batch_that_is_rolled_back_and_done_again_is_counted_once(
    database_for: DatabaseFor,
) -> None:
    random, registry = Random(1), CollectorRegistry()
    known = interleave(random, make_history(random, 1))[0]
    strange = unknown_event(random, new_uuid(random), 1)
    events = placed([known, ("brobyg.referral.v1", strange)])
    consumer = Live(within, HANDLERS, ReportingMetrics(registry))
    async with database_for(SERVICE) as database:
        await first_version(database)
        with suppress(ZeroDivisionError):
            async with database.transaction() as tx:
                await consumer.handle(tx, events)
                raise ZeroDivisionError
        async with database.transaction() as tx:
            await consumer.handle(tx, events)
        async with database.transaction() as tx:
            await consumer.handle(tx, events[:1])
    count = registry.get_sample_value
    assert count("brobyg_reporting_events_logged_total") == 2
    assert count("brobyg_reporting_events_known_total") == 1


async def test_unknown_types_and_words_are_counted_and_what_breaks_its_schema_is_dead_lettered(
    serve: Serve, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(2)
    known = next(
        event
        for topic, event in interleave(random, make_history(random, 30))
        if event.type == AppointmentBooked.EVENT_TYPE
    )
    withdrawn = next(
        event
        for topic, event in interleave(random, make_history(random, 30))
        if event.type == "dk.brobyg.offer.withdrawn"
    )
    word = msgspec.json.decode(withdrawn.data) | {"reason": "helper_moved_away"}
    broken = msgspec.json.decode(known.data) | {"starts_at": "MARKER"}
    records = [
        ("brobyg.referral.v1", unknown_event(random, new_uuid(random), 1)),
        (
            "brobyg.matching.v1",
            msgspec.structs.replace(withdrawn, data=msgspec.Raw(msgspec.json.encode(word))),
        ),
        (
            "brobyg.referral.v1",
            msgspec.structs.replace(known, data=msgspec.Raw(msgspec.json.encode(broken))),
        ),
    ]
    async with serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None
        await publisher.send_raw((topic, one.subject, encode(one)) for topic, one in records)

        async def dead() -> bool:
            return await scalar(database, PARKED + " where state = 'dead'") == 1

        async def counted() -> bool:
            return await scalar(database, LOGGED) == 2

        await eventually(dead, "the event that breaks its schema is a dead letter", timeout=60)
        await eventually(counted, "the other two are logged", timeout=60)
        reason = str(await scalar(database, "select reason from parked_event"))
        assert "data.starts_at" in reason
        assert "MARKER" not in reason
        metrics = (await running.client.get("/metrics")).text
        measured, withdrawal = "dk.brobyg.outcome.measured", withdrawn.type
        for topic, kind in (("referral", measured), ("matching", withdrawal)):
            of = f'topic="brobyg.{topic}.v1",type="{kind}"'
            assert f"brobyg_unknown_total{{{of}}} 1.0" in metrics
        assert metrics.count("brobyg_unknown_total{") == 2
        checks = (await running.client.get("/readyz")).json()["checks"]
        assert checks["projections"]["ok"]
        assert "1 events are logged but not folded" in checks["projections"]["detail"]
        offer = "select withdrawal_reason from reporting.offer"
        assert await scalar(database, offer) == "helper_moved_away"
        monkeypatch.setattr(cli, "_database", lambda _: database.url)
        monkeypatch.setenv("BROBYG_KAFKA", publisher.address)
        status = await asyncio.to_thread(CliRunner().invoke, cli.app, ["status"])
        assert "outcome.measured" in status.stdout
        outcome = await Rebuilder(publisher.address, database.url).run(purpose="verify")
        assert (outcome.equal, outcome.events) == (True, 2)
