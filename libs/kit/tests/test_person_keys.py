"""Keys are wrapped anew while the service runs: interrupted, beside writers, and all of them."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from brobyg_kit import faultpoints, keys_cli
from brobyg_kit.database import Database
from brobyg_kit.errors import MasterKeyMissing
from brobyg_kit.ids import derived_id
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.settings import KitSettings, own_database
from brobyg_kit.vault import key_id
from delivery_parts import Parts
from pydantic import SecretStr
from sqlalchemy import select, text, update
from things_with_keys import LOST, NEW, OLD, database_of, key_table, keys, metadata, opened, write
from typer.testing import CliRunner

WORKER = Path(__file__).parent / "support" / "things_with_keys.py"


def an_id(number: int) -> str:
    return derived_id("thing", str(number))


@pytest.fixture
async def database(parts: Parts) -> AsyncIterator[Database]:
    async with database_of(parts.database.url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield database


async def counts(database: Database, own: PersonKeys) -> dict[str, int]:
    async with database.connect() as connection:
        return await own.counts(connection)


async def rewrap(database: Database, own: PersonKeys, batch: int = 10) -> int:
    return sum([done.rewrapped async for done in own.rewrap(database, batch)])


async def killed(database: Database, batch: int, fault: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), database.url, str(batch),
        env={"BROBYG_FAULT_POINT": fault, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 40) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("fault", "done"),
    [(faultpoints.BEFORE_REWRAPPED_COMMIT, 0), (faultpoints.BETWEEN_REWRAPPED_BATCHES, 10)],
)
async def test_a_rotation_killed_half_way_is_carried_on_by_the_next(
    database: Database, fault: str, done: int
) -> None:
    for number in range(35):
        await write(database, keys(OLD), an_id(number))
    await killed(database, 10, fault)
    both = keys(NEW, OLD)
    expected = {key_id(NEW): done, key_id(OLD): 35 - done}
    assert await counts(database, both) == {one: n for one, n in expected.items() if n}
    assert set((await opened(database, both)).values()) == {True}
    assert await rewrap(database, both) == 35 - done
    assert await counts(database, both) == {key_id(NEW): 35}
    assert set((await opened(database, keys(NEW))).values()) == {True}
    assert await rewrap(database, both) == 0


async def test_writers_readers_and_erasures_go_on_beside_a_rotation(database: Database) -> None:
    """Processes with the setting of before and after write; nothing waits, nothing is lost."""
    for number in range(200):
        await write(database, keys(OLD), an_id(number))
    before, after = keys(OLD, NEW), keys(NEW, OLD)
    rotating = asyncio.Event()

    async def writes() -> int:
        number = 200
        while not rotating.is_set():
            await write(database, (before, after)[number % 2], an_id(number))
            number += 1
        return number

    async def erases() -> list[str]:
        gone: list[str] = []
        while not rotating.is_set() and len(gone) < 100:
            gone.append(an_id(2 * len(gone)))
            async with database.transaction() as tx:
                await after.destroy(tx, gone[-1:])
        return gone

    async def reads() -> None:
        while not rotating.is_set():
            await opened(database, after)

    async def rotates() -> None:
        await rewrap(database, after, 7)
        rotating.set()

    written, erased, _, _ = await asyncio.gather(writes(), erases(), reads(), rotates())
    assert written > 200
    assert erased
    await rewrap(database, after)  # what the process with the setting of before wrote at the end
    assert await counts(database, after) == {key_id(NEW): written - len(erased)}
    found = await opened(database, keys(NEW))
    assert len(found) == written
    assert {one for one, is_open in found.items() if not is_open} == set(erased)


async def test_a_key_that_somebody_holds_is_passed_over_and_done_at_the_end(
    database: Database,
) -> None:
    for number in range(3):
        await write(database, keys(OLD), an_id(number))
    both = keys(NEW, OLD)
    held, free = asyncio.Event(), asyncio.Event()

    async def holds() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(
                select(key_table).where(key_table.c.person_id == an_id(1)).with_for_update()
            )
            held.set()
            await free.wait()

    holder = asyncio.create_task(holds())
    await held.wait()
    seen = []
    async for done in both.rewrap(database):
        seen.append(done.rewrapped)
        free.set()
    await holder
    assert seen == [2, 1]


async def test_keys_of_a_missing_master_key_are_left_alone_and_told_by_readiness(
    database: Database,
) -> None:
    for number, master in enumerate((OLD, OLD, LOST)):
        await write(database, keys(master), an_id(number))
    own = keys(NEW, OLD)
    checked = await own.check(database)
    assert (checked.ok, key_id(LOST) in checked.detail) == (False, True)
    with pytest.raises(MasterKeyMissing):
        await opened(database, own)
    assert await rewrap(database, own) == 2
    assert await counts(database, own) == {key_id(NEW): 2, key_id(LOST): 1}
    assert (await keys(NEW, LOST).check(database)).ok
    assert await rewrap(database, keys(NEW, LOST)) == 1
    assert (await keys(NEW).check(database)).ok


@pytest.mark.parametrize("ours", [(OLD,), (NEW,), (OLD, NEW), (NEW, OLD), (OLD, NEW, LOST)])
async def test_a_missing_master_key_is_found_wherever_its_id_stands_among_ours(
    database: Database, ours: tuple[bytes, ...]
) -> None:
    assert (await keys(*ours).check(database)).ok
    for number, master in enumerate((OLD, NEW, LOST)):
        await write(database, keys(master), an_id(number))
    checked = await keys(*ours).check(database)
    assert checked.ok == ({OLD, NEW, LOST} == set(ours))


async def test_a_key_that_was_altered_stops_nothing_and_is_told(database: Database) -> None:
    for number in range(4):
        await write(database, keys(OLD), an_id(number))
    async with database.connect() as connection:
        await connection.execute(
            update(key_table).where(key_table.c.person_id == an_id(2)).values(wrapped=b"\0" * 60)
        )
    done = [one async for one in keys(NEW, OLD).rewrap(database, 10)]
    assert sum(one.rewrapped for one in done) == 3
    assert sum(one.unreadable for one in done) == 1


async def test_the_database_that_is_away_is_told_by_its_own_check_alone(database: Database) -> None:
    assert (await keys(NEW).check(Database(database.url, database.clock, "test"))).ok


class ThingSettings(KitSettings):
    """Stands for a service's."""

    thing_database: SecretStr = own_database("thing")


