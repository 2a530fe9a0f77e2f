"""Who read who somebody is: recorded without waiting, sealed in a chain, and found when changed."""

import asyncio
import json
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from brobyg_kit import access_log, access_log_cli
from brobyg_kit import migrate as migrating
from brobyg_kit.access_log import MOST, Sealing, Verified, end, record, seal, verify
from brobyg_kit.auth import Caller
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Transaction
from brobyg_kit.health import Heartbeat
from brobyg_kit.ids import derived_id
from brobyg_kit.migrate import migrate
from brobyg_kit.restriction import restrict
from brobyg_kit.testing import eventually
from delivery_parts import NO_VERSIONS, Parts
from sqlalchemy import MetaData, text
from typer.testing import CliRunner

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
CALLER = Caller(derived_id("coordinator"), frozenset({"coordinator"}), "municipality", "randers")
PERSONS = tuple(derived_id("person", str(number)) for number in range(3))


async def read(parts: Parts, *persons: str, at: datetime = NOW) -> None:
    """Somebody opens who these are."""
    parts.database.clock = ManualClock(at)
    async with parts.database.transaction() as tx:
        await record(tx, CALLER, persons, "call")


async def sealed(parts: Parts) -> int:
    async with parts.database.transaction() as tx:
        return await seal(tx)


async def looked_through(parts: Parts, noted: tuple[int, str] | None = None) -> Verified:
    async with parts.database.transaction() as tx:
        return await verify(tx.connection, tx.now, noted)


async def tampered(parts: Parts, *statements: str) -> None:
    """What whoever owns the database could do: the guards are taken away first."""
    for statement in (
        "alter table access_entry disable trigger user",
        "alter table access_seal disable trigger user",
        *statements,
    ):
        await parts.pool.execute(statement)


async def three_seals(parts: Parts) -> Verified:
    for person in PERSONS:
        await read(parts, person, PERSONS[0])
        assert await sealed(parts) == 2
    found = await looked_through(parts)
    assert (found.seals, found.entries, found.last, found.broken) == (3, 6, 3, "")
    return found


#: What is done to the log, and what verifying says then.
TAMPERING = (
    ("update access_entry set purpose = 'search' where id = 3", "seal 2 or an entry under"),
    ("update access_entry set read_at = read_at + '1 second' where id = 6", "seal 3 or an"),
    ("update access_entry set reader = person_id::text where id = 1", "seal 1 or an entry"),
    ("delete from access_entry where id = 4", "seal 2 is over 2 entries, and there are 1"),
    ("update access_entry set seal = 3 where id = 1", "seal 1 is over 2 entries"),
    ("update access_seal set sealed_at = now() where no = 2", "seal 2 or an entry under it"),
    ("delete from access_seal where no = 2", "entry 3 is under a seal that is not there, or has"),
    (
        (
            "with gone as (delete from access_entry where seal = 2)"
            " delete from access_seal where no = 2"
        ),
        "seal 2 is missing",
    ),
    (
        "update access_seal set previous = sha256(previous) where no = 2",
        "seal 2 does not follow the one before",
    ),
    (
        (
            "insert into access_entry (person_id, read_at, reader, roles, purpose, seal)"
            " select person_id, read_at, reader, roles, purpose, 1 from access_entry limit 1"
        ),
        "seal 1 is over 2 entries, and there are 3",
    ),
)


async def test_what_is_changed_afterwards_breaks_the_chain_where_it_was_changed(
    parts: Parts,
) -> None:
    await three_seals(parts)
    await tampered(parts)
    for statement, broken in TAMPERING:
        async with parts.database.transaction() as tx, tx.connection.begin_nested() as changed:
            await tx.connection.execute(text(statement))
            assert broken in (await verify(tx.connection, tx.now)).broken, statement
            await changed.rollback()
    assert (await looked_through(parts)).broken == ""


