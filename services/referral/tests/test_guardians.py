"""Who decides for a citizen: a recorded guardian, and the citizen once they are old enough."""

from datetime import UTC, datetime
from typing import Any

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import bearer
from brobyg_kit.timers import DueTimer
from brobyg_referral.cases.use_cases.guardians import KIND, OWN_CONSENT
from referral_bench import Served
from referral_samples import referral
from test_consents import CHILD, COORDINATOR, give, listed, withdraw

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: The day after the child, born on 5 May 2015, is so old.
FIFTEEN, EIGHTEEN = datetime(2030, 5, 5, 6, tzinfo=UTC), datetime(2033, 5, 5, 6, tzinfo=UTC)
RENEWED = {"text_id": "escort-processing", "given_at": "2030-05-05T05:00:00Z"}


@pytest.fixture
def clock(service: Served, monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The service's time in a test that moves it."""
    own = ManualClock(service.database.clock.now())
    monkeypatch.setattr(service.database, "clock", own)
    return own


async def child(service: Served) -> dict[str, Any]:
    yes = referral()["consent"] | {"by_guardian": True}
    made = (await service.refer(referral(CHILD, consent=yes))).json()
    assert (await give(service, made, "research", by_guardian=True)).status_code == 200
    return dict(made)


async def fire(service: Served, made: dict[str, Any]) -> None:
    """What is due of the citizen, at the time of the clock."""
    due = await service.rows(
        f"select due_at from timer where kind = '{OWN_CONSENT}'"
        f" and subject = '{made['citizen_id']}'"
    )
    carry_out = service.running.runtime.parts.timers[OWN_CONSENT]
    async with service.database.transaction() as tx:
        if due and due[0]["due_at"] <= tx.now:
            await carry_out(tx, [DueTimer(OWN_CONSENT, made["citizen_id"], due[0]["due_at"])])


async def asked(service: Served) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (what, tuple(data.get("reasons", ())))
        for what, data in await service.attention()
        if what == "settled" or data["kind"] == KIND
    ]


async def test_what_a_guardian_agreed_to_stands_and_the_young_are_asked_on_the_day(
    service: Served, clock: ManualClock
) -> None:
    made = await child(service)
    await fire(service, made)
    assert await asked(service) == []
    clock.advance(FIFTEEN - clock.now())
    await fire(service, made)
    assert await asked(service) == [("raised", ("processing",))]
    assert all(one["stands"] for one in await listed(service, made))
    clock.advance(EIGHTEEN - clock.now())
    await fire(service, made)
    assert (await asked(service))[1:] == [("raised", ("research",))]


async def test_their_own_yes_takes_the_place_and_settles_it(
    service: Served, clock: ManualClock
) -> None:
    made = await child(service)
    await fire(service, made)
    clock.advance(FIFTEEN - clock.now())
    await fire(service, made)
    answer = await give(service, made, "processing", **RENEWED)
    assert answer.status_code == 200, answer.text
    consents = [one for one in await listed(service, made) if one["scope"] == "processing"]
    assert [(one["by_guardian"], one["stands"]) for one in consents] == [
        (True, False), (False, True),
    ]  # fmt: skip
    await fire(service, made)
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]


async def test_their_no_ends_it_and_what_was_settled_by_hand_is_not_raised_again(
    service: Served, clock: ManualClock
) -> None:
    made = await child(service)
    await fire(service, made)
    clock.advance(FIFTEEN - clock.now())
    await fire(service, made)
    (item,) = [data["attention_id"] for what, data in await service.attention()]
    path, done = f"/attention/{item}/settle", {"outcome": "solved_by_phone"}
    settled = await service.running.client.post(path, json=done, headers=COORDINATOR)
    assert settled.status_code == 200, settled.text
    await withdraw(service, made, "research")
    await fire(service, made)
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]


async def test_a_guardian_is_recorded_by_whom_and_when_and_their_end_is_asked_about(
    service: Served,
) -> None:
    citizen = referral()["citizen"] | {"has_guardian": True}
    yes = referral()["consent"] | {"by_guardian": True}
    made = await service.referred(citizen=citizen, consent=yes)
    await fire(service, made)
    assert await asked(service) == []
    path, client = f"/citizens/{made['citizen_id']}/guardian", service.running.client
    elsewhere = bearer("coordinator", department="aarhus")
    for headers, expected in ((elsewhere, 404), (COORDINATOR, 204), (COORDINATOR, 204)):
        answer = await client.put(path, json={"has_guardian": False}, headers=headers)
        assert answer.status_code == expected
    await fire(service, made)
    assert await asked(service) == [("raised", ("processing",))]
