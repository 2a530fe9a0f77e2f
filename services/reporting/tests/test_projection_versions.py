"""Each projection has a version of its own: one that changes leaves the others as they are.

Another release is this code with another fingerprint of some projections.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from brobyg_contracts import HelperPaused
from brobyg_kit import upcasting
from brobyg_kit.database import Database
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Heartbeat
from brobyg_reporting.adapters import fingerprints, versions, views
from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.adapters.versions import VersionTables, opened
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.log import LoggedEvent
from brobyg_reporting.domain.projections import APPOINTMENT, HELPER
from brobyg_reporting.entrypoints import cli
from brobyg_reporting.errors import OtherCode, RebuildRefused, ViewsInUse
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.testing import interleave, make_history
from brobyg_reporting.use_cases.follow import BY_TABLE
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild
from brobyg_reporting.use_cases.upgrade import Upgrade
from typer.testing import CliRunner

from .conftest import Rebuilder, first_version, scalar
from .test_live_and_rebuild import another_version, new_live, placed, write
from .test_versions import shown

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]

RELEASE = fingerprints.fingerprint
BEGUN = (
    "insert into reporting.projection_version (number, projection, state, fingerprint)"
    " values (9, 'helper', 'verifying', '')"
)
SCHEMAS = "select string_agg(nspname, ' ') from pg_namespace where nspname like 'projection_v%'"


@contextmanager
def release(*changed: str) -> Iterator[None]:
    """Within, this is a release in which these projections are folded in another way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "fingerprint", lambda name: RELEASE(name) + "!" * (name in changed))
        yield


def some_events(number: int) -> list[LoggedEvent]:
    random = Random(number)
    return placed(interleave(random, make_history(random, number)))


async def handle(database: Database, events: Sequence[LoggedEvent]) -> None:
    """As the consumer does."""
    async with database.transaction() as tx:
        await new_live().handle(tx, list(events))


async def upgrade(database: Database, kafka: str) -> str:
    rebuilder = Rebuilder(kafka, database.url)
    return await Upgrade(rebuilder.ports.versions, rebuilder, Heartbeat("version")).once()


async def unlike(database: Database, events: list[LoggedEvent]) -> list[str]:
    """The tables whose live version does not hold just these events, folded once and in order."""
    numbers, other = await shown(database), await another_version(database)
    await write(database, other, events)
    async with database.connect() as connection:
        tables = VersionTables(connection)
        return [
            name
            for name, number in numbers.items()
            if not (await tables.compare(number, other, name)).equal
        ]


async def test_a_changed_fold_rebuilds_its_projection_alone_while_the_others_are_written(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(30)
    first, second, third = events[:200], events[200:300], events[300:]
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, first)
        helpers = "select count(*) from reporting.helper"
        before = await scalar(database, helpers)
        with release("helper"):
            await handle(database, second)
            assert await scalar(database, helpers) == before  # readable, as it was
            assert await scalar(database, "select count(*) from reporting.event_log") == 300
            assert await upgrade(database, kafka) == ""
            numbers = await shown(database)
            assert numbers.pop("helper") == 2
            assert set(numbers.values()) == {1}
            await handle(database, third)
            assert await unlike(database, events) == []


async def test_two_changed_folds_are_rebuilt_and_switched_to_together(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(10)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events)
        with release("helper", "need"):
            assert await upgrade(database, kafka) == ""
            numbers = await shown(database)
            assert (numbers["helper"], numbers["need"], numbers["match"]) == (2, 2, 1)
            assert await unlike(database, events) == []


async def test_two_releases_side_by_side_lose_nothing_and_do_not_take_turns(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(30)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events[:100])
        with release("helper"):
            await handle(database, events[100:150])
            await upgrade(database, kafka)
        await handle(database, events[150:250])  # the old release, which may not write `helper`
        assert "helper replaced this code's" in await upgrade(database, kafka)
        with release("helper"):
            await handle(database, events[250:300])  # behind what the old one has not folded
            assert await unlike(database, events[:300]) == ["helper"]
            assert await upgrade(database, kafka) == ""
            await handle(database, events[300:])
            assert (await shown(database))["helper"] == 2
            assert await unlike(database, events) == []


async def test_a_release_that_is_taken_back_before_it_switched_has_lost_nothing(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(20)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events[:100])
        with release("helper", "offer"):
            await handle(database, events[100:200])
        await handle(database, events[200:])
        assert sorted(await unlike(database, events)) == ["helper", "offer"]
        assert await upgrade(database, kafka) == ""
        assert await unlike(database, events) == []
        assert await scalar(database, "select count(*) from reporting.lag") == 0


