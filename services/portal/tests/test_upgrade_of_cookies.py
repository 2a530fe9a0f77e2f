"""Of a cookie that was changed before its use was stored the former one stays good for a minute.

And who asked for a link before networks were counted is sent it.
"""

import shutil
import uuid
from datetime import timedelta
from pathlib import Path

import asyncpg
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.migrate import migrate
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.adapters.sign_in_links import SignInLinks
from brobyg_portal.adapters.tables import metadata
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.session import Lifetime
from sqlalchemy import text

_SECRETS = ["a" * 43, "b" * 43]
_BEFORE = """
insert into session (session_id, token_hash, previous_hash, rotated_at, kind, subject, roles,
  form_key, began_at, seen_at, ends_at)
values (gen_random_uuid(), sha256('{new}'), sha256('{former}'), :now, 'staff', gen_random_uuid(),
  '{{}}', '', :now, :now, :ends)
"""
_REQUEST = "0190f000-0000-7000-8000-00000000aaaa"
_ASKED = """
insert into sign_in_request (request_id, browser_hash, address_hash, is_known, sealed, next,
  asked_at)
values (:request, '', sha256('x'), false, '', '/me', :now)
"""


async def test_a_changed_cookie_counts_as_used_and_its_former_one_as_before(
    postgres: str, clock: ManualClock, tmp_path: Path
) -> None:
    shutil.copy(SERVICE.versions / "0001_initial.py", tmp_path)
    name, (former, new), now = f"brobyg_portal_u{uuid.uuid4().hex[:10]}", _SECRETS, clock.now()
    server = await asyncpg.connect(f"{postgres}/postgres")
    await server.execute(f'create database "{name}"')
    database = Database(f"{postgres}/{name}", clock, SERVICE.name)
    try:
        await migrate(database.url, metadata, tmp_path)
        await database.open()
        async with database.connect() as connection:
            insert = text(_BEFORE.format(new=new, former=former))
            await connection.execute(insert, {"now": now, "ends": now + timedelta(hours=10)})
        for one in ("0002_cookies.py", "0003_sign_in_links.py"):
            shutil.copy(SERVICE.versions / one, tmp_path)
        assert "portal_0002" in await migrate(database.url, metadata, tmp_path)
        async with database.connect() as connection:
            await connection.execute(text(_ASKED), {"now": now, "request": _REQUEST})
        assert "portal_0004" in await migrate(database.url, metadata, SERVICE.versions)
        links = SignInLinks(database, clock, [b"k" * 32])
        async with database.transaction() as tx:
            (request,) = await links.waiting(tx, [_REQUEST])
            assert not await links.is_one_too_many(tx, request)
        sessions = Sessions(database, clock, Lifetime())
        assert (await sessions.seen(former)).session is not None
        clock.advance(timedelta(seconds=61))
        assert (await sessions.seen(new)).session is not None
        assert (await sessions.seen(former)).stolen
    finally:
        await database.close()
        await server.execute(f'drop database "{name}" with (force)')
        await server.close()
