"""The history is the same, byte for byte, wherever a citizen lives, meets and however they move."""

import re
from typing import Any

import msgspec
import pytest
from referral_bench import Served
from referral_samples import fhir_appointment, patient, place, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

AN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def story(service: Served, **needs: Any) -> list[str]:
    """What is told of a citizen with these needs: referred, booked, moved, declined, withdrawn."""
    before = len(await service.events())
    body = referral()
    postcode = needs["postcode"]
    body["citizen"] |= {"address": {"line": "Testgrusgraven 3", "postcode": postcode}}
    body["needs"] |= needs
    body["consent"] = {"given": True, "given_at": "2026-11-30T09:00:00+01:00"}
    answer = await service.refer(body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    start = {"start": "2026-12-03T09:00:00+01:00", "end": "2026-12-03T09:30:00+01:00"}
    declined = {"participant": [patient() | {"status": "declined"}, place()]}
    for sent in (fhir_appointment(), fhir_appointment(**start, updated=None),
                 fhir_appointment(**start, updated=None) | declined):  # fmt: skip
        assert (await service.put(sent)).status_code in (200, 201)
    coordinator = {"Authorization": answer.request.headers["Authorization"]}
    path = f"/referrals/{made['referral_id']}/consent"
    assert (await service.running.client.delete(path, headers=coordinator)).status_code == 200
    told = (await service.events())[before:]
    return [
        AN_ID.sub("an id", f"{kind} {msgspec.json.encode(data).decode()}") for kind, data in told
    ]


async def test_what_is_told_differs_by_nothing_that_is_said_of_the_citizen(
    service: Served,
) -> None:
    first = await story(service, meeting="home", mobility="independent", postcode="8900")
    assert {line.split()[0] for line in first} >= {
        "referral.created", "need.opened", "need.changed", "need.closed", "attention.raised",
    }  # fmt: skip
    for other in (
        {"meeting": "at_location", "mobility": "independent", "postcode": "8900"},
        {"meeting": "home", "mobility": "wheelchair", "postcode": "8900"},
        {"meeting": "home", "mobility": "walking_aid", "postcode": "8930"},
        {"meeting": "home", "mobility": "independent", "postcode": "8900", "gender_wish": "female",
         "languages": ["so"]},
    ):  # fmt: skip
        assert await story(service, **other) == first, other
