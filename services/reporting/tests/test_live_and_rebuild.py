"""Live, rebuild, verify and switch on the real broker and the real database."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

import asyncpg
import pytest
from brobyg_contracts import TOPICS
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_kit.testing import Running, eventually
from brobyg_reporting import rebuild as rebuilding
from brobyg_reporting.adapters import store, versions
from brobyg_reporting.adapters.topics import watermarks
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.log import LoggedEvent, place
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.entrypoints import cli
from brobyg_reporting.handlers import Live
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.rebuild import RebuildRefused, shares_of
from brobyg_reporting.testing import interleave, make_history, unknown_event
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from .conftest import Publisher, Rebuilder

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]


def with_repeats(random: Random, events: list[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """The events with every fifth sent again at once and every tenth again later, as a relay that is killed does."""
    repeated: list[tuple[str, Event]] = []
    for number, one in enumerate(events):
        repeated += [one, one] if number % 5 == 0 else [one]
        if number % 10 == 0:
            repeated.append(random.choice(events[: number + 1]))
    return repeated


async def logged(database: Database) -> int:
    return int(await database.pool.fetchval("select count(*) from reporting.event_log"))


async def filled(database: Database, events: list[tuple[str, Event]], version: int = 1) -> None:
    """Events as if the consumer had read them, at made-up places."""
    async with database.transaction() as tx:
        await store.apply(tx.driver, version, placed(events))


def placed(events: list[tuple[str, Event]]) -> list[LoggedEvent]:
    return [
        place(event, topic, sum(event.subject.encode()) % 12, number)
        for number, (topic, event) in enumerate(events)
    ]


async def test_live_equals_a_rebuild_with_repeats_unknown_types_and_records_that_are_no_events(
    serve: Serve, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_FEW", -1)  # in worker processes, as for a long history
    random = Random(11)
    events = interleave(random, make_history(random, 60))
    events.append(("brobyg.referral.v1", unknown_event(random, events[0][1].subject, 999)))
    first, second = events[: len(events) // 2], events[len(events) // 2 :]
    publisher.send(with_repeats(random, first))
    publisher.send_raw(
        [("brobyg.referral.v1", "nobody", b"no event"), ("brobyg.matching.v1", "nobody", b"{}")]
    )
    async with serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None

        async def live_has(number: int) -> None:
            async def arrived() -> bool:
                return await logged(database) == number

            await eventually(arrived, f"{number} events are logged", timeout=40)

        await live_has(len(first))
        rebuilder = Rebuilder(publisher.address, database.url)
        sending = asyncio.to_thread(publisher.send, with_repeats(random, second))
        outcome, _ = await asyncio.gather(rebuilder.run(verify=True), sending)
        assert outcome.equal
        assert outcome.switched
        await live_has(len(events))
        ends = watermarks(publisher.address, tuple(TOPICS))
        again = await rebuilder.run(verify=True)
        assert (
            watermarks(publisher.address, tuple(TOPICS)) == ends
        )  # nothing is sent anywhere because of a rebuild
        assert (again.equal, again.events + again.caught_up, again.skipped) == (
            True,
            len(events),
            2,
        )
        assert again.previous == outcome.version
        unknown = await database.pool.fetchval(
            "select events from reporting.event_count where type = 'dk.brobyg.outcome.measured'"
        )
        assert unknown == 1


async def test_a_batch_has_the_same_effect_as_its_events_one_by_one(
    database_for: DatabaseFor,
) -> None:
    random = Random(5)
    events = with_repeats(random, interleave(random, make_history(random, 12)))
    async with database_for(SERVICE) as database:
        await database.pool.execute("select reporting.create_version(2)")
        for table, _ in versions.TABLES:
            await database.pool.execute("select reporting.index_table(2, $1)", table)
        await filled(database, events, version=1)
        for one in placed(events):
            async with database.transaction() as tx:
                await store.apply(tx.driver, 2, [one])
        async with database.transaction() as tx:
            assert all(table.equal for table in await versions.compare(tx.driver, 1, 2))


async def test_concurrent_consumers_of_different_topics_lose_no_change_to_a_row(
    database_for: DatabaseFor,
) -> None:
    random = Random(8)
    events = placed(interleave(random, make_history(random, 8, events_each=30)))
    by_topic: dict[str, list[LoggedEvent]] = {}
    for event in events:
        by_topic.setdefault(event.topic, []).append(event)
    async with database_for(SERVICE) as database:
        await database.pool.execute("select reporting.create_version(2)")
        for table, _ in versions.TABLES:
            await database.pool.execute("select reporting.index_table(2, $1)", table)

        async def consume(mine: list[LoggedEvent]) -> None:
            for first in range(0, len(mine), 3):
                async with database.transaction() as tx:
                    await store.apply(tx.driver, 2, mine[first : first + 3])

        await asyncio.gather(*(consume(mine) for mine in by_topic.values()))
        async with database.transaction() as tx:
            await store.apply(tx.driver, 1, events)
            assert all(table.equal for table in await versions.compare(tx.driver, 1, 2))


async def test_verify_names_a_corrupted_row_keeps_the_live_version_and_exits_1(
    database_for: DatabaseFor, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(3)
    publisher.send(interleave(random, make_history(random, 20)))
    async with database_for(SERVICE) as database:
        rebuilder = Rebuilder(publisher.address, database.url)
        assert (await rebuilder.run()).switched
        active = await database.pool.fetchval("select version from reporting.active_version")
        key = await database.pool.fetchval(
            f"update projection_v{active}.appointment set minutes = coalesce(minutes, 0) + 1"
            f" where appointment_id = (select min(appointment_id) from projection_v{active}.appointment) returning appointment_id"
        )
        monkeypatch.setattr(cli, "_database", lambda _: database.url)
        monkeypatch.setenv("BROBYG_KAFKA", publisher.address)
        result = await asyncio.to_thread(CliRunner().invoke, cli.app, ["verify", "--json"])
        assert result.exit_code == 1, result.output
        told = json.loads(result.stdout)
        assert [
            (table["table"], table["differing_keys"])
            for table in told["tables"]
            if not table["equal"]
        ] == [("appointment", [key])]
        assert (
            await database.pool.fetchval("select version from reporting.active_version") == active
        )
        status = await asyncio.to_thread(CliRunner().invoke, cli.app, ["status", "--json"])
        assert json.loads(status.stdout)["active_version"] == active
        healed = await rebuilder.run()  # `rebuild` says what differed and switches all the same
        assert (healed.equal, healed.switched) == (False, True)
        assert (await rebuilder.run(verify=True)).equal


_KILLED_HALFWAY = """
import asyncio, os, signal, sys
from brobyg_reporting import rebuild as module
from brobyg_reporting.rebuild import Request, rebuild

