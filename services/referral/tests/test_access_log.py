"""Opening who a citizen is: what for is asked and kept, in an emergency told, and shown to them."""

import pytest
from brobyg_kit import access_log
from brobyg_kit.testing import bearer
from referral_bench import Served
from referral_samples import FAMILY, GIVEN

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", department="randers-norddjurs")
ELSEWHERE = bearer("coordinator", department="aarhus")
OFFICER = bearer("data_protection")
SERVICE = bearer("service")
ACUTE = {"purpose": "safety", "emergency": "acute"}


async def test_a_purpose_is_asked_for_and_only_those_that_there_are(service: Served) -> None:
    path = f"/citizens/{(await service.referred())['citizen_id']}/contact"
    client = service.running.client
    for wrong in ("", "?purpose=curious", "?purpose=search", "?purpose="):
        refused = await client.get(f"{path}{wrong}", headers=COORDINATOR)
        assert refused.status_code == 422, wrong
    assert "expected one of: call, write, arrange" in refused.text
    for purpose, headers in (("message", COORDINATOR), ("call", SERVICE)):
        others = await client.get(f"{path}?purpose={purpose}", headers=headers)
        assert others.json()["title"] == "This purpose is not yours to say"
    why = {"purpose": "call", "emergency": "curious"}
    unknown = await client.post(path, json=why, headers=ELSEWHERE)
    assert (unknown.status_code, "expected one of: acute" in unknown.text) == (422, True)
    assert await service.rows("select 1 from access_entry") == []


async def test_in_an_emergency_another_department_sees_who_it_is_and_theirs_is_told(
    service: Served,
) -> None:
    citizen = (await service.referred())["citizen_id"]
    path, client = f"/citizens/{citizen}/contact", service.running.client
    assert (await client.get(f"{path}?purpose=safety", headers=ELSEWHERE)).status_code == 404
    assert await service.attention() == []
    for _ in range(2):
        seen = await client.post(path, json=ACUTE, headers=ELSEWHERE)
        assert (seen.status_code, seen.json()["name"]) == (200, f"{GIVEN} {FAMILY}")
    own = await client.post(path, json=ACUTE, headers=COORDINATOR)
    assert own.status_code == 200, "it is theirs to see: no emergency"
    (item,) = await service.rows("select kind, department, body from attention")
    assert (item["kind"], item["department"]) == ("identity_opened", "randers-norddjurs")
    assert (item["body"]["citizen_id"], item["body"]["reasons"]) == (citizen, ["acute"])
    assert GIVEN not in str(item["body"])
    kept = await service.rows("select department, emergency from access_entry order by id")
    assert [tuple(one.values()) for one in kept] == [
        ("aarhus", "acute"), ("aarhus", "acute"), ("randers-norddjurs", None),
    ]  # fmt: skip


async def test_once_the_citizen_is_erased_it_is_settled_and_staff_alone_see_who_has_seen_them(
    service: Served,
) -> None:
    citizen = (await service.referred())["citizen_id"]
    client = service.running.client
    await client.post(f"/citizens/{citizen}/contact", json=ACUTE, headers=ELSEWHERE)
    own = bearer("citizen", subject=citizen)
    assert (await client.get(f"/citizens/{citizen}/accesses", headers=own)).status_code == 200
    await client.delete(f"/citizens/{citizen}?reason=requested", headers=COORDINATOR)
    assert await service.rows("select outcome from attention") == [{"outcome": "no_longer_so"}]
    for headers, expected in ((own, 410), (OFFICER, 200), (COORDINATOR, 200)):
        told = await client.get(f"/citizens/{citizen}/accesses", headers=headers)
        assert told.status_code == expected


async def test_who_may_not_open_an_identity_may_not_in_an_emergency_either(
    service: Served,
) -> None:
    citizen = (await service.referred())["citizen_id"]
    path = f"/citizens/{citizen}/contact"
    for role in ("referrer", "hospital", "service", "data_protection"):
        headers = bearer(role, organisation="gp")
        answer = await service.running.client.post(path, json=ACUTE, headers=headers)
        assert answer.status_code == 403, role
    assert await service.rows("select 1 from access_entry") == []


async def test_who_has_seen_it_is_told_in_plain_words_and_by_nobodys_name(
    service: Served,
) -> None:
    citizen = (await service.referred())["citizen_id"]
    client = service.running.client
    await client.get(f"/citizens/{citizen}/contact?purpose=call", headers=COORDINATOR)
    async with service.database.transaction() as tx:
        await access_log.seal(tx)
    await client.post(
        f"/citizens/{citizen}/contact",
        json={"purpose": "safety", "emergency": "at_the_door"},
        headers=ELSEWHERE,
    )
    path = f"/citizens/{citizen}/accesses"
    told = (await client.get(f"{path}?language=en", headers=OFFICER)).json()
    assert told["before"] is None
    newest, oldest = told["accesses"]
    assert (newest["emergency_text"], newest["sealed"]) == (
        "you were with another department and needed help", False,
    )  # fmt: skip
    assert (oldest["purpose_text"], oldest["roles"], oldest["sealed"]) == (
        "to call you", ["coordinator"], True,
    )  # fmt: skip
    assert "reader" not in oldest
    danish = (await client.get(path, headers=COORDINATOR)).json()
    assert danish["accesses"][1]["purpose_text"] == "for at ringe til dig"
    older = (await client.get(f"{path}?before={newest['id']}", headers=OFFICER)).json()
    assert [one["id"] for one in older["accesses"]] == [oldest["id"]]
    for headers, expected in ((ELSEWHERE, 404), (bearer("referrer", organisation="gp"), 403)):
        assert (await client.get(path, headers=headers)).status_code == expected