async def test_a_noted_seal_finds_out_a_log_that_was_written_anew(parts: Parts) -> None:
    before = await three_seals(parts)
    noted = (before.last, before.last_hash)
    await tampered(
        parts, "delete from access_entry where seal = 3", "delete from access_seal where no = 3"
    )
    assert (await looked_through(parts)).broken == ""
    assert "seal 3 is not there as it was noted" in (await looked_through(parts, noted)).broken
    await read(parts, PERSONS[1])
    await sealed(parts)
    assert "seal 3 is not there as it was noted" in (await looked_through(parts, noted)).broken
    assert (await looked_through(parts, (2, (await hashes(parts))[2]))).broken == ""


async def hashes(parts: Parts) -> dict[int, str]:
    rows = await parts.pool.fetch("select no, encode(hash, 'hex') from access_seal")
    return dict(map(tuple, rows))


@pytest.mark.parametrize(
    "statement",
    [
        "update access_entry set purpose = 'search'",
        "update access_entry set seal = null",
        "update access_entry set seal = 2",
        "update access_entry set seal = 1 where seal = 1",
        "delete from access_entry",
        "update access_seal set entries = 1",
        "delete from access_seal",
    ],
)
async def test_the_log_is_only_added_to(parts: Parts, statement: str) -> None:
    await read(parts, *PERSONS)
    await sealed(parts)
    with pytest.raises(asyncpg.RestrictViolationError, match="only added to"):
        await parts.pool.execute(statement)


async def test_no_reading_waits_for_a_seal_and_no_seal_for_a_reading(parts: Parts) -> None:
    parts.database.clock = ManualClock(NOW)
    async with asyncio.timeout(20), parts.database.transaction() as slow:
        await record(slow, CALLER, [PERSONS[0]], "call")
        async with parts.database.transaction() as sealing:
            await read(parts, PERSONS[1])
            assert await seal(sealing) == 1
            await read(parts, PERSONS[2])
    found = await looked_through(parts)
    assert (found.entries, found.unsealed, found.unsealed_since) == (1, 2, NOW)
    assert await sealed(parts) == 2, "also what was written before the first seal and came late"
    found = await looked_through(parts)
    assert (found.entries, found.unsealed, found.broken) == (3, 0, "")


