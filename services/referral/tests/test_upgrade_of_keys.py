"""Citizens that were sealed under the master key itself are carried over to keys of their own."""

import asyncio
import base64
import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest
from alembic.util import CommandError
from brobyg_kit import migrate as migrate_module
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.errors import TableInUse
from brobyg_kit.ids import derived_id
from brobyg_kit.migrate import migrate
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.testing import eventually
from brobyg_kit.vault import Vault, key_id
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.metadata import metadata
from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.name_rebuild import NameRebuild
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import terms_of
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from structlog.testing import capture_logs

OLDER, NEWER, CPR_KEY = b"1" * 32, b"2" * 32, b"c" * 32
CITIZENS, ERASED = 1_203, derived_id("citizen", "erased")


def contact_of(number: int) -> Contact:
    return Contact(
        given_name="Einer Test", family_name=f"Lauridsen {number}", language="da",
        phone=f"+45203{number:05}",
    )  # fmt: skip


def sealed_then(key: bytes, citizen_id: str, contact: Contact) -> tuple[str, bytes]:
    """The columns key_id and sealed, as the service wrote them before this revision."""
    name = hashlib.sha256(b"key-id\x00" + key).hexdigest()[:16]
    nonce = os.urandom(12)
    plain = msgspec.json.encode(contact)
    return name, nonce + AESGCM(key).encrypt(nonce, plain, f"{name}:{citizen_id}".encode())