def command(monkeypatch: pytest.MonkeyPatch, database: Database, own: PersonKeys) -> typer.Typer:
    monkeypatch.setattr(keys_cli, "database_url", lambda *_: database.url)
    return keys_cli.keys_app("thing", ThingSettings, lambda _: own)


async def run(app: typer.Typer, *arguments: str) -> tuple[int, str]:
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return done.exit_code, done.stdout


async def test_the_commands_tell_what_each_master_key_wraps_and_when_it_may_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await write(database, keys(OLD), an_id(number))
    app = command(monkeypatch, database, keys(NEW, OLD))
    new, old = key_id(NEW), key_id(OLD)
    code, said = await run(app, "status", "--json")
    assert (code, json.loads(said)) == (
        keys_cli.REMAINING,
        {
            "master_keys": [
                {"master_key_id": new, "keys": 0, "role": "wraps"},
                {"master_key_id": old, "keys": 5, "role": "unwraps"},
            ],
            "remaining": 5,
        },
    )
    code, said = await run(app, "rotate", "--batch", "2", "--json")
    assert (code, json.loads(said)["remaining"], json.loads(said)["unreadable"]) == (0, 0, 0)
    code, said = await run(app, "status")
    assert code == 0
    assert "may go once it is the older one" in said
    await write(database, keys(LOST), an_id(9))
    code, said = await run(app, "rotate")
    assert (code, "missing" in said) == (keys_cli.REMAINING, True)


async def test_a_database_that_is_away_is_one_line_and_exit_code_1(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = command(monkeypatch, database, keys(NEW))
    monkeypatch.setattr(keys_cli, "database_url", lambda *_: "postgresql://nobody@127.0.0.1:1/x")
    assert await run(app, "rotate") == (1, "")


async def test_the_key_goes_with_its_person(database: Database) -> None:
    await write(database, keys(NEW), an_id(1))
    async with database.connect() as connection:
        await connection.execute(text("delete from thing"))
    assert await counts(database, keys(NEW)) == {}
