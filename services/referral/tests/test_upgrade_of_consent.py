"""What referrals had recorded of consent before it had scopes is carried over."""

import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.ids import derived_id
from brobyg_kit.migrate import migrate
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.cases.adapters.consents import PostgresConsents
from brobyg_referral.cases.adapters.referrals import PostgresReferrals
from brobyg_referral.metadata import metadata

THEN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
LAST = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
CITIZEN, ENDED, ACTIVE = derived_id("citizen"), derived_id("ended"), derived_id("active")
ALSO = derived_id("also active")


@pytest.fixture
async def before(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database of the revision before."""
    for name in ("0001_initial.py", "0002_erasure.py", "0003_keys.py"):
        shutil.copy(SERVICE.versions / name, tmp_path)
    connection = await asyncpg.connect(f"{postgres}/postgres")
    name = f"brobyg_referral_upgrade_{uuid.uuid4().hex[:10]}"
    await connection.execute(f'create database "{name}"')
    try:
        await migrate(f"{postgres}/{name}", metadata, tmp_path)
        yield f"{postgres}/{name}"
    finally:
        await connection.execute(f'drop database "{name}" with (force)')
        await connection.close()


async def fill(url: str) -> None:
    """A citizen with a referral that ended and two that are active, as they were stored then."""
    connection = await asyncpg.connect(url)
    # Erased, so that the test needs no key: what is sealed is another revision's to carry over.
    await connection.execute(
        "insert into citizen (citizen_id, created_at, erased_at) values ($1::text::uuid, $2, $2)",
        CITIZEN, THEN,
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (ENDED, CITIZEN, "consent_withdrawn", "escort", THEN, LATER),
        (ACTIVE, CITIZEN, "active", "escort", LATER, None),
        (ALSO, CITIZEN, "active", "reading", LAST, None),
    ]
    await connection.executemany(
        "insert into referral (referral_id, citizen_id, pathway, department, municipality_code,"
        " referrer_kind, organisation, status, consent_given_at, consent_withdrawn_at, created_at)"
        " values ($1::text::uuid, $2::text::uuid, $4, 'randers', '0730', 'gp', 'gp-1', $3,"
        " $5, $6, $5)",
        rows,
    )
    await connection.close()


async def test_it_is_consent_to_the_help_and_to_messages_in_an_unknown_text(
    before: str,
) -> None:
    await fill(before)
    assert "referral_consent" in await migrate(before, metadata, SERVICE.versions)
    database = Database(before, WallClock(), "test")
    await database.open()
    try:
        async with database.transaction() as tx:
            consents = await PostgresConsents().of_citizen(tx, CITIZEN)
            found = {
                one.referral_id: (one.status, one.consent_given_at, one.consent_withdrawn_at)
                for one in await PostgresReferrals().of_citizen(tx, CITIZEN)
            }
    finally:
        await database.close()
    assert [
        (one.referral_id, one.scope, one.given_at, one.withdrawn_at, one.text_id, one.taken_by)
        for one in consents
    ] == [
        (ENDED, "processing", THEN, LATER, None, None),
        (ENDED, "contact", THEN, LATER, None, None),
        (ACTIVE, "processing", LATER, None, None, None),
        (ACTIVE, "contact", LATER, None, None, None),
        (ALSO, "processing", LAST, None, None, None),
    ]
    assert [one.stands for one in consents] == [False, False, True, True, True]
    assert found == {
        ENDED: ("consent_withdrawn", THEN, LATER),
        ACTIVE: ("active", LATER, None),
        ALSO: ("active", LAST, None),
    }
