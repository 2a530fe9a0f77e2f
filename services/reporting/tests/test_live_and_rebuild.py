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
from brobyg_kit.event import Event, encode
from brobyg_kit.testing import Running, eventually
from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.adapters.topics import reading
from brobyg_reporting.adapters.versions import VersionTables, within
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.log import LoggedEvent, Offsets, read_logged
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.entrypoints import cli
from brobyg_reporting.errors import RebuildRefused
from brobyg_reporting.handlers import HANDLERS
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.testing import interleave, make_history, unknown_event
from brobyg_reporting.use_cases.live import Live, log_and_fold
from brobyg_reporting.use_cases.rebuild import shares_of
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from .conftest import Publisher, Rebuilder, first_version, scalar

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]


def with_repeats(random: Random, events: list[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """Every fifth event again at once and every tenth again later, as by a relay that is killed."""
    repeated: list[tuple[str, Event]] = []
    for number, one in enumerate(events):
        repeated += [one, one] if number % 5 == 0 else [one]
        if number % 10 == 0:
            repeated.append(random.choice(events[: number + 1]))
    return repeated


async def logged(database: Database) -> int:
    return int(str(await scalar(database, "select count(*) from reporting.event_log")))


async def write(database: Database, number: int, events: list[LoggedEvent]) -> None:
    """Log and fold the events as the consumer and a rebuild's catch-up do."""
    async with database.transaction() as tx:
        version = within(tx).version(number)
        await version.lock(sorted({event.partition for event in events}))
        await log_and_fold(version, events, PROJECTIONS)


async def another_version(database: Database) -> int:
    """A version beside the live one, empty, with its keys."""
    async with database.connect() as connection:
        versions = VersionTables(connection)
        number = (await versions.begin(list(tables_of(0)), {}, "build", fresh=True)).number
        for name in tables_of(0):
            await versions.index(number, name)
    return number


async def live(database: Database) -> int | None:
    """The live version of all tables, which is one."""
    async with database.connect() as connection:
        live = await VersionTables(connection).live()
    assert len({one.number for one in live.values()}) <= 1
    return next((one.number for one in live.values()), None)


async def ends_of(address: str) -> Offsets:
    async with reading(address, tuple(TOPICS)) as topics:
        return await topics.ends()


def new_live() -> Live:
    return Live(within, HANDLERS, ReportingMetrics(CollectorRegistry()))


async def equal(database: Database, one: int, other: int) -> bool:
    async with database.connect() as connection:
        versions = VersionTables(connection)
        return all([(await versions.compare(one, other, name)).equal for name in tables_of(0)])


def placed(events: list[tuple[str, Event]]) -> list[LoggedEvent]:
    """Events as the consumer reads them, at made-up places."""
    return [
        one
        for number, (topic, event) in enumerate(events)
        for one in read_logged(topic, sum(event.subject.encode()) % 12, number, encode(event))
    ]


async def test_live_equals_a_rebuild_with_repeats_unknown_types_and_records_that_are_no_events(
    serve: Serve, publisher: Publisher
) -> None:
    random = Random(11)
    events = interleave(random, make_history(random, 60))
    events.append(("brobyg.referral.v1", unknown_event(random, events[0][1].subject, 999)))
    first, second = events[: len(events) // 2], events[len(events) // 2 :]
    await publisher.send(with_repeats(random, first))
    await publisher.send_raw(
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
        # In worker processes.
        rebuilder = Rebuilder(publisher.address, database.url, in_process_limit=-1)
        sending = publisher.send(with_repeats(random, second))
        outcome, _ = await asyncio.gather(rebuilder.run(), sending)
        assert outcome.equal
        assert outcome.switched
        await live_has(len(events))
        ends = await ends_of(publisher.address)
        again = await rebuilder.run(purpose="verify")
        assert (
            await ends_of(publisher.address) == ends
        )  # nothing is sent anywhere because of a rebuild
        assert (again.equal, again.events + again.caught_up, again.skipped) == (
            True,
            len(events),
            2,
        )
        assert set(again.previous.values()) == {outcome.version}
        assert await live(database) == outcome.version
        unknown = "select count(*) from reporting.event_log where not folded"
        assert await scalar(database, unknown) == 1


async def test_a_batch_has_the_same_effect_as_its_events_one_by_one(
    database_for: DatabaseFor,
) -> None:
    random = Random(5)
    events = with_repeats(random, interleave(random, make_history(random, 12)))
    async with database_for(SERVICE) as database:
        one, other = await first_version(database), await another_version(database)
        await write(database, one, placed(events))
        for event in placed(events):
            await write(database, other, [event])
        assert await equal(database, one, other)


async def test_concurrent_consumers_of_different_topics_lose_no_change_to_a_row(
    database_for: DatabaseFor,
) -> None:
    random = Random(8)
    events = placed(interleave(random, make_history(random, 8, events_each=30)))
    by_topic: dict[str, list[LoggedEvent]] = {}
    for event in events:
        by_topic.setdefault(event.topic, []).append(event)
    async with database_for(SERVICE) as database:
        one, other = await first_version(database), await another_version(database)

        async def consume(mine: list[LoggedEvent]) -> None:
            for first in range(0, len(mine), 3):
                await write(database, other, mine[first : first + 3])

        await asyncio.gather(*(consume(mine) for mine in by_topic.values()))
        await write(database, one, events)
        assert await equal(database, one, other)


async def test_verify_names_a_corrupted_row_keeps_the_live_version_and_exits_1(
    database_for: DatabaseFor, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(3)
    await publisher.send(interleave(random, make_history(random, 20)))
    async with database_for(SERVICE) as database:
        rebuilder = Rebuilder(publisher.address, database.url)
        assert (await rebuilder.run()).switched
        active = await live(database)
        table = f"projection_v{active}.match"
        key = await scalar(
            database,
            f"update {table} set minutes = coalesce(minutes, 0) + 1"
            f" where match_id = (select min(match_id) from {table}) returning match_id",
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
        ] == [("match", [key])]
        assert await live(database) == active
        status = await asyncio.to_thread(CliRunner().invoke, cli.app, ["status", "--json"])
        assert {one["version"] for one in json.loads(status.stdout)["projections"]} == {active}
        healed = await rebuilder.run()  # `rebuild` says what differed and switches all the same
        assert (healed.equal, healed.switched) == (False, True)
        assert (await rebuilder.run(purpose="verify")).equal


_KILLED_HALFWAY = """
import asyncio, os, signal, sys
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

# In worker processes, which outlive their parent for a moment.
REQUEST = RebuildRequest(processes=1, in_process_limit=-1)

def progress(phase, done, total):
    if phase == "reading" and done > total * 0.4:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(rebuild(rebuild_ports(sys.argv[1], sys.argv[2]), REQUEST, progress))
"""


async def test_a_rebuild_killed_half_way_goes_on_where_it_was(
    database_for: DatabaseFor, publisher: Publisher, tmp_path: Path
) -> None:
    random = Random(21)
    number = await publisher.send(interleave(random, make_history(random, 200)))
    async with database_for(SERVICE) as database:
        script = tmp_path / "killed.py"
        script.write_text(_KILLED_HALFWAY)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), publisher.address, database.url
        )
        assert await asyncio.wait_for(process.wait(), 90) == -signal.SIGKILL
        finished = await scalar(database, "select count(*) from reporting.version_share")
        assert 0 < int(str(finished)) < 12
        assert await live(database) is None
        outcome = await Rebuilder(publisher.address, database.url).run()
        assert (outcome.resumed, outcome.version, outcome.events) == (True, 1, number)
        assert (await Rebuilder(publisher.address, database.url).run(purpose="verify")).equal


async def test_a_build_that_other_code_began_is_not_resumed(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_for(SERVICE) as database, database.connect() as connection:
        versions, ends = VersionTables(connection), {("brobyg.referral.v1", 0): 0}
        names = list(tables_of(0))
        first = await versions.begin(names, ends, "build", fresh=False)
        assert (await versions.begin(names, ends, "build", fresh=False)).resumed
        monkeypatch.setattr("brobyg_reporting.adapters.versions.fingerprint", lambda _: "other")
        second = await versions.begin(names, ends, "build", fresh=False)
        await versions.drop_unused()
        assert (second.resumed, second.number) == (False, first.number + 1)
        schemas = "select count(*) from pg_namespace where nspname like 'projection_v%'"
        assert await scalar(database, schemas) == 1


async def test_topics_that_are_shorter_than_what_live_has_read_are_refused_at_once(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    async with database_for(SERVICE) as database:
        async with database.connect() as connection:
            await VersionTables(connection).advance({("brobyg.referral.v1", 0): 5})
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
            "RebuildRefused",
            "RebuildResult",
        ], results
        assert any(isinstance(result, RebuildRefused) for result in results)


async def test_readers_see_no_gap_while_versions_are_switched(
    database_for: DatabaseFor, publisher: Publisher
) -> None:
    random = Random(4)
    number = await publisher.send(interleave(random, make_history(random, 30)))
    async with database_for(SERVICE) as database:
        rebuilder = Rebuilder(publisher.address, database.url)
        await rebuilder.run()
        rows = await scalar(database, "select count(*) from reporting.need")
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
                                await connection.fetchval("select count(*) from reporting.need")
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
                assert (await rebuilder.run()).switched
        finally:
            done.set()
            await asyncio.gather(*readers)
        assert reads > 20
        left = (
            "select string_agg(nspname, ' ') from pg_namespace where nspname like 'projection_v%'"
        )
        assert await scalar(database, left) == f"projection_v{await live(database)}"


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
    event = make_history(Random(1), 1).events()[0]
    async with database_for(SERVICE) as database:
        await first_version(database)
        with pytest.raises(TypeError):
            async with database.transaction() as tx:
                await new_live().handle(tx, [event])
