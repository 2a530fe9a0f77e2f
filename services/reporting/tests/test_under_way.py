"""Builds on the way: killed at each step, beside another, while events and readers come.

That other code wrote a live version is told here by the fingerprint in the database, so that
processes of their own find it too.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import msgspec
import pytest
from brobyg_contracts import CitizenErased, ErasureAcknowledged, HelperPaused
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_reporting.adapters import store
from brobyg_reporting.adapters.processes import BuildProcess
from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.log import LoggedEvent
from brobyg_reporting.errors import WorkerFailed
from brobyg_reporting.testing import START, event_of, interleave, make_history, new_uuid
from brobyg_reporting.use_cases import upgrade as upgrading
from brobyg_reporting.use_cases.upgrade import Upgrade
from sqlalchemy import text

from .conftest import Publisher, Rebuilder, first_version, scalar
from .test_projection_versions import SCHEMAS, handle, release, some_events, unlike, upgrade
from .test_versions import LOGGED, shown

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]
Serve = Callable[..., AbstractAsyncContextManager[Running]]

ANALYST = bearer("analyst")


async def written_by_other_code(database: Database, *names: str) -> None:
    async with database.connect() as connection:
        await connection.execute(
            text(
                "update reporting.projection_version set fingerprint = 'older'"
                " where projection = any(:names)"
            ),
            {"names": list(names)},
        )


def built_by_a_process(database: Database, kafka: str) -> Upgrade:
    builder = BuildProcess(kafka, database.url)
    return Upgrade(Rebuilder(kafka, database.url).ports.versions, builder, Heartbeat("version"))


async def test_two_processes_that_build_at_once_build_once_and_lose_nothing(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(20)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events)
        await written_by_other_code(database, "helper", "need")
        both = [built_by_a_process(database, kafka) for _ in range(2)]
        done = await asyncio.gather(*(one.once() for one in both), return_exceptions=True)
        assert done.count("") >= 1
        assert all(one == "" or "another rebuild is running" in str(one) for one in done)
        assert [await one.once() for one in both] == ["", ""]
        numbers = await shown(database)
        assert {numbers["helper"], numbers["need"]} == {2}
        assert await unlike(database, events) == []


async def test_a_build_s_process_that_ends_is_told_and_begun_again(
    database_for: DatabaseFor, kafka: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events = some_events(20)
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nkill -9 $$\n")
    silent.chmod(0o755)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events)
        await written_by_other_code(database, "helper")
        running = built_by_a_process(database, kafka)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(silent))
            with pytest.raises(WorkerFailed, match=r"exit code -9"):
                await running.once()
        assert await running.once() == ""
        assert (await shown(database))["helper"] == 2
        assert await unlike(database, events) == []


#: Of each line on stdin, a step and how often: a process that builds and is killed behind that.
_KILLED = """
import asyncio, os, signal, sys
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.use_cases import follow
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

kafka, database, *names = sys.argv[1:]
follow._BATCH = 20

def build(step, left):
    work = getattr(VersionTables, step)

    async def killed(*given, **named):
        nonlocal left
        await work(*given, **named)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(VersionTables, step, killed)
    asyncio.run(rebuild(rebuild_ports(kafka, database), RebuildRequest(names), lambda *_: None))

for line in sys.stdin:
    step, calls = line.split()
    child = os.fork()
    if not child:
        build(step, int(calls))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
WHOLE = ("index 2", "finish 1", "switch 1", "drop_unused 2")
SOME = ("caught_up 3", "index 1", "finish 1", "switch 1", "drop_unused 2")