async def test_the_loop_seals_all_at_once_then_each_minute_and_one_process_at_a_time(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "MOST", 2)
    monkeypatch.setattr(access_log, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(access_log, "_PAUSE_SECONDS", 0.01)
    await read(parts, *PERSONS)
    loops = [Sealing(parts.database, Heartbeat("sealing")) for _ in range(2)]
    running = [asyncio.create_task(one.run()) for one in loops]

    async def seals() -> int:
        return await parts.pool.fetchval("select count(*) from access_seal")

    async def sealed_twice() -> bool:
        return await seals() == 2

    async def sealed_anew() -> bool:
        return await seals() == 3

    await eventually(sealed_twice, "two are sealed, and the one that is left")
    await read(parts, PERSONS[0])
    await eventually(sealed_anew, "what came since is sealed")
    for one in loops:
        one.stop()
    async with asyncio.timeout(10):
        await asyncio.gather(*running)
    found = await looked_through(parts)
    assert (found.seals, found.unsealed, found.broken) == (3, 0, "")


async def test_entries_go_with_their_whole_seal_and_the_chain_stays(parts: Parts) -> None:
    long_ago = NOW - timedelta(days=2_000)
    for days, person in enumerate(PERSONS):
        await read(parts, person, at=long_ago + timedelta(days=days))
        await sealed(parts)
    await read(parts, PERSONS[0], at=long_ago)
    parts.database.clock = ManualClock(NOW)

    async def ended(tx: Transaction) -> int:
        return await end(tx, long_ago + timedelta(days=2), 10)

    async with parts.database.transaction() as tx:
        await restrict(tx, PERSONS[1], "objection", "actor")
        assert await ended(tx) == 2, "also what was over and not sealed yet"
    found = await looked_through(parts)
    assert (found.seals, found.ended, found.entries, found.unsealed) == (4, 2, 2, 0)
    assert found.broken == ""
    assert await parts.pool.fetchval("select count(*) from access_entry") == 2
    await parts.pool.execute("delete from restriction")
    async with parts.database.transaction() as tx:
        assert (await ended(tx), await ended(tx)) == (1, 0)
    assert (await looked_through(parts)).broken == ""


@pytest.mark.parametrize("ended_at", [NOW, NOW + timedelta(days=4_000)])
async def test_a_seal_that_was_ended_before_its_time_is_found(
    parts: Parts, ended_at: datetime
) -> None:
    await three_seals(parts)
    await parts.pool.execute("update access_seal set ended_at = $1 where no = 2", ended_at)
    await parts.pool.execute("delete from access_entry where seal = 2")
    assert "seal 2 was ended before its time" in (await looked_through(parts)).broken
    await read(parts, PERSONS[0])
    with pytest.raises(asyncpg.RestrictViolationError, match="only added to"):
        await parts.pool.execute("update access_entry set seal = 2 where seal is null")


async def test_entries_that_nobody_seals_are_late(parts: Parts) -> None:
    await read(parts, PERSONS[0])
    assert not (await looked_through(parts)).late
    parts.database.clock = ManualClock(NOW + timedelta(minutes=16))
    assert (await looked_through(parts)).late


async def test_thousands_are_one_seal_and_the_rest_another(parts: Parts) -> None:
    await read(parts, *(derived_id("person", str(number)) for number in range(MOST + 1)))
    assert (await sealed(parts), await sealed(parts), await sealed(parts)) == (MOST, 1, 0)
    assert (await looked_through(parts)).entries == MOST + 1


async def test_the_command_says_whether_the_log_is_whole(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"referral": parts.database.url}
    monkeypatch.setattr(
        access_log_cli,
        "database_url",
        lambda _, name: there.get(name, "postgresql://127.0.0.1:1/none"),
    )
    monkeypatch.setattr(access_log_cli, "service_entry_points", lambda: ["matching", "referral"])
    monkeypatch.setattr(access_log_cli, "own_server", lambda _: "")

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(
            CliRunner().invoke, access_log_cli.app, ["verify", *arguments]
        )

    last = (await three_seals(parts)).last_hash
    whole = await run("referral")
    assert whole.exit_code == 0, whole.output
    assert f"referral: whole: 6 entries under 3 seals (0 over their time); last seal 3:{last}" in (
        whole.output
    )
    both = await run()
    assert (both.exit_code, "the database of matching can't be used" in both.output) == (3, True)
    assert (await run("referral", "--noted", f"3:{last}")).exit_code == 0
    assert (await run("referral", "--noted", f"2:{last}")).exit_code == 1
    for wrong in (("portal",), ("--noted", f"3:{last}"), ("referral", "--noted", "3")):
        assert (await run(*wrong)).exit_code == 2
    await tampered(parts, "update access_entry set purpose = 'write' where id = 1")
    broken = await run("referral", "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["referral"]["broken"].startswith("seal 1 or an entry")


async def test_exports_that_were_recorded_apart_are_in_the_log_after_the_upgrade(
    postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = Path(shutil.copytree(migrating.MIGRATIONS, tmp_path / "migrations"))
    for one in (before / "versions").glob("*.py"):
        if one.name >= "0005_access_log.py":
            one.unlink()
    name = f"brobyg_access_log_{uuid.uuid4().hex[:10]}"
    server = await asyncpg.connect(f"{postgres}/postgres")
    await server.execute(f'create database "{name}"')
    try:
        with monkeypatch.context() as patched:
            patched.setattr(migrating, "MIGRATIONS", before)
            await migrate(f"{postgres}/{name}", MetaData(), NO_VERSIONS)
        connection = await asyncpg.connect(f"{postgres}/{name}")
        await connection.executemany(
            "insert into export_log (person_id, reader, exported_at) values ($1, $2, $3)",
            [(person, "somebody", NOW) for person in PERSONS],
        )
        await migrate(f"{postgres}/{name}", MetaData(), NO_VERSIONS)
        kept = await connection.fetch(
            "select person_id::text, reader, roles, purpose, read_at from access_entry order by id"
        )
        assert list(map(tuple, kept)) == [(one, "somebody", [], "export", NOW) for one in PERSONS]
        assert await connection.fetchval("select to_regclass('export_log')") is None
        await connection.close()
    finally:
        await server.execute(f'drop database "{name}" with (force)')
        await server.close()
