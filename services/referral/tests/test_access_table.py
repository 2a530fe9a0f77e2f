"""Who may do what is the table's to say, and so is in which role it is done."""

import pytest
from brobyg_kit.testing import bearer
from referral_bench import Served
from referral_samples import FAMILY, GIVEN, PHONE
from test_consents import give, listed, withdraw

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_consent_is_recorded_in_the_role_that_reaches_the_citizen(service: Served) -> None:
    made = await service.referred()
    organisation = (await service.rows("select organisation from referral"))[0]["organisation"]
    both = bearer("coordinator", "referrer", organisation=organisation, department="aarhus")
    assert (await give(service, made, "research", both)).status_code == 200
    assert (await withdraw(service, made, "research", both)).is_success
    (research,) = (one for one in await listed(service, made) if one["scope"] == "research")
    assert (research["taken_role"], research["withdrawn_role"]) == ("referrer", "referrer")


async def test_who_may_open_an_identity_is_told_all_though_a_service_too(service: Served) -> None:
    citizen = (await service.referred())["citizen_id"]
    path = f"/citizens/{citizen}/contact"
    both = bearer("service", "coordinator", department="randers")
    elsewhere = bearer("service", "coordinator", department="aarhus")
    told = await service.running.client.get(f"{path}?purpose=call", headers=both)
    assert (told.json()["name"], told.json()["phone"]) == (f"{GIVEN} {FAMILY}", PHONE)
    # Elsewhere they are but a service, and the citizen has agreed to no messages.
    found = [
        (await service.running.client.get(f"{path}?purpose={one}", headers=elsewhere)).status_code
        for one in ("message", "call")
    ]
    assert found == [403, 422]
