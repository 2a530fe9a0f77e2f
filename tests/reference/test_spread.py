"""A new place, department, pool or language needs no code and no restart, on the real parts."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from brobyg_contracts.reference import KINDS, TOPIC, Reference
from brobyg_kit.clock import WallClock
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Database, Transaction
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.replica import Copies, Copy, Replica, Watch
from brobyg_kit.testing import Running, bearer, eventually, new_database
from brobyg_referral.reference.entrypoints.cli import app
from delivery_parts import NO_VERSIONS, going
from reference_data import FOLDER
from sqlalchemy import MetaData
from typer.testing import CliRunner

from tests.reference.parts import OWNER


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the checkout, whose running system the command would take for its own."""
    monkeypatch.chdir(tmp_path)


COPY = Copy(TOPIC, KINDS, Reference)


@asynccontextmanager
async def reader(postgres: str, kafka: str, name: str) -> AsyncIterator[Replica[Reference]]:
    """Another service's process that copies the reference data."""

    async def handle(_: Transaction, events: Sequence[Event]) -> None:
        raise AssertionError(f"{len(events)} events were passed on")

    async with new_database(postgres, name, MetaData(), NO_VERSIONS) as url:
        database = Database(url, WallClock(), "reader")
        await database.open()
        replica = Replica(COPY)
        subscription = Subscription(
            name, [TOPIC], handle, copies=Copies([COPY], {TOPIC: replica}), compacted={TOPIC}
        )
        consumer = Consumer(kafka, database, subscription, Metrics(), Heartbeat("consumer"))
        watch = Watch(database, [replica], Heartbeat("replicas"))
        watching = asyncio.create_task(watch.run())
        try:
            async with going(consumer):
                yield replica
        finally:
            watch.stop()
            await watching
            await database.close()


async def test_what_is_applied_or_put_reaches_a_running_service_and_one_that_comes_later(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
    topics: str,
    postgres: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "reference"))

    async def holds(replica: Replica[Reference], version: int) -> Reference:
        async def so_far() -> bool:
            return replica.latest.version == version

        await eventually(so_far, f"version {version} is copied")
        return replica.latest

    async with (
        serve(OWNER, role="run") as owner,
        reader(postgres, topics, f"reader_{os.getpid()}") as there,
    ):
        assert owner.runtime.database is not None
        url = owner.runtime.database.url
        monkeypatch.setattr("brobyg_kit.database.database_url", lambda _server, _service: url)

        def brobyg(*arguments: str) -> dict[str, object]:
            done = CliRunner().invoke(app, [*arguments, str(folder), "--json"])
            assert done.exit_code == 0, done.output
            # The services of this process log to the same stream.
            answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
            return answer

        empty = await asyncio.to_thread(CliRunner().invoke, app, ["list", "pool"])
        assert empty.exit_code == 0
        assert "there is no pool yet; 'brobyg reference apply' brings it" in empty.stderr
        applied = await asyncio.to_thread(brobyg, "apply")
        assert applied["version"] == 1

        async def all_there() -> bool:
            return len(there.latest.postcodes) == 1089 and len(there.latest.places) == 5

        await eventually(all_there, "the start is copied")
        assert (await asyncio.to_thread(brobyg, "apply", "--if-empty"))["added"] == []

        for file, old, new in (
            ("pools.yaml", "pools:\n", NAVIGATORS),
            ("departments.yaml", "departments:\n", VIBORG),
            ("places.yaml", "places:\n", CLINIC),
        ):
            path = folder / file
            path.write_text(path.read_text().replace(old, new, 1))
        assert (await asyncio.to_thread(brobyg, "apply"))["version"] == 2
        reference = await holds(there, 2)

        async def complete() -> bool:
            return {"viborg"} <= there.latest.departments.keys() and (
                "viborg-clinic" in there.latest.places and "navigator" in there.latest.pools
            )

        await eventually(complete, "all three are copied")
        reference = there.latest
        assert [one.id for one in reference.departments_of("0791")] == ["viborg"]
        assert reference.department("viborg").languages == ("da", "pl")
        assert reference.pool("navigator").limit == 30
        assert reference.place_by_alias("urn:oid:1.2.208.176.1.1", "4711") == reference.place(
            "viborg-clinic"
        )

        seen = await owner.client.get("/reference/place/viborg-clinic", headers=bearer("service"))
        body = {**seen.json(), "withdrawn": True}
        del body["version"]
        answer = await owner.client.put(
            "/reference/place/viborg-clinic",
            json=body,
            headers={**bearer("coordinator"), "If-Match": seen.headers["ETag"]},
        )
        assert answer.status_code == 200
        assert (await holds(there, 3)).place("viborg-clinic").withdrawn

        async with reader(postgres, topics, f"late_{os.getpid()}") as late:

            async def caught_up() -> bool:
                return late.latest.places == there.latest.places

            await eventually(caught_up, "who comes later reads it from the beginning")
            assert late.latest.version == 3


NAVIGATORS = """pools:
  - id: navigator
    label: Sociale navigatører
    organisation: municipality-0730
    employed: true
    capacity: caseload
    limit: 30
"""
VIBORG = """departments:
  - id: viborg
    label: Viborg
    municipalities: ["0791"]
    pools: [student, navigator]
    pathways: [escort]
    languages: [da, pl]
    quiet_from: "22:00"
    quiet_to: "07:00"
    zone: Europe/Copenhagen
"""
CLINIC = """places:
  - id: viborg-clinic
    label: Klinik
    postcode: "8800"
    latitude: 56.45
    longitude: 9.4
    municipality_code: "0791"
    aliases: ["urn:oid:1.2.208.176.1.1|4711"]
"""


def test_the_command_says_what_is_wrong_and_where_and_ends_with_1(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "reference"))
    path = folder / "pools.yaml"
    path.write_text(path.read_text().replace("capacity: span", "capacity: spam", 1))
    line = path.read_text().splitlines().index("    capacity: spam") + 1
    for command in ("check", "apply"):
        done = CliRunner().invoke(app, [command, str(folder)])
        assert done.exit_code == 1
        assert f"{path}:{line}: capacity: Input should be 'span'" in done.stderr
        assert "1 fault; nothing was changed" in done.stderr
        done = CliRunner().invoke(app, [command, str(folder), "--json"])
        assert done.exit_code == 1
        [fault] = json.loads(done.stdout)["faults"]
        assert (fault["file"], fault["line"]) == (str(path), line)


def test_a_folder_that_is_right_is_checked_without_a_database() -> None:
    done = CliRunner().invoke(app, ["check", str(FOLDER), "--json"])
    assert json.loads(done.stdout) == {"entries": 1104, "faults": []}


def test_a_database_that_does_not_answer_ends_it_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROBYG_DATABASE", "postgresql://nobody@127.0.0.1:9")
    for arguments in (["list"], ["apply", str(FOLDER)]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 3
        assert "the database of referral can't be used" in done.stderr


def test_the_command_counts_several_faults(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "reference"))
    (folder / "pools.yaml").unlink()
    (folder / "places.yaml").unlink()
    assert "2 faults; nothing was changed" in CliRunner().invoke(app, ["check", str(folder)]).stderr