module._FEW = -1  # worker processes, which outlive their parent for a moment

def progress(phase, done, total):
    if phase == "reading" and done > total * 0.4:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(rebuild(Request(sys.argv[1], sys.argv[2], processes=1), progress))
"""


async def test_a_rebuild_killed_half_way_goes_on_where_it_was(
    database_for: DatabaseFor, publisher: Publisher, tmp_path: Path
) -> None:
    random = Random(21)
    number = publisher.send(interleave(random, make_history(random, 200)))
    async with database_for(SERVICE) as database:
        script = tmp_path / "killed.py"
        script.write_text(_KILLED_HALFWAY)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), publisher.address, database.url
        )
        assert await asyncio.wait_for(process.wait(), 90) == -signal.SIGKILL
        finished = await database.pool.fetchval("select count(*) from reporting.rebuild_share")
        assert 0 < finished < 12
        assert await database.pool.fetchval("select version from reporting.active_version") == 1
        outcome = await Rebuilder(publisher.address, database.url).run()
        assert (outcome.resumed, outcome.version, outcome.events) == (True, 2, number)
        assert (await Rebuilder(publisher.address, database.url).run(verify=True, fresh=True)).equal


async def test_a_build_that_other_code_began_is_not_resumed(
    database_for: DatabaseFor, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_for(SERVICE) as database, database.pool.acquire() as connection:
        ends = {("brobyg.referral.v1", 0): 0}
        first = await versions.begin(connection, ends, fresh=False)
        assert (await versions.begin(connection, ends, fresh=False)).resumed
        monkeypatch.setattr(versions, "fingerprint", lambda: "other folds")
        second = await versions.begin(connection, ends, fresh=False)
        assert (second.resumed, second.version) == (False, first.version + 1)
        assert not await connection.fetchval(
            "select 1 from pg_namespace where nspname = $1", store.schema(first.version)
        )


async def test_topics_that_are_shorter_than_what_live_has_read_are_refused_at_once(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    async with database_for(SERVICE) as database:
        await database.pool.execute(
            "insert into reporting.topic_offset values ('brobyg.referral.v1', 0, 5)"
        )
        with pytest.raises(RebuildRefused, match="beyond the end of"):
            await Rebuilder(publisher.address, database.url).run()


async def test_two_rebuilds_at_once_are_refused(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    async with database_for(SERVICE) as database:
        results = await asyncio.gather(
            *(Rebuilder(publisher.address, database.url).run() for _ in range(2)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == [
            "Outcome",
            "RebuildRefused",
        ], results
        assert any(isinstance(result, RebuildRefused) for result in results)


async def test_readers_see_no_gap_while_versions_are_switched(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    random = Random(4)
    number = publisher.send(interleave(random, make_history(random, 30)))
    async with database_for(SERVICE) as database:
        rebuilder = Rebuilder(publisher.address, database.url)
        await rebuilder.run()
        rows = await database.pool.fetchval("select count(*) from reporting.appointment")
        done, reads = asyncio.Event(), 0

        async def read(*, together: bool) -> None:
            nonlocal reads
            connection = await asyncpg.connect(database.url)
            try:
                while not done.is_set():
                    async with connection.transaction():
                        if (
                            together
                        ):  # holds one view while it asks for another, the way deadlocks are made
                            assert (
                                await connection.fetchval(
                                    "select count(*) from reporting.appointment"
                                )
                                == rows
                            )
                        assert (
                            await connection.fetchval("select count(*) from reporting.event_log")
                            == number
                        )
                        assert (
                            await connection.fetchval(
                                "select sum(events) from reporting.event_count"
                            )
                            == number
                        )
                    reads += 1
            finally:
                await connection.close()

        readers = [asyncio.create_task(read(together=together)) for together in (True, False, True)]
        try:
            for _ in range(4):
                assert (await rebuilder.run(verify=True)).switched
        finally:
            done.set()
            await asyncio.gather(*readers)
        assert reads > 20
        left = await database.pool.fetch(
            "select nspname from pg_namespace where nspname like 'projection_v%'"
        )
        active = await database.pool.fetchval("select version from reporting.active_version")
        assert {row[0] for row in left} == {store.schema(active)}


def test_shares_hold_whole_keys_and_fall_back_to_one_when_topics_are_partitioned_differently() -> (
    None
):
    alike = {(topic, partition): 5 for topic in ("a", "b") for partition in range(3)}
    assert sorted(shares_of(alike)) == [0, 1, 2]
    assert all({topic for topic, _ in share} == {"a", "b"} for share in shares_of(alike).values())
    assert list(shares_of({**alike, ("b", 3): 5})) == [0]


async def test_an_event_without_its_place_is_refused_rather_than_dropped(
    database_for: DatabaseFor,
) -> None:
    live, event = (
        Live(ReportingMetrics(CollectorRegistry())),
        make_history(Random(1), 1).events()[0],
    )
    async with database_for(SERVICE) as database:
        with pytest.raises(TypeError):
            async with database.transaction() as tx:
                await live.handle(tx, [event])


async def test_every_view_and_column_is_in_the_data_dictionary(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        rows = await database.pool.fetch(
            "select c.relname, a.attname, col_description(c.oid, a.attnum) as text, obj_description(c.oid) as view_text from pg_class c"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 where c.relnamespace = 'reporting'::regnamespace and c.relkind = 'v'"
        )
        assert len(rows) > 80
        assert [
            (row["relname"], row["attname"])
            for row in rows
            if not row["text"] or not row["view_text"]
        ] == []


async def test_the_tables_columns_are_the_row_structs_fields_in_their_order(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        for projection in PROJECTIONS:
            rows = await database.pool.fetch(
                "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 order by attnum",
                f"projection_v1.{projection.table}",
            )
            assert tuple(row[0] for row in rows) == projection.columns
