"""An erasure through the running services: one is down for a while, one comes back as a backup."""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_notification.bootstrap import SERVICE as NOTIFICATION
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from reference_data import store_reference
from sqlalchemy import text

Serve = Callable[..., AbstractAsyncContextManager[Running]]
KEY = base64.b64encode(b"k" * 32).decode()
OF_REFERRAL = {"referral_encryption_key": KEY, "referral_cpr_key": KEY}
OF_MATCHING = {
    "matching_link_keys": "k" * 32,
    "matching_registration_keys": "r" * 32,
    "matching_encryption_key": KEY,
    "matching_lookup_key": KEY,
}
OF_NOTIFICATION = {
    "notification_smtp": "smtp://127.0.0.1:1",
    "notification_sender": "Brobyg <brobyg@example.org>",
    "notification_coordinators": "randers=coordinator@example.org",
    "portal_url": "http://portal.example.org",
}
REFERRER = bearer("referrer", organisation="gp-4411")
COORDINATOR = bearer("coordinator", organisation="brobyg")
# An official test person.
BODY: dict[str, Any] = {
    "citizen": {
        "cpr": "0201609995",
        "given_name": "Einer Test",
        "family_name": "Lauridsen",
        "language": "da",
        "address": {"line": "Testgrusgraven 3, 3.th", "postcode": "8900"},
    },
    "pathway": "escort",
    "referrer_kind": "gp",
    "department": "randers-norddjurs",
    "consent": {"given": True, "given_at": "2026-11-23T10:00:00+01:00"},
    "needs": {
        "languages": ["da"],
        "gender_wish": None,
        "mobility": "independent",
        "meeting": "home",
        "postcode": "8900",
    },
}


def database_of(running: Running) -> Database:
    assert running.runtime.database is not None
    return running.runtime.database


async def rows(running: Running, statement: str) -> list[tuple[Any, ...]]:
    async with database_of(running).connect() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.mark.timeout(240)
async def test_an_erasure_reaches_whoever_was_down_and_whoever_comes_back_as_a_backup(
    serve: Serve, topics: str, clock: ManualClock
) -> None:
    async with serve(REFERRAL, role="run", clock=clock, **OF_REFERRAL) as referral:
        await store_reference(database_of(referral))
        made = await referral.client.post("/referrals", json=BODY, headers=REFERRER)
        assert made.status_code == 201, made.text
        citizen = made.json()["citizen_id"]

        async def status() -> dict[str, Any]:
            answer = await referral.client.get(f"/erasures/{citizen}", headers=COORDINATOR)
            return dict(answer.json())

        async with serve(MATCHING, role="run", clock=clock, **OF_MATCHING) as matching:
            record = "select postcode from citizen where postcode is not null"

            async def known() -> bool:
                return await rows(matching, record) == [("8900",)]

            await eventually(known, "matching knows the citizen", timeout=60)
            asked = await referral.client.delete(
                f"/citizens/{citizen}?reason=requested", headers=COORDINATOR
            )
            assert asked.status_code == 202

            async def heard() -> bool:
                found = await status()
                return [one["service"] for one in found["missing"]] == ["notification"]

            await eventually(heard, "matching has acknowledged", timeout=60)
            assert await rows(matching, record) == []

            # A backup of before the erasure is restored, while Kafka's offsets stay.
            await rows(
                matching,
                "update citizen set postcode = '8900', languages = '{da}',"
                " mobility = 'independent', meeting = 'home'",
            )
            for emptied in ("erased_person", "erasures_replayed"):
                await rows(matching, f"delete from {emptied}")
            assert matching.runtime.replay is not None
            assert await matching.runtime.replay.once() == 1
            assert await rows(matching, record) == []
        # Notification comes back after a day.
        clock.advance(timedelta(days=1))
        [missing] = (await status())["missing"]
        assert datetime.fromisoformat(missing["since"]) == clock.now() - timedelta(days=1)
        async with serve(NOTIFICATION, role="run", clock=clock, **OF_NOTIFICATION):

            async def all_heard() -> bool:
                return not (await status())["missing"]

            await eventually(all_heard, "notification has acknowledged", timeout=60)

        async def deleted() -> bool:
            return (await status())["tombstoned_at"] is not None

        await eventually(deleted, "the deletion is seen on the topic", timeout=60)
        assert (await status())["completed_at"] is None, "the topic is compacted within a day"