async def test_an_event_that_was_set_aside_is_folded_once_and_gives_up_builds_without_it(
    database_for: DatabaseFor, kafka: str
) -> None:
    events = some_events(20)
    [late] = [one for one in events if one.type == HelperPaused.EVENT_TYPE][-1:]
    others = [one for one in events if one.subject != late.subject or one.offset < late.offset]
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, others)
        rebuilder = Rebuilder(kafka, database.url)
        assert (await rebuilder.run("helper", purpose="build")).kept
        with release("need"), pytest.raises(OtherCode, match="set aside"):
            await handle(database, [late])
        await handle(database, [late])
        with pytest.raises(RebuildRefused, match="built nothing to switch to"):
            await rebuilder.run(purpose="switch")
        assert await unlike(database, [*others, late]) == []
        assert (await rebuilder.run("helper")).equal


async def test_what_is_built_is_shown_by_switch_alone_and_verify_changes_nothing(
    database_for: DatabaseFor, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = some_events(10)
    async with database_for(SERVICE) as database:
        monkeypatch.setattr(cli, "_database", lambda _: database.url)
        monkeypatch.setenv("BROBYG_KAFKA", topics)

        async def told(*words: str) -> dict[str, Any]:
            run = await asyncio.to_thread(CliRunner().invoke, cli.app, [*words, "--json"])
            assert run.exit_code == 0, run.output
            answer: dict[str, Any] = json.loads(run.stdout)
            return answer

        await first_version(database)
        await handle(database, events[:50])
        assert (await told("rebuild", "helper", "offer"))["equal"]
        await handle(database, events[50:])
        numbers = await shown(database)
        assert set(numbers.values()) == {1}
        verified = await told("verify", "helper")
        assert (verified["equal"], verified["switched"], verified["version"]) == (True, False, 3)
        assert await shown(database) == numbers
        assert await scalar(database, SCHEMAS) == "projection_v1 projection_v2"
        assert (await told("switch"))["projections"] == ["helper", "offer"]
        numbers = await shown(database)
        assert (numbers["helper"], numbers["offer"], numbers["need"]) == (2, 2, 1)
        assert await unlike(database, events) == []
        again = await asyncio.to_thread(CliRunner().invoke, cli.app, ["switch"])
        assert (again.exit_code, "built nothing" in again.output) == (1, True)
        status = await told("status", "helper")
        [helper] = status["projections"]
        assert (helper["version"], helper["events_behind"]) == (2, 0)
        ended = {one["number"]: one["outcome"] for one in status["builds"]}
        assert (ended[1], ended[3]) == ("replaced", "verified: equal")
        owner = await asyncpg.connect(database.url)
        await owner.execute(BEGUN)
        await owner.close()
        for holds, outcome in ((True, "verifying"), (False, "stopped")):
            async with opened(database.url) as another:
                assert not holds or await another.claim_rebuild()
                builds = (await told("status", "helper"))["builds"]
                assert (builds[0]["number"], builds[0]["outcome"]) == (9, outcome)


async def test_a_reader_who_holds_up_a_switch_is_named(
    database_for: DatabaseFor, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_MOST_ATTEMPTS", 2)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, some_events(10))
        rebuilder = Rebuilder(kafka, database.url)
        assert (await rebuilder.run("helper", purpose="build")).kept
        reader = await asyncpg.connect(database.url)
        begun = reader.transaction()
        await begun.start()
        await reader.fetch("select 1 from reporting.need")
        with pytest.raises(ViewsInUse) as refused:
            await rebuilder.run(purpose="switch")
        pid, login = reader.get_server_pid(), await reader.fetchval("select current_user")
        assert f"login {login} (pid {pid}) since 20" in str(refused.value)
        assert "has need. " in str(refused.value)
        assert f"pg_terminate_backend({pid})" in str(refused.value)
        await begun.rollback()
        await reader.close()
        assert (await rebuilder.run(purpose="switch")).switched


@pytest.mark.parametrize("command", ["rebuild", "verify", "switch"])
def test_an_unknown_projection_is_refused_before_anything_is_asked(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROBYG_REPORTING_DATABASE", f"postgresql://127.0.0.1:{free_port()}")
    refused = CliRunner().invoke(cli.app, [command, "need", "helpers"])
    assert refused.exit_code == 2
    told = " ".join(refused.output.replace("│", " ").split())
    assert "there is no projection helpers; there are event_log," in told
    assert all(one in told for one in BY_TABLE)


_KILLED_HALFWAY = """
import asyncio, os, signal, sys
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.use_cases import follow as following
from brobyg_reporting.use_cases import upgrade as upgrading
from brobyg_reporting.use_cases.rebuild import RebuildRequest, RebuildResult, rebuild

def progress(phase, done, total):
    if phase == "reading" and done > total * 0.4:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    ports = rebuild_ports(sys.argv[1], sys.argv[2])
    asyncio.run(rebuild(ports, RebuildRequest(("need", "helper")), progress))
"""


async def test_the_rebuild_of_projections_goes_on_where_it_was_killed(
    database_for: DatabaseFor, kafka: str, tmp_path: Path
) -> None:
    events = some_events(30)
    script = tmp_path / "killed.py"
    script.write_text(_KILLED_HALFWAY)
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events[:300])
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), kafka, database.url
        )
        assert await asyncio.wait_for(process.wait(), 90) == -signal.SIGKILL
        assert set((await shown(database)).values()) == {1}
        await handle(database, events[300:])
        ports, read = rebuild_ports(kafka, database.url), list[int]()
        request = RebuildRequest(("need", "helper"))
        result = await rebuild(ports, request, lambda _, done, total: read.append(total))
        assert (result.resumed, result.equal, result.switched) == (True, True, True)
        assert await unlike(database, events) == []


