"""Master keys are changed while the service is used: no request fails, whatever is killed."""

import asyncio
import base64
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from brobyg_kit import faultpoints
from brobyg_kit.database import Database
from brobyg_kit.ids import derived_id
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.testing import Running, bearer
from brobyg_kit.vault import Vault, key_id
from brobyg_referral.bootstrap import SERVICE
from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.hashing import Hasher
from reference_data import store_reference
from referral_bench import KEYS, REFERRER
from referral_samples import CPR, GIVEN, MESSAGES, OTHER_CPR, PHONE, referral
from rotate_keys import KEYS as BOTH
from rotate_keys import NEWER, OLDER, rotate

Serve = Callable[..., AbstractAsyncContextManager[Running]]
SCRIPT = Path(__file__).parent / "rotate_keys.py"
HEAD_OFFICE, SENDER = bearer("coordinator"), bearer("service")
#: Citizens beside those of the requests.
KEPT = 300
CONTACT = Contact(given_name="Einer Test", family_name="Lauridsen", language="da", phone=PHONE)


def settings(*masters: bytes) -> dict[str, Any]:
    listed = ",".join(base64.b64encode(one).decode() for one in masters)
    return KEYS | {"referral_encryption_key": listed}


def database_of(running: Running) -> Database:
    assert running.runtime.database is not None
    return running.runtime.database


def citizens_of(*masters: bytes) -> PostgresCitizens:
    return PostgresCitizens(PersonKeys(person_key, Vault(masters)), Hasher(b"c" * 32))


async def keep(database: Database) -> None:
    """Citizens of before the rotation; no CPR number has these hashes."""
    async with database.transaction() as tx:
        for number in range(KEPT):
            new_id = derived_id("kept", str(number))
            await citizens_of(OLDER).find_or_add(tx, number.to_bytes(32, "big"), new_id, CONTACT)


async def counts(database: Database) -> dict[str, int]:
    async with database.connect() as connection:
        return await BOTH.counts(connection)


async def used(running: Running, cpr: str, stop: asyncio.Event) -> int:
    """The citizen is referred, reached, searched and erased, again and again; how often."""
    times, client = 0, running.client
    while not stop.is_set():
        body = referral(cpr, consents=[MESSAGES])
        made = await client.post("/referrals", json=body, headers=REFERRER)
        assert made.status_code == 201, made.text
        citizen = made.json()["citizen_id"]
        path = f"/citizens/{citizen}/contact?purpose=message"
        told = await client.get(path, headers=SENDER)
        assert (told.status_code, told.json()["given_name"]) == (200, GIVEN)
        found = await client.post("/citizens/search", json={"phone": PHONE}, headers=HEAD_OFFICE)
        assert citizen in [one["citizen_id"] for one in found.json()["citizens"]]
        erased = await client.delete(f"/citizens/{citizen}?reason=requested", headers=HEAD_OFFICE)
        assert erased.status_code == 202, erased.text
        times += 1
    return times


async def killed(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), url, "20",
        env={"BROBYG_FAULT_POINT": faultpoints.BETWEEN_REWRAPPED_BATCHES, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL


@pytest.mark.timeout(240)
async def test_a_master_key_is_changed_under_load_and_a_rotation_that_was_killed_goes_on(
    serve: Serve,
) -> None:
    async with serve(SERVICE, **settings(OLDER, NEWER)) as before:
        database, stop = database_of(before), asyncio.Event()
        await store_reference(database)
        await keep(database)
        # As in a rolling update: one process has the new key first, the other not yet.
        async with serve(SERVICE, beside=before, **settings(NEWER, OLDER)) as after:
            old_stops = asyncio.Event()
            load = [
                asyncio.create_task(used(before, CPR, old_stops)),
                asyncio.create_task(used(after, OTHER_CPR, stop)),
            ]
            try:
                await killed(database.url)
                assert (await counts(database))[key_id(NEWER)] >= 20
                assert await rotate(database.url, 20) >= KEPT - 20
                old_stops.set()
                assert await load[0] > 0
                await rotate(database.url, 20)  # what the process with the old setting wrote last
                assert set(await counts(database)) == {key_id(NEWER)}
                ready = await after.client.get("/readyz")
                assert ready.json()["checks"]["keys"]["ok"]
            finally:
                old_stops.set()
                stop.set()
            assert await load[1] > 0
        # The old key is dropped from the setting.
        async with serve(SERVICE, beside=before, **settings(NEWER)) as last:
            assert (await last.client.get("/readyz")).status_code == 200
            async with database_of(last).transaction() as tx:
                for number in range(KEPT):
                    kept = derived_id("kept", str(number))
                    assert await citizens_of(NEWER).contact(tx, kept) == CONTACT