@pytest.fixture
async def before(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database of the revision before, with citizens in it."""
    shutil.copy(SERVICE.versions / "0001_initial.py", tmp_path)
    connection = await asyncpg.connect(f"{postgres}/postgres")
    name = f"brobyg_referral_upgrade_{uuid.uuid4().hex[:10]}"
    await connection.execute(f'create database "{name}"')
    try:
        await migrate(f"{postgres}/{name}", metadata, tmp_path)
        yield f"{postgres}/{name}"
    finally:
        await connection.execute(f'drop database "{name}" with (force)')
        await connection.close()


async def fill(url: str, number: int = CITIZENS) -> None:
    connection = await asyncpg.connect(url)
    now = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    rows = []
    for one in range(number):
        citizen_id = derived_id("citizen", str(one))
        key = (OLDER, NEWER)[one % 2]
        sealed = sealed_then(key, citizen_id, contact_of(one))
        rows.append((citizen_id, one.to_bytes(32, "big"), *sealed, now, None))
    rows.append((ERASED, None, None, None, now, now))
    await connection.executemany(
        "insert into citizen (citizen_id, cpr_hash, key_id, sealed, created_at, erased_at)"
        " values ($1::text::uuid, $2, $3, $4, $5, $6)",
        rows,
    )
    await connection.close()


def give(monkeypatch: pytest.MonkeyPatch, *masters: bytes) -> None:
    listed = ",".join(base64.b64encode(one).decode() for one in masters)
    monkeypatch.setenv("BROBYG_REFERRAL_ENCRYPTION_KEY", listed)
    monkeypatch.setenv("BROBYG_REFERRAL_CPR_KEY", base64.b64encode(CPR_KEY).decode())


async def file_of_citizens(url: str) -> int:
    """The file that holds the table; one that is written anew has another."""
    connection = await asyncpg.connect(url)
    found: int = await connection.fetchval("select pg_relation_filenode('citizen')")
    await connection.close()
    return found


async def upgraded(url: str) -> list[str]:
    return await migrate(url, metadata, SERVICE.versions)


async def test_every_citizen_is_carried_over_and_found_by_name(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(before)
    give(monkeypatch, NEWER, OLDER)
    written = await file_of_citizens(before)
    assert "referral_0002_keys" in await upgraded(before)
    assert await file_of_citizens(before) != written, "dead rows have what they had"
    keys, hasher = PersonKeys(person_key, Vault([NEWER])), Hasher(CPR_KEY)
    database = Database(before, WallClock(), "test")
    await database.open()
    try:
        citizens = PostgresCitizens(keys, hasher)
        rebuilding = NameRebuild(database, citizens, hasher)
        async with database.connect() as connection:
            assert await rebuilding.remaining(connection) == CITIZENS
        assert sum([one.rebuilt async for one in rebuilding.batches()]) == CITIZENS
        async with database.transaction() as tx:
            assert await rebuilding.remaining(tx.connection) == 0
            assert await keys.counts(tx.connection) == {key_id(NEWER): CITIZENS}
            assert await citizens.contact(tx, ERASED) is None
            for one in range(0, CITIZENS, 100):
                citizen_id = derived_id("citizen", str(one))
                assert await citizens.contact(tx, citizen_id) == contact_of(one)
                found = await tx.driver.fetch(
                    "select token from name_token where citizen_id = $1::text::uuid", citizen_id
                )
                # The CPR number is kept nowhere, so that the date of birth comes with the next
                # referral.
                expected = {hasher.term(term) for term in terms_of(contact_of(one), None)}
                expected |= {hasher.rules(1), hasher.rules(2)}
                if (email := contact_of(one).email) is not None:
                    expected.add(hasher.email(email))
                assert {row["token"] for row in found} == expected
    finally:
        await database.close()


async def test_without_citizens_no_key_is_needed(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BROBYG_REFERRAL_ENCRYPTION_KEY", raising=False)
    assert "referral_0002_keys" in await upgraded(before)


async def test_a_missing_key_or_setting_is_named_and_nothing_is_changed(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(before, 3)
    monkeypatch.delenv("BROBYG_REFERRAL_ENCRYPTION_KEY", raising=False)
    with pytest.raises(CommandError, match="BROBYG_REFERRAL_ENCRYPTION_KEY"):
        await upgraded(before)
    give(monkeypatch, NEWER)
    with pytest.raises(CommandError, match=key_id(OLDER)):
        await upgraded(before)
    connection = await asyncpg.connect(before)
    assert await connection.fetchval("select count(key_id) from citizen") == 3
    assert await connection.fetchval("select to_regclass('person_key')") is None
    await connection.close()
    give(monkeypatch, NEWER, OLDER)
    assert "referral_0002_keys" in await upgraded(before)


#: What is sealed of somebody else opens as little as what was altered.
OF_ANOTHER = f"'\\x{sealed_then(OLDER, ERASED, contact_of(1))[1].hex()}'"


@pytest.mark.parametrize("altered", ["sealed || '\\x00'", "'\\x0102'", OF_ANOTHER])
async def test_an_altered_row_is_named_by_table_and_id_and_nothing_is_changed(
    before: str, monkeypatch: pytest.MonkeyPatch, altered: str
) -> None:
    await fill(before, 3)
    give(monkeypatch, NEWER, OLDER)
    wrong = derived_id("citizen", "1")
    connection = await asyncpg.connect(before)
    kept = await connection.fetchval(f"select sealed from citizen where citizen_id = '{wrong}'")
    await connection.execute(f"update citizen set sealed = {altered} where citizen_id = '{wrong}'")
    with pytest.raises(CommandError, match="table citizen, citizen_id") as refused:
        await upgraded(before)
    told = str(refused.value)
    assert wrong in told
    assert "backup" in told
    assert not any(word in told for word in ("Einer", "Lauridsen", "+4520"))
    assert await connection.fetchval("select count(key_id) from citizen") == 3
    await connection.execute(f"update citizen set sealed = $1 where citizen_id = '{wrong}'", kept)
    await connection.close()
    assert "referral_0002_keys" in await upgraded(before)


async def test_a_table_that_is_in_use_is_waited_for_and_others_do_not_wait_behind(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(before, 3)
    give(monkeypatch, NEWER, OLDER)
    monkeypatch.setattr(migrate_module, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(migrate_module, "_PAUSE_SECONDS", 0.05)
    user, other = await asyncpg.connect(before), await asyncpg.connect(before)
    using = user.transaction()
    await using.start()
    await user.execute("update citizen set created_at = created_at")
    going = asyncio.create_task(upgraded(before))
    try:
        with capture_logs() as said:

            async def told() -> bool:
                return any(one["event"] == "migrate.table_in_use" for one in said)

            await eventually(told, "the migration says what it waits for")
            # Whoever reads or writes meanwhile does, between its attempts.
            await asyncio.wait_for(
                other.execute("update citizen set erased_at = null where false"), 10
            )
        assert not going.done()
        await using.rollback()
        assert "referral_0002_keys" in await asyncio.wait_for(going, 60)
    finally:
        going.cancel()
        await user.close()
        await other.close()


async def test_a_table_that_is_never_free_ends_the_migration_with_what_to_do(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "_LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(migrate_module, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(migrate_module, "_ATTEMPTS", 3)
    user = await asyncpg.connect(before)
    using = user.transaction()
    await using.start()
    await user.execute("lock table citizen in access share mode")
    try:
        with pytest.raises(TableInUse, match="nothing was changed"):
            await upgraded(before)
    finally:
        await using.rollback()
        await user.close()
    assert "referral_0002_keys" in await upgraded(before)