@pytest.mark.parametrize(("names", "steps"), [((), WHOLE), (("helper", "need"), SOME)])
async def test_a_build_that_is_killed_at_every_step_harms_nothing_and_goes_on(
    database_for: DatabaseFor,
    publisher: Publisher,
    tmp_path: Path,
    names: tuple[str, ...],
    steps: tuple[str, ...],
) -> None:
    """Killed behind each step, before the transaction that it is in can end."""
    random, script = Random(7), tmp_path / "killed.py"
    script.write_text(_KILLED)
    builds = "select max(number) from reporting.projection_version"
    async with database_for(SERVICE) as database:
        number = await publisher.send(interleave(random, make_history(random, 10)))
        rebuilder = Rebuilder(publisher.address, database.url)
        await rebuilder.run()
        killed = await asyncio.create_subprocess_exec(
            sys.executable, str(script), publisher.address, database.url, *names,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert killed.stdin is not None
        assert killed.stdout is not None
        for step in steps:
            killed.stdin.write(f"{step}\n".encode())
            code = await asyncio.wait_for(killed.stdout.readline(), 120)
            assert (step, int(code)) == (step, -signal.SIGKILL)
            switched = step == steps[-1]
            assert (await shown(database))["need"] == (2 if switched else 1)
            assert await scalar(database, LOGGED) == number
            assert await scalar(database, builds) == 2  # it goes on, and begins no other
        killed.stdin.close()
        assert await asyncio.wait_for(killed.wait(), 30) == 0
        again = await rebuilder.run(*names)
        assert (again.equal, again.version, again.resumed) == (True, 3, False)
        left = {f"projection_v{one}" for one in (await shown(database)).values()}
        assert set(str(await scalar(database, SCHEMAS)).split()) == left
        for table in ("lag", "build_end"):
            assert await scalar(database, f"select count(*) from reporting.{table}") == 0


def erased(number: int) -> tuple[str, list[tuple[str, Event]]]:
    """A citizen, and the events of an erasure, as those who order it and carry it out tell it."""
    random = Random(number)
    citizen = new_uuid(random)
    said = event_of(
        random, CitizenErased(citizen_id=citizen, reason="requested"), citizen, 1, START
    )
    events = [("brobyg.referral.v1", said)]
    for service in ("matching", "notification"):
        word = ErasureAcknowledged(person_id=citizen, service=service)
        event = event_of(random, word, citizen, 1, START, source=service)
        events.append((f"brobyg.{service}.v1", event))
    return citizen, events


@pytest.mark.parametrize("names", [("citizen", "erasure_acknowledgement"), ()])
async def test_an_erasure_in_the_middle_of_a_rebuild_is_in_what_is_shown_then(
    database_for: DatabaseFor,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
) -> None:
    random, (citizen, erasure) = Random(7), erased(3)
    switching = VersionTables.switching
    async with database_for(SERVICE) as database:
        await publisher.send(interleave(random, make_history(random, 10)))
        rebuilder = Rebuilder(publisher.address, database.url)
        await rebuilder.run()
        before = await scalar(database, LOGGED)
        held = 0

        @asynccontextmanager
        async def meanwhile(tables: VersionTables) -> AsyncIterator[None]:
            nonlocal held
            held += 1
            if held == 2:  # the first is when the build begins
                await consume(publisher, database, erasure)
            async with switching(tables):
                yield

        monkeypatch.setattr(VersionTables, "switching", meanwhile)
        outcome = await rebuilder.run(*names)
        assert (outcome.equal, outcome.switched, outcome.caught_up) == (True, True, 3)
        assert await scalar(database, LOGGED) == int(str(before)) + 3
        told = "select acknowledged_by from reporting.citizen where citizen_id = :id"
        known = await scalar(database, told + " and erased_at is not null", id=citizen)
        assert known == ["matching", "notification"]


async def consume(
    publisher: Publisher, database: Database, events: Sequence[tuple[str, Event]]
) -> None:
    """Send the events, and log and fold them as the consumer does, at their own places."""
    async with Rebuilder(publisher.address, database.url).ports.topics() as topics:
        start = await topics.ends()
        await publisher.send(events)
        found: list[LoggedEvent] = []
        async for part in topics.read(start, await topics.ends()):
            found += part
    await handle(database, found)


async def test_the_service_answers_and_is_ready_while_two_projections_are_built_anew(
    serve: Serve, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(upgrading, "_PROGRESS_EVERY", 0.1)
    random = Random(7)
    async with serve(SERVICE, role="run") as running:
        database = running.runtime.database
        assert database is not None
        number = await publisher.send(interleave(random, make_history(random, 10)))

        async def arrived() -> bool:
            return await scalar(database, LOGGED) == number

        await eventually(arrived, "all events are logged", timeout=60)
        # The build waits for this at its first transaction, as it would for a consumer.
        held = await asyncpg.connect(database.url)
        places = await held.fetch("select distinct partition from reporting.topic_offset")
        for place in places:
            await held.execute(
                "select pg_advisory_lock($1, $2)", store._PARTITION_LOCK, place["partition"]
            )
        await written_by_other_code(database, "helper", "need")
        before = await shown(database)
        details: list[str] = []

        async def building() -> bool:
            await answers()
            return "is being built: reading 0 of" in details[-1]

        async def answers() -> None:
            ready = await running.client.get("/readyz")
            assert (ready.status_code, ready.json()["ready"]) == (200, True)
            details.append(ready.json()["checks"]["projections"]["detail"])
            for path in ("/referrals", "/helpers/activity", "/needs/summary"):
                assert (await running.client.get(path, headers=ANALYST)).status_code == 200
            counts = await running.client.get("/counts", headers=ANALYST)
            assert counts.json()["total"] == number

        await eventually(building, "a build is under way", timeout=60)
        assert await shown(database) == before
        await held.close()

        async def built() -> bool:
            await answers()
            now = await shown(database)
            return now["helper"] == now["need"] != before["need"]

        await eventually(built, "both are shown at once", timeout=60)
        assert await scalar(database, "select count(*) from parked_event") == 0
        verified = await Rebuilder(publisher.address, database.url).run(purpose="verify")
        assert verified.equal


async def test_an_event_of_a_later_version_is_folded_once_this_code_reads_that(
    database_for: DatabaseFor, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(20)
    events = interleave(random, make_history(random, 20))
    later = HelperPaused.DATASCHEMA.replace(".v2.", ".v3.")
    told = [
        (topic, msgspec.structs.replace(one, dataschema=later))
        if one.type == HelperPaused.EVENT_TYPE
        else (topic, one)
        for topic, one in events
    ]
    paused = "select count(*) from reporting.helper where paused_at is not null"
    unknown = "select count(*) from reporting.event_log where not folded"
    async with database_for(SERVICE) as database:
        await publisher.send(told)
        await Rebuilder(publisher.address, database.url).run()
        assert await scalar(database, paused) == 0
        assert await scalar(database, unknown) == sum(
            one.type == HelperPaused.EVENT_TYPE for _, one in told
        )
        monkeypatch.setattr(HelperPaused, "DATASCHEMA", later)
        with release(*tables_of(0)):  # as another upcaster makes another log
            assert await upgrade(database, publisher.address) == ""
            assert await scalar(database, unknown) == 0
            assert await scalar(database, paused) != 0
            again = await Rebuilder(publisher.address, database.url).run(purpose="verify")
            assert again.equal
