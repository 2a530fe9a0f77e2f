"""A citizen may have several referrals: of several pathways, and ended ones beside a new one."""

from pathlib import Path

import pytest
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served, handled
from referral_samples import fhir_appointment, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMAS = Path(__file__).parents[3] / "schemas" / "pathways"
#: Ids begin with the time at which they were made (UUIDv7).
OLDER, NEWER = "01000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"
AGAIN = {"given": True, "given_at": "2026-11-30T09:00:00+01:00"}


@pytest.fixture
def walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another pathway that goes along to appointments."""
    escort = (SCHEMAS / "escort.toml").read_text()
    (tmp_path / "walks.toml").write_text(escort.replace('name = "escort"', 'name = "walks"'))
    monkeypatch.setenv("BROBYG_PATHWAYS", str(tmp_path))
    return "walks"


async def also_referred(service: Served, pathway: str, referral_id: str) -> str:
    """The citizen has this referral of another pathway too."""
    await service.rows(
        "insert into referral (referral_id, citizen_id, pathway, department, municipality_code,"
        " referrer_kind, organisation, status, created_at)"
        f" select '{referral_id}', citizen_id, '{pathway}', department, municipality_code,"
        " referrer_kind, organisation, status, created_at from referral limit 1"
    )
    await service.rows(
        "insert into consent (referral_id, citizen_id, scope, by_guardian, given_at)"
        f" select '{referral_id}', citizen_id, scope, by_guardian, given_at from consent limit 1"
    )
    return referral_id


async def withdraw(service: Served, referral_id: str) -> None:
    await service.running.client.delete(f"/referrals/{referral_id}/consent", headers=REFERRER)


async def booked_under(service: Served) -> list[tuple[str, str]]:
    """The referral and the pathway of each need that was opened."""
    return [
        (need["referral_id"], need["pathway"])
        for kind, need in await service.needs()
        if kind == "opened" and need["about_kind"] == "appointment"
    ]


@pytest.mark.parametrize("escort_is_first", [True, False])
async def test_an_appointment_is_the_referrals_whose_pathway_is_about_appointments(
    service: Served, escort_is_first: bool
) -> None:
    order = ["escort", "toy_caseload"] if escort_is_first else ["toy_caseload", "escort"]
    made = {one: (await service.referred(pathway=one))["referral_id"] for one in order}
    assert (await service.put(fhir_appointment())).status_code == 201
    await handled(service, fhir_appointment("A-2", start="2026-12-03T09:00:00+01:00",
                                            end="2026-12-03T09:30:00+01:00"))  # fmt: skip
    assert await booked_under(service) == [(made["escort"], "escort")] * 2


async def test_an_appointment_is_never_an_ended_referrals(service: Served) -> None:
    first = (await service.referred())["referral_id"]
    await service.put(fhir_appointment())
    await withdraw(service, first)
    assert (await service.put(fhir_appointment())).status_code == 202
    second = (await service.referred(consent=AGAIN))["referral_id"]
    assert (await service.put(fhir_appointment())).status_code == 201
    assert await booked_under(service) == [(first, "escort"), (second, "escort")]
    await withdraw(service, second)
    assert (await service.put(fhir_appointment())).status_code == 202


async def test_an_ended_referral_beside_another_pathways_gets_nothing(
    service: Served, walks: str
) -> None:
    first = (await service.referred())["referral_id"]
    other = await also_referred(service, walks, NEWER)
    await withdraw(service, other)
    await service.put(fhir_appointment())
    assert await booked_under(service) == [(first, "escort")]


@pytest.mark.parametrize("newer", [True, False])
async def test_of_several_active_ones_it_is_the_newest_and_stays_where_it_is(
    service: Served, walks: str, newer: bool
) -> None:
    first = (await service.referred())["referral_id"]
    other = await also_referred(service, walks, NEWER if newer else OLDER)
    expected = (other, walks) if newer else (first, "escort")
    await service.put(fhir_appointment())
    assert await booked_under(service) == [expected]
    await withdraw(service, first if newer else other)
    moved = {"start": "2026-12-03T09:00:00+01:00", "end": "2026-12-03T09:30:00+01:00"}
    assert (await service.put(fhir_appointment(**moved, updated=None))).status_code == 200
    assert (await service.needs())[-1][1]["referral_id"] == expected[0]


async def test_what_was_entered_under_an_older_one_is_what_the_hospital_sends(
    service: Served, walks: str
) -> None:
    first = (await service.referred())["referral_id"]
    body = {
        "referral_id": first,
        "location_id": "randers-hospital",
        "starts_at": "2026-12-02T09:00:00+01:00",
        "ends_at": "2026-12-02T09:30:00+01:00",
    }
    entered = await service.running.client.post("/appointments", json=body, headers=REFERRER)
    await also_referred(service, walks, NEWER)
    sent = await service.put(fhir_appointment())
    assert sent.json()["id"] == entered.json()["appointment_id"]
    assert await booked_under(service) == [(first, "escort")]


async def test_a_second_active_one_of_a_pathway_is_refused_and_the_first_named(
    service: Served,
) -> None:
    first = (await service.referred())["referral_id"]
    await service.referred(pathway="toy_caseload")
    refused = await service.refer()
    assert (refused.status_code, refused.json()["detail"]) == (409, f"referral {first}")
    await withdraw(service, first)
    second = (await service.referred(consent=AGAIN))["referral_id"]
    path = f"/referrals/{first}/consent"
    again = await service.running.client.put(
        path, json={"given_at": AGAIN["given_at"]}, headers=REFERRER
    )
    assert (again.status_code, again.json()["detail"]) == (409, f"referral {second}")


async def test_the_first_is_not_named_to_who_may_not_see_it(service: Served) -> None:
    theirs = bearer("referrer", organisation="gp-9999")
    first = (await service.refer(referral(), theirs)).json()["referral_id"]
    path = f"/referrals/{first}/consent"
    await service.running.client.delete(path, headers=theirs)
    mine = (await service.referred(consent=AGAIN))["referral_id"]
    again = await service.running.client.put(
        path, json={"given_at": AGAIN["given_at"]}, headers=theirs
    )
    assert (again.status_code, again.json()["detail"]) == (409, "made by another organisation")
    assert mine not in again.text
