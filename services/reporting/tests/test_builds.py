"""Builds of projections beside what is live: what they hold up, keep, give up and tell."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

import msgspec
import pytest
from brobyg_contracts import HelperPaused
from brobyg_kit.database import Database
from brobyg_kit.health import Heartbeat
from brobyg_reporting.adapters.status import projection_status
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.ports import Built, Lag, OnProgress
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.testing import interleave, make_history
from brobyg_reporting.use_cases import follow as following
from brobyg_reporting.use_cases.upgrade import Upgrade
from sqlalchemy import text

from .conftest import Publisher, Rebuilder, first_version, scalar
from .test_projection_versions import handle, release, some_events, unlike, upgrade
from .test_versions import shown

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.mark.parametrize(("changed", "ready"), [("helper", True), ("event_log", False)])
async def test_a_build_keeps_the_process_from_being_ready_only_while_the_consumer_waits(
    database_for: DatabaseFor, kafka: str, changed: str, ready: bool
) -> None:
    told: list[tuple[str, str]] = []
    heartbeat = Heartbeat("version")

    class Looks:
        async def build(self, projections: Sequence[str], on_progress: OnProgress) -> Built:
            on_progress("reading 1 of 2")
            await asyncio.sleep(0)
            told.append((heartbeat.trouble, running.note))
            return Built(2, 0)

    async with database_for(SERVICE) as database:
        await first_version(database)
        ports = rebuild_ports(kafka, database.url)
        running = Upgrade(ports.versions, Looks(), heartbeat)
        with release(changed):
            await running.once()
    [(trouble, note)] = told
    assert trouble == ("" if ready else note)
    assert changed in note


async def test_a_long_catch_up_of_what_is_live_beats_after_every_transaction(
    database_for: DatabaseFor, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_BATCH", 2)
    events, beats = some_events(8), list[int]()
    async with database_for(SERVICE) as database:
        await first_version(database)
        with release("need"):
            await handle(database, events)
        monkeypatch.setattr(Heartbeat, "beat", lambda _: beats.append(1))
        assert await upgrade(database, kafka) == ""
        assert await unlike(database, events) == []
    assert len(beats) > 20


async def test_a_record_that_was_told_as_several_events_is_not_cut_at_the_edge_of_a_batch(
    database_for: DatabaseFor, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_BATCH", 1)
    told = [msgspec.structs.replace(one, offset=0, partition=0) for one in some_events(10)]
    events = list({(one.topic, one.subject): one for one in told}.values())
    async with database_for(SERVICE) as database:
        await first_version(database)
        with release("helper", "need"):
            await handle(database, events)
        assert await upgrade(database, kafka) == ""
        assert await unlike(database, events) == []


async def dump(database: Database) -> list[object]:
    """All that is live, and how far it is."""
    numbers = await shown(database)
    sums = [f"select md5(string_agg(t::text, ' ' order by t)) from reporting.{one} t"
            for one in ("event_log", "helper", "need", "lag", "topic_offset")]  # fmt: skip
    return [numbers, *[await scalar(database, one) for one in sums]]


@pytest.mark.parametrize("names", [("helper",), ()])
async def test_verify_writes_nothing_that_is_live_and_compares_what_stands_where_it_does(
    database_for: DatabaseFor, publisher: Publisher, names: tuple[str, ...]
) -> None:
    random = Random(7)
    async with database_for(SERVICE) as database:
        await publisher.send(interleave(random, make_history(random, 10)))
        await Rebuilder(publisher.address, database.url).run()
        await publisher.send(interleave(random, make_history(random, 10)))  # nobody consumes these
        unknown = "update reporting.event_log set folded = false where type like '%helper%'"
        async with database.connect() as connection:
            number = (await shown(database))["event_log"]
            await connection.execute(text(unknown.replace("reporting.", f"projection_v{number}.")))
        before = await dump(database)
        verified = await Rebuilder(publisher.address, database.url).run(*names, purpose="verify")
        assert verified.compared
        assert [one.table for one in verified.tables if not one.equal] == (
            [] if names else ["event_log"]
        )
        assert await dump(database) == before
        assert await upgrade(database, publisher.address) == ""
        again = await Rebuilder(publisher.address, database.url).run(*names, purpose="verify")
        assert again.equal


async def test_a_live_version_that_lacks_events_is_not_compared(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    random = Random(7)
    async with database_for(SERVICE) as database:
        await publisher.send(interleave(random, make_history(random, 10)))
        rebuilder = Rebuilder(publisher.address, database.url)
        number = (await rebuilder.run()).version
        async with database.connect() as connection:
            await connection.execute(
                text(
                    f"insert into reporting.lag select {number}, 'helper', topic, partition, 0"
                    " from reporting.topic_offset"
                )
            )
        for names in ((), ("helper", "need")):
            verified = await rebuilder.run(*names, purpose="verify")
            assert (verified.compared, verified.equal) == (False, False)
            assert "helper lacks events" in verified.note
            assert all(one.equal and one.table != "helper" for one in verified.tables)


async def test_a_build_catches_up_with_what_came_meanwhile_before_it_holds_the_consumer(
    database_for: DatabaseFor, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, switching = some_events(60), VersionTables.switching
    monkeypatch.setattr(following, "NEAR", 20)
    left: list[int] = []
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events[:100])
        more = [events[100:400], events[400:600]]

        @asynccontextmanager
        async def held(tables: VersionTables) -> AsyncIterator[None]:
            left.append(sum(one.end - one.start for one in await tables.lacking(2)))
            async with switching(tables):
                yield

        lacking = VersionTables.lacking

        async def meanwhile(tables: VersionTables, number: int | None = None) -> list[Lag]:
            found = await lacking(tables, number)
            if not found and number is not None and more:
                await handle(database, more.pop(0))
                found = await lacking(tables, number)
            return found

        monkeypatch.setattr(VersionTables, "switching", held)
        monkeypatch.setattr(VersionTables, "lacking", meanwhile)
        outcome = await Rebuilder(kafka, database.url).run("need")
        assert (outcome.equal, more) == (True, [])
        assert left[-1] <= 20


async def test_a_build_is_given_up_only_for_what_it_folds_and_has_read_beyond(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(20)
    [late] = [one for one in events if one.type == HelperPaused.EVENT_TYPE][-1:]
    others = [one for one in events if one.subject != late.subject or one.offset < late.offset]
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, others)
        rebuilder = Rebuilder(kafka, database.url)
        await rebuilder.run("offer", purpose="build")
        await handle(database, [late])
        assert (await rebuilder.run(purpose="switch")).equal


async def test_a_kept_build_stays_when_another_projection_is_built(
    database_for: DatabaseFor, kafka: str
) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, some_events(20))
        rebuilder = Rebuilder(kafka, database.url)
        kept = await rebuilder.run("offer", purpose="build")
        assert (await rebuilder.run("helper")).switched
        switched = await rebuilder.run("offer", purpose="switch")
        assert (switched.version, switched.equal) == (kept.version, True)


async def test_the_planner_knows_how_many_rows_a_built_projection_has(
    database_for: DatabaseFor, kafka: str
) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, some_events(20))
        built = await Rebuilder(kafka, database.url).run("need")
        known = f"select reltuples::int from pg_class where oid = 'projection_v{built.version}.need'::regclass"  # noqa: E501
        assert await scalar(database, known) == await scalar(
            database, "select count(*) from reporting.need"
        )


async def test_status_shows_several_builds_whatever_number_of_projections_each_has(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    random = Random(7)
    async with database_for(SERVICE) as database:
        await publisher.send(interleave(random, make_history(random, 2)))
        for _ in range(3):
            await Rebuilder(publisher.address, database.url).run()
        async with database.connect() as connection:
            told = await projection_status(connection)
        assert {one["number"] for one in told["builds"]} == {1, 2}


async def test_what_an_older_release_logged_unknown_is_folded_and_marked_by_one_that_knows_it(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(20)
    unknown = [
        msgspec.structs.replace(one, decoded=None) if one.type == HelperPaused.EVENT_TYPE else one
        for one in events
    ]
    not_folded = "select count(*) from reporting.event_log where not folded"
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, unknown)
        assert await scalar(database, not_folded) != 0
        assert await unlike(database, events) == ["event_log", "helper"]
        with release("helper"):
            assert await upgrade(database, kafka) == ""
            assert await scalar(database, not_folded) == 0
            assert await unlike(database, events) == []