def changed_by(monkeypatch: pytest.MonkeyPatch, name: str, edit: str = "CHANGED = 1") -> set[str]:
    """The tables that have another fingerprint when this file ends in another line."""
    read_bytes = Path.read_bytes

    def changed(file: Path) -> bytes:
        added = f"\n{edit}\n".encode() if file.as_posix().endswith(f"/{name}") else b""
        return read_bytes(file) + added

    before = signed()
    monkeypatch.setattr(Path, "read_bytes", changed)
    return others(before)


def signed() -> dict[str, str]:
    """Each table's fingerprint, made anew."""
    fingerprints._fingerprint.cache_clear()
    return {table: RELEASE(table) for table in TABLES}


def others(before: dict[str, str]) -> set[str]:
    """The tables whose fingerprint is another than it was before."""
    now = signed()
    fingerprints._fingerprint.cache_clear()
    return {table for table in TABLES if now[table] != before[table]}


TABLES = list(tables_of(0))


@pytest.mark.parametrize(
    ("name", "edit", "changed"),
    [
        ("brobyg_reporting/domain/log.py", "CHANGED = 1", {"event_log"}),
        ("brobyg_kit/event.py", "CHANGED = 1", {"event_log"}),
        ("brobyg_kit/upcasting.py", "CHANGED = 1", {"event_log"}),
        ("brobyg_contracts/upcasters.py", "CHANGED = 1", {"event_log"}),
        ("brobyg_kit/event.py", "# said in other words", set()),
        ("domain/projections/helper.py", '"""Said in other words."""', set()),
        ("brobyg_reporting/handlers.py", "CHANGED = 1", set()),
        ("brobyg_reporting/use_cases/live.py", "CHANGED = 1", set()),
        ("brobyg_reporting/adapters/store.py", "CHANGED = 1", set()),
    ],
)
def test_only_a_change_of_what_reads_records_makes_another_log(
    monkeypatch: pytest.MonkeyPatch, name: str, edit: str, changed: set[str]
) -> None:
    assert changed_by(monkeypatch, name, edit) == changed


def test_another_number_of_the_writers_changes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signed()
    monkeypatch.setattr(fingerprints, "WRITERS", fingerprints.WRITERS + 1)
    assert others(before) == set(TABLES)


def test_another_major_version_of_events_that_name_none_makes_another_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signed()
    monkeypatch.setattr(upcasting, "unversioned_major", lambda: 1)
    assert others(before) == {"event_log"}


@pytest.mark.parametrize("name", ["helper", "need", "citizen"])
def test_a_change_of_a_fold_changes_its_projection_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert changed_by(monkeypatch, f"domain/projections/{name}.py") == {name}


def test_a_change_of_what_is_folded_changes_those_that_fold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signed()
    monkeypatch.setattr(HELPER, "folds", {**HELPER.folds, **APPOINTMENT.folds})
    assert others(before) == {"helper"}
