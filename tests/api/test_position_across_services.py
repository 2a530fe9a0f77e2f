"""What a command's answer says of its position, reporting waits for, with a real token of each."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import brobyg_referral.bootstrap
import brobyg_reporting.bootstrap
import httpx2
import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import Running, bearer
from reference_data import give_reference, store_reference

from tests.api.test_unknown_events import SETTINGS

Serve = Callable[..., AbstractAsyncContextManager[Running]]

REFERRAL = {
    "citizen": {
        "cpr": "0201609995",
        "given_name": "Einer Test",
        "family_name": "Lauridsen",
        "language": "da",
        "email": "einer.lauridsen@example.org",
        "phone": "+4520304050",
        "address": {"line": "Testgrusgraven 3, 3.th", "postcode": "8900"},
    },
    "pathway": "escort",
    "referrer_kind": "gp",
    "department": "randers-norddjurs",
    "consent": {"given": True, "given_at": "2026-11-23T10:00:00+01:00"},
    "consents": [],
    "needs": {
        "languages": ["da"],
        "gender_wish": None,
        "mobility": "walking_aid",
        "meeting": "home",
        "postcode": "8900",
    },
}


@pytest.mark.parametrize("role", ["analyst", "coordinator"])
async def test_who_is_told_a_position_reads_there_what_they_have_just_changed(
    serve: Serve, topics: str, clock: ManualClock, role: str
) -> None:
    referrer = bearer("referrer", organisation="gp-4411")
    reader = bearer(role, department="randers-norddjurs" if role == "coordinator" else None)
    referral, reporting = brobyg_referral.bootstrap.SERVICE, brobyg_reporting.bootstrap.SERVICE
    async with (
        serve(referral, role="run", clock=clock, **SETTINGS["referral"]) as asked,
        serve(reporting, role="run") as told,
    ):
        assert asked.runtime.database is not None
        assert told.runtime.database is not None
        await store_reference(asked.runtime.database)
        await give_reference(told.runtime.database)
        made = await asked.client.post("/referrals", json=REFERRAL, headers=referrer)
        assert made.status_code == 201, made.text
        position, at = made.headers["Brobyg-Position"], made.json()["referral_id"]
        assert position.startswith(f"brobyg.referral.v1:{at}:")

        async def read(headers: dict[str, str]) -> httpx2.Response:
            path = f"/referrals/{at}/timeline?after={position}"
            return await told.client.get(path, headers=headers)

        # It says itself when it took longer than the second that it waits.
        answer = await read(reader)
        for _ in range(60):
            if "Brobyg-Not-Yet" not in answer.headers:
                break
            assert answer.headers["Brobyg-Not-Yet"] == position
            answer = await read(reader)
        assert answer.status_code == 200
        types = [one["type"] for one in answer.json()["events"]]
        assert types == ["dk.brobyg.referral.created", "dk.brobyg.consent.given"]
        assert (await read({})).status_code == 401
        elsewhere = bearer("coordinator", department="aarhus")
        assert (await read(elsewhere)).status_code == 404
