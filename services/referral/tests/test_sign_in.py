"""The portal finds who signs in by their mail address: ids alone, of whoever is kept."""

from typing import Any

import msgspec
import pytest
from brobyg_kit.testing import bearer
from brobyg_referral.people.adapters.citizens import sealed
from brobyg_referral.people.adapters.tables import citizen as table
from rebuild_names import rebuilding
from referral_bench import Served
from referral_samples import CPR, OTHER_CPR, UNKNOWN_CPR, referral
from sqlalchemy import update

pytestmark = pytest.mark.asyncio(loop_scope="session")
PORTAL, COORDINATOR = bearer("portal"), bearer("coordinator")
ADDRESS = "Einer.Test@example.org"


def citizen(cpr: str, email: str | None) -> dict[str, Any]:
    return referral(cpr) | {"citizen": referral(cpr)["citizen"] | {"email": email}}


async def known(service: Served, email: str = ADDRESS) -> list[str]:
    answer = await service.running.client.post(
        "/citizens/sign-in", json={"email": email}, headers=PORTAL
    )
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["people"], "ids alone"
    return [str(one) for one in answer.json()["people"]]


async def may(service: Served, citizen_id: str) -> int:
    path = f"/citizens/{citizen_id}/sign-in"
    return (await service.running.client.get(path, headers=PORTAL)).status_code


async def test_who_is_helped_is_found_by_the_address_however_it_is_written(service: Served) -> None:
    made = (await service.refer(citizen(CPR, ADDRESS))).json()["citizen_id"]
    await service.refer(citizen(OTHER_CPR, None))
    for written in (ADDRESS, ADDRESS.lower(), ADDRESS.upper()):
        assert await known(service, written) == [made]
    assert await known(service, "einer@example.org") == []
    assert await may(service, made) == 204
    assert await may(service, "0190f000-0000-7000-8000-00000000ffff") == 410


async def test_who_is_kept_may_come_in_restricted_or_not_and_who_is_erased_may_not(
    service: Served,
) -> None:
    """To see what is kept of them; the help of some is over."""
    made = [(await service.refer(citizen(one, ADDRESS))).json() for one in (CPR, OTHER_CPR)]
    left = (await service.refer(citizen(UNKNOWN_CPR, ADDRESS))).json()
    erased, restricted = (one["citizen_id"] for one in made)
    ids = sorted([erased, restricted, left["citizen_id"]])
    assert await known(service) == ids
    client = service.running.client
    await client.delete(f"/referrals/{left['referral_id']}/consent", headers=COORDINATOR)
    assert await known(service) == [*sorted([erased, restricted]), left["citizen_id"]]
    body = {"reason": "objection"}
    await client.put(f"/citizens/{restricted}/restriction", json=body, headers=COORDINATOR)
    await client.delete(f"/citizens/{erased}?reason=requested", headers=COORDINATOR)
    assert await known(service) == [restricted, left["citizen_id"]]
    assert [await may(service, one) for one in ids] == [
        410 if one == erased else 204 for one in ids
    ]
    rows = await service.rows(f"select 1 from name_token where citizen_id = '{erased}'")
    assert rows == [], "nothing is left of what found them"


async def test_who_is_helped_now_is_found_among_many_who_were_at_the_same_address(
    service: Served,
) -> None:
    made = (await service.refer(citizen(CPR, ADDRESS))).json()["citizen_id"]
    token = rebuilding(service.database)._hasher.email(ADDRESS).hex()
    for number in range(25):
        former = f"00000000-0000-7000-8000-{number:012x}"
        await service.rows(
            "insert into citizen (citizen_id, cpr_hash, sealed, created_at) values"
            f" ('{former}', '\\x{number:064x}', '', now())"
        )
        await service.rows(f"insert into name_token values ('{former}', '\\x{token}')")
    found = await known(service)
    assert (found[0], len(found)) == (made, 5)


async def test_who_was_there_before_the_address_was_indexed_is_found_after_the_upgrade(
    service: Served,
) -> None:
    """As version 1 of the rules left them: their names, and its own token, and no address."""
    made = (await service.refer(citizen(CPR, ADDRESS))).json()["citizen_id"]
    # What version 2 wrote besides.
    hasher = rebuilding(service.database)._hasher
    newer = ", ".join(f"'\\x{one.hex()}'" for one in (hasher.email(ADDRESS), hasher.rules(2)))
    await service.rows(f"delete from name_token where token in ({newer})")
    # Sealed before the date of birth was: it can't be made anew, and must not be lost.
    async with service.database.transaction() as tx:
        citizens = rebuilding(service.database)._citizens
        contact = msgspec.structs.replace(await citizens.contact(tx, made), born=None)
        key = await citizens._keys.load(tx.connection, made)
        values = {"sealed": sealed(key, contact)}
        await tx.connection.execute(update(table).where(table.c.citizen_id == made).values(values))
    assert await known(service) == []
    done = [one async for one in rebuilding(service.database).batches()]
    assert [(one.rebuilt, one.unreadable) for one in done] == [(1, 0)]
    assert await known(service) == [made]
    search = {"birth_date": "1960-01-02"}
    found = await service.running.client.post("/citizens/search", json=search, headers=COORDINATOR)
    assert [one["citizen_id"] for one in found.json()["citizens"]] == [made]


async def test_an_address_that_is_changed_is_found_no_more(service: Served) -> None:
    made = (await service.refer(citizen(CPR, ADDRESS))).json()["citizen_id"]
    moved = citizen(CPR, "new@example.org") | {"pathway": "toy_caseload"}
    assert (await service.refer(moved)).json()["citizen_id"] == made
    assert await known(service) == []
    assert await known(service, "new@example.org") == [made]
