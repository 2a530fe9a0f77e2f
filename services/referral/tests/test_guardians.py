"""Who decides for a citizen: a recorded guardian, and the citizen once they are old enough."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from brobyg_kit.clock import ManualClock
from brobyg_kit.testing import bearer
from brobyg_kit.timers import DueTimer
from brobyg_referral.cases.use_cases.attention import ATTENTION
from brobyg_referral.cases.use_cases.guardians import KIND
from brobyg_referral.cases.use_cases.timers import OWN_CONSENT
from referral_bench import Served
from referral_samples import referral
from sqlalchemy import event
from test_consents import CHILD, COORDINATOR, give, listed, withdraw
from test_locks import waiting

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: The day after the child, born on 5 May 2015, is so old.
FIFTEEN, EIGHTEEN = datetime(2030, 5, 5, 6, tzinfo=UTC), datetime(2033, 5, 5, 6, tzinfo=UTC)
RENEWED = {"text_id": "escort-processing", "text_version": 2, "given_at": "2030-05-05T05:00:00Z"}


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


# Several guardianships, restrictions and ends


async def guarded(service: Served) -> dict[str, Any]:
    citizen = referral()["citizen"] | {"has_guardian": True}
    yes = referral()["consent"] | {"by_guardian": True}
    return await service.referred(citizen=citizen, consent=yes)


async def record(service: Served, made: dict[str, Any], has_guardian: bool) -> None:
    path, body = f"/citizens/{made['citizen_id']}/guardian", {"has_guardian": has_guardian}
    answer = await service.running.client.put(path, json=body, headers=COORDINATOR)
    assert answer.status_code == 204
    await fire(service, made)


async def settle_the_last(service: Served) -> None:
    item = (await service.attention())[-1][1]["attention_id"]
    path, done = f"/attention/{item}/settle", {"outcome": "solved_by_phone"}
    answer = await service.running.client.post(path, json=done, headers=COORDINATOR)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("by_hand", [True, False])
async def test_the_end_of_a_second_guardianship_is_asked_about_too(
    service: Served, clock: ManualClock, by_hand: bool
) -> None:
    made = await guarded(service)
    await record(service, made, has_guardian=False)
    if by_hand:
        await settle_the_last(service)
    clock.advance(timedelta(minutes=1))
    await record(service, made, has_guardian=True)
    clock.advance(timedelta(minutes=1))
    await record(service, made, has_guardian=False)
    assert [what for what, _ in await asked(service)] == ["raised", "settled", "raised"]
    await fire_now(service, made)
    assert len(await asked(service)) == 3


async def test_their_own_yes_of_before_the_guardianship_ended_is_refused(
    service: Served, clock: ManualClock
) -> None:
    made = await guarded(service)
    clock.advance(timedelta(minutes=1))
    before = clock.now().isoformat()
    clock.advance(timedelta(minutes=1))
    await record(service, made, has_guardian=False)
    ended = clock.now()
    (guardians,) = [one for one in await listed(service, made) if one["scope"] == "processing"]
    text = {"text_id": "escort-processing", "text_version": 1}
    for given_at in (before, ended.isoformat(), guardians["given_at"]):
        refused = await give(service, made, "processing", **text, given_at=given_at)
        assert refused.status_code == 422, refused.text
        assert "the citizen must have consented since" in refused.text
    clock.advance(timedelta(minutes=1))
    given = await give(service, made, "processing", **text, given_at=clock.now().isoformat())
    assert given.status_code == 200, given.text


async def fire_now(service: Served, made: dict[str, Any]) -> None:
    """As `fire`, whether it is due or not."""
    async with service.database.transaction() as tx:
        due = [DueTimer(OWN_CONSENT, made["citizen_id"], tx.now)]
        await service.running.runtime.parts.timers[OWN_CONSENT](tx, due)


async def test_an_open_item_says_what_is_still_to_be_asked(
    service: Served, clock: ManualClock
) -> None:
    made = await guarded(service)
    assert (await give(service, made, "research", by_guardian=True)).status_code == 200
    await record(service, made, has_guardian=False)
    assert await asked(service) == [("raised", ("processing", "research"))]
    await withdraw(service, made, "research")
    await fire(service, made)
    assert (await asked(service))[1:] == [("raised", ("processing",))]
    await withdraw(service, made, "processing")
    await fire(service, made)
    assert [what for what, _ in (await asked(service))[2:]] == ["settled"]
    assert await open_items(service) == 0


async def open_items(service: Served) -> int:
    return len(await service.rows("select 1 from attention where settled_at is null"))


async def test_nothing_is_left_to_be_asked_of_somebody_erased(service: Served) -> None:
    made = await guarded(service)
    await record(service, made, has_guardian=False)
    assert await open_items(service) == 1
    path = f"/citizens/{made['citizen_id']}?reason=requested"
    assert (await service.running.client.delete(path, headers=COORDINATOR)).status_code == 202
    assert await open_items(service) == 0
    await fire(service, made)
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]
    assert await service.rows(f"select 1 from timer where subject = '{made['citizen_id']}'") == []


async def restriction(service: Served, made: dict[str, Any], *, lift: bool = False) -> None:
    path, client = f"/citizens/{made['citizen_id']}/restriction", service.running.client
    answer = (
        await client.delete(path, headers=COORDINATOR)
        if lift
        else await client.put(path, json={"reason": "objection"}, headers=COORDINATOR)
    )
    assert answer.is_success


@pytest.mark.parametrize("by_hand", [True, False])
async def test_who_is_restricted_is_asked_once_that_is_lifted_unless_they_were_before(
    service: Served, by_hand: bool
) -> None:
    made = await guarded(service)
    await record(service, made, has_guardian=False)
    if by_hand:
        await settle_the_last(service)
    await restriction(service, made)
    assert await open_items(service) == 0
    await fire_now(service, made)
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]
    await restriction(service, made, lift=True)
    await fire(service, made)
    assert [what for what, _ in (await asked(service))[2:]] == [] if by_hand else ["raised"]
    assert await open_items(service) == int(not by_hand)


async def test_who_came_of_age_while_restricted_is_asked_once_that_is_lifted(
    service: Served, clock: ManualClock
) -> None:
    made = await child(service)
    await fire(service, made)
    await restriction(service, made)
    clock.advance(FIFTEEN - clock.now())
    await fire(service, made)
    assert await asked(service) == []
    await restriction(service, made, lift=True)
    await fire(service, made)
    assert await asked(service) == [("raised", ("processing",))]


@pytest.mark.parametrize("trouble", ["key lost", "key altered", "sealed altered", "other master"])
async def test_who_can_not_be_opened_is_looked_at_later_and_holds_up_nobody(
    service: Served, trouble: str
) -> None:
    made = await guarded(service)
    await service.rows("update timer set due_at = due_at - interval '1 hour'")
    await service.rows(
        {
            "key lost": "delete from person_key",
            "key altered": "update person_key set wrapped = set_byte(wrapped, 20, 7)",
            "sealed altered": "update citizen set sealed = set_byte(sealed, 20, 7)",
            "other master": "update person_key set master_key_id = '0123456789abcdef'",
        }[trouble]
    )
    await fire_now(service, made)
    due = await service.rows(f"select due_at from timer where kind = '{OWN_CONSENT}'")
    assert [one["due_at"] > service.database.clock.now() for one in due] == [True]


async def test_what_is_asked_of_a_citizen_is_found_among_many_items_by_indexes(
    service: Served,
) -> None:
    made = await guarded(service)
    await record(service, made, has_guardian=False)
    await service.rows(
        "insert into attention (attention_id, kind, department, raised_at, settled_by, settled_at,"
        f" outcome, body) select gen_random_uuid(), '{KIND}', 'randers', now(), 'a', now(), 'done',"
        " jsonb_build_object('citizen_id', gen_random_uuid()) from generate_series(1, 20000)"
    )
    await service.rows("analyze attention")
    asked_for: list[str] = []
    engine = service.database.engine.sync_engine

    def note(_connection: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        if "FROM attention" in statement and statement.startswith("SELECT"):
            for number in range(len(given), 0, -1):
                statement = statement.replace(f"${number}", f"'{given[number - 1]}'")
            asked_for.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        await fire_now(service, made)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(asked_for) == 2
    for statement in asked_for:
        plan = [one["QUERY PLAN"] for one in await service.rows(f"explain {statement}")]
        assert not [line for line in plan if "Seq Scan" in line], plan


async def test_what_is_settled_by_hand_while_it_is_looked_at_stays_so(service: Served) -> None:
    made = await guarded(service)
    await record(service, made, has_guardian=False)
    item = (await service.attention())[-1][1]["attention_id"]
    async with service.database.transaction() as tx:
        await ATTENTION.settle(tx, item, "anna", None, "solved_by_phone")
        looking = asyncio.create_task(fire_now(service, made))
        await waiting(service, 1)
    await looking
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]
    assert await open_items(service) == 0


async def test_that_there_is_no_guardian_asks_nothing_anew(
    service: Served, clock: ManualClock
) -> None:
    made = await child(service)
    clock.advance(FIFTEEN - clock.now())
    await fire(service, made)
    await settle_the_last(service)
    await record(service, made, has_guardian=False)
    assert [what for what, _ in await asked(service)] == ["raised", "settled"]
