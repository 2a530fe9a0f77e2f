"""How helpers are reached stood in the open; it is sealed under keys of their own."""

import base64
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic.util import CommandError
from brobyg_kit.auth import Caller
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.migrate import migrate
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.tables import metadata
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.ports import Contact
from matching_samples import CONTACTS, LOOKUP_KEY, MASTER_KEY, an_id

HELPERS = 1_101
_HELPER = """insert into helper (helper_id, status, pools, departments, languages, gender,
    competences, home_postcode, range_metres, travel, availability, away, weekly_limit,
    registered_at) values ($1::text::uuid, 'active', '{student}', '{randers-norddjurs}', '{da}',
    'female', '{}', '8900', 1, 'car', '[]', '{}', 1, now())"""
_CONTACT = """insert into helper_contact (helper_id, name, email, email_key, phone, language)
    values ($1::text::uuid, $2, $3, $4, $5, $6)"""

ME = Caller("me", frozenset({"coordinator"}))


def contact_of(number: int) -> Contact:
    phone = f"+4520{number:06}" if number % 2 else None
    return Contact(
        name=f"Ida Test {number}", email=f"Ida{number}@Example.org", phone=phone, language="da"
    )


@pytest.fixture
async def before(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database of the revision before, with helpers in it."""
    shutil.copy(SERVICE.versions / "0001_initial.py", tmp_path)
    server = await asyncpg.connect(f"{postgres}/postgres")
    name = f"brobyg_matching_upgrade_{uuid.uuid4().hex[:10]}"
    await server.execute(f'create database "{name}"')
    try:
        await migrate(f"{postgres}/{name}", metadata, tmp_path)
        connection = await asyncpg.connect(f"{postgres}/{name}")
        ids = [an_id(f"helper {one}") for one in range(HELPERS)]
        await connection.executemany(_HELPER, [(one,) for one in ids])
        contacts = map(contact_of, range(HELPERS))
        await connection.executemany(
            _CONTACT,
            [
                (one, c.name, c.email, c.email.casefold(), c.phone, c.language)
                for one, c in zip(ids, contacts, strict=True)
            ],
        )
        await connection.close()
        yield f"{postgres}/{name}"
    finally:
        await server.execute(f'drop database "{name}" with (force)')
        await server.close()


def give(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in (("ENCRYPTION", MASTER_KEY), ("LOOKUP", LOOKUP_KEY)):
        monkeypatch.setenv(f"BROBYG_MATCHING_{name}_KEY", base64.b64encode(key).decode())


async def test_every_contact_is_sealed_and_who_registers_twice_is_still_noticed(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch)
    assert "matching_0002_keys" in await migrate(before, metadata, SERVICE.versions)
    database = Database(before, WallClock(), "test")
    await database.open()
    try:
        helpers = PostgresHelpers(database, CONTACTS)
        for one in range(0, HELPERS, 100):
            assert await helpers.contact(an_id(f"helper {one}"), ME, "call") == contact_of(one)
        async with database.transaction() as tx:
            for one in (4, 5):
                again = Contact(
                    name="X", email=contact_of(one).email.upper(), phone=None, language="da"
                )
                assert await helpers.alike(tx, again) == [an_id(f"helper {one}")]
            number = Contact(
                name="X", email="x@example.org", phone=contact_of(7).phone, language="da"
            )
            assert await helpers.alike(tx, number) == [an_id("helper 7")]
            assert await tx.driver.fetchval("select count(*) from person_key") == HELPERS
            assert await tx.driver.fetchval("select count(*) from helper_contact") == HELPERS
    finally:
        await database.close()


async def test_nothing_of_it_stays_in_the_open_anywhere_in_the_database(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch)
    connection = await asyncpg.connect(before)
    tables = "select table_name from information_schema.tables where table_schema = 'public'"

    async def told() -> int:
        total = 0
        for row in await connection.fetch(tables):
            total += await connection.fetchval(
                f"select count(*) from {row[0]} as one"
                " where one::text ~* 'example.org|ida.test|[+]4520'"
            )
        return total

    assert await told() == HELPERS
    await migrate(before, metadata, SERVICE.versions)
    assert await told() == 0
    await connection.close()


async def test_a_missing_setting_is_named_and_nothing_is_changed(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BROBYG_MATCHING_ENCRYPTION_KEY", raising=False)
    with pytest.raises(CommandError, match="BROBYG_MATCHING_ENCRYPTION_KEY"):
        await migrate(before, metadata, SERVICE.versions)
    connection = await asyncpg.connect(before)
    assert await connection.fetchval("select count(email) from helper_contact") == HELPERS
    await connection.close()
