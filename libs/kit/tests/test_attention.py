"""What needs a human is one item, one claim, and nothing of it is lost, in any order and race."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import ClassVar, Literal

import httpx2
import msgspec
import pytest
from brobyg_kit.api import create_app
from brobyg_kit.attention import (
    Attention,
    ItemClaimed,
    ItemSettled,
    NoSuchItem,
    actor_of,
    attention_id,
)
from brobyg_kit.attention_api import attention_router
from brobyg_kit.auth import Caller, Verifier
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Transaction
from brobyg_kit.event import decode
from brobyg_kit.health import Health
from brobyg_kit.metrics import Metrics
from brobyg_kit.service import Parts as ServiceParts
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import bearer, token_keys
from delivery_parts import Parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
#: Nothing is sent in these tests: what is read is the outbox.
TOPIC = "brobyg.test.v1"


class Raised(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something needs a human."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.raised"
    TOPIC: ClassVar[str] = TOPIC
    DATASCHEMA: ClassVar[str] = "about:blank"
    attention_id: str
    kind: str
    department: str
    reasons: tuple[str, ...] = ()
    thing_id: str | msgspec.UnsetType = msgspec.UNSET


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks at it."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.claimed"
    TOPIC: ClassVar[str] = TOPIC
    DATASCHEMA: ClassVar[str] = "about:blank"
    attention_id: str
    actor: str
    department: str


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """It is done."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.thing.settled"
    TOPIC: ClassVar[str] = TOPIC
    DATASCHEMA: ClassVar[str] = "about:blank"
    attention_id: str
    actor: str
    department: str
    outcome: str
    thing_id: str | msgspec.UnsetType = msgspec.UNSET


ATTENTION = Attention("test", Claimed, Settled, "no_longer_so")
LOST, LATE = attention_id("lost", "1"), attention_id("late", "1")


def lost(*reasons: str, department: str = "north") -> Raised:
    return Raised(attention_id=LOST, kind="lost", department=department, reasons=reasons)


async def raise_(parts: Parts, *items: Raised) -> None:
    async with parts.database.transaction() as tx:
        await ATTENTION.raise_(tx, [(item, None) for item in items])


async def claim(parts: Parts, actor: str, *, take_over: bool = False) -> None:
    async with parts.database.transaction() as tx:
        await ATTENTION.claim(tx, LOST, actor, ["north"], take_over=take_over)


async def settle(parts: Parts, actor: str, outcome: str = "done") -> None:
    async with parts.database.transaction() as tx:
        await ATTENTION.settle(tx, LOST, actor, ["north"], outcome)


async def settle_own(parts: Parts, *ids: str) -> None:
    async with parts.database.transaction() as tx:
        await ATTENTION.settle_own(tx, dict.fromkeys(ids))


async def told(parts: Parts) -> list[str]:
    """The events of the outbox, in the order of their sequence numbers, as one word each."""
    rows = await parts.pool.fetch("select value from outbox order by id")
    events = [decode(row["value"]) for row in rows]
    by_subject: dict[str, int] = {}
    for event in events:
        assert event.sequence == by_subject.get(event.subject, 0) + 1
        by_subject[event.subject] = event.sequence
    return [event.type.rpartition(".")[2] for event in events]


async def test_an_item_raised_again_is_one_item_and_told_again_only_when_it_has_changed(
    parts: Parts,
) -> None:
    await raise_(parts, lost("a"))
    await raise_(parts, lost("a"))
    await raise_(parts, lost("b"), lost("b"))
    assert await told(parts) == ["raised", "raised"]
    assert await parts.pool.fetchval("select count(*) from attention") == 1


async def test_an_open_item_that_has_changed_keeps_its_claim(parts: Parts) -> None:
    await raise_(parts, lost("a"))
    await claim(parts, "anna")
    await raise_(parts, lost("b"))
    with pytest.raises(ItemClaimed):
        await claim(parts, "bo")


async def test_a_settled_item_raised_anew_is_open_and_nobodys(parts: Parts) -> None:
    await raise_(parts, lost("a"))
    await claim(parts, "anna")
    await settle(parts, "anna")
    await raise_(parts, lost("a"))
    await claim(parts, "bo")
    await settle(parts, "bo")
    assert await told(parts) == ["raised", "claimed", "settled"] * 2


async def test_a_claim_is_passed_on_only_to_who_takes_it_over(parts: Parts) -> None:
    await raise_(parts, lost())
    await claim(parts, "anna")
    await claim(parts, "anna")
    with pytest.raises(ItemClaimed):
        await claim(parts, "bo")
    await claim(parts, "bo", take_over=True)
    assert await told(parts) == ["raised", "claimed", "claimed"]


async def test_an_item_is_settled_once_and_a_repeat_of_it_is_answered_alike(parts: Parts) -> None:
    await raise_(parts, lost())
    await settle(parts, "anna")
    await settle(parts, "anna")
    with pytest.raises(ItemSettled):
        await settle(parts, "anna", "otherwise")
    with pytest.raises(ItemSettled):
        await settle(parts, "bo")
    with pytest.raises(ItemSettled):
        await claim(parts, "bo")
    await settle_own(parts, LOST)
    assert await told(parts) == ["raised", "settled"]


async def test_the_service_settles_its_own_open_items_and_passes_over_the_others(
    parts: Parts,
) -> None:
    late = Raised(attention_id=LATE, kind="late", department="south", thing_id="7")
    await raise_(parts, lost(), late)
    await settle_own(parts, LATE, attention_id("never", "raised"))
    await settle_own(parts)
    value = await parts.pool.fetchval("select value from outbox order by id desc limit 1")
    assert decode(value).decode(Settled) == Settled(
        attention_id=LATE, actor="test", department="south", outcome="no_longer_so", thing_id="7"
    )
    assert await told(parts) == ["raised", "raised", "settled"]


async def test_an_item_of_another_department_is_not_there(parts: Parts) -> None:
    await raise_(parts, lost(department="south"))
    with pytest.raises(NoSuchItem):
        await claim(parts, "anna")
    with pytest.raises(NoSuchItem):
        await settle(parts, "anna")


async def test_what_is_rolled_back_has_neither_item_nor_event(parts: Parts) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block that fails is what is tested
        async with parts.database.transaction() as tx:
            await ATTENTION.raise_(tx, [(lost(), None)])
            raise ZeroDivisionError
    assert await told(parts) == []
    with pytest.raises(NoSuchItem):
        await settle(parts, "anna")


Step = tuple[Literal["raise", "claim", "take", "settle", "own"], str]
STEPS = st.lists(
    st.tuples(st.sampled_from(["raise", "claim", "take", "settle", "own"]), st.sampled_from("ab")),
    min_size=1,
    max_size=12,
)


async def do(parts: Parts, step: Step) -> bool:
    """Carry out a step; whether it was taken."""
    what, who = step
    try:
        if what == "raise":
            await raise_(parts, lost(who))
        elif what == "own":
            await settle_own(parts, LOST)
        elif what == "settle":
            await settle(parts, who)
        else:
            await claim(parts, who, take_over=what == "take")
    except (NoSuchItem, ItemClaimed, ItemSettled):
        return False
    return True


def check(events: list[str], rows: list[tuple[object, object]]) -> None:
    """What the events tell is one item that is raised, claimed and settled in an order that can be.

    And what is stored is what they tell.
    """
    state, claimed = "none", False
    for event in events:
        if event == "raised":
            claimed = claimed and state == "open"
            state = "open"
        elif event == "claimed":
            assert state == "open"
            claimed = True
        else:
            assert state == "open"
            state = "settled"
    assert len(rows) == (0 if state == "none" else 1)
    if rows:
        claimed_by, settled_at = rows[0]
        assert (claimed_by is not None, settled_at is not None) == (claimed, state == "settled")


async def clear(parts: Parts) -> None:
    await parts.pool.execute("truncate attention, outbox, stream")


async def stored(parts: Parts) -> list[tuple[object, object]]:
    return [
        (row["claimed_by"], row["settled_at"])
        for row in await parts.pool.fetch("select claimed_by, settled_at from attention")
    ]


def examples() -> list[list[Step]]:
    """Sequences of steps as hypothesis draws them, to be run in the test's own loop."""
    drawn: list[list[Step]] = []

    @settings(
        max_examples=60,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def draw(steps: list[Step]) -> None:
        drawn.append(steps)

    draw()
    return drawn


async def test_any_order_of_steps_keeps_one_item_and_tells_what_is_stored(parts: Parts) -> None:
    for steps in examples():
        await clear(parts)
        for step in steps:
            await do(parts, step)
        check(await told(parts), await stored(parts))


async def test_any_race_of_steps_keeps_one_item_and_tells_what_is_stored(parts: Parts) -> None:
    for steps in examples():
        await clear(parts)
        await raise_(parts, lost("z"))
        await asyncio.gather(*(do(parts, step) for step in steps))
        check(await told(parts), await stored(parts))


async def test_of_many_who_claim_or_settle_at_once_one_has_it(parts: Parts) -> None:
    await raise_(parts, lost())
    steps: list[Step] = [("claim", f"c{number}") for number in range(8)]
    assert sum(await asyncio.gather(*(do(parts, step) for step in steps))) == 1
    steps = [("settle", f"s{number}") for number in range(8)]
    assert sum(await asyncio.gather(*(do(parts, step) for step in steps))) == 1
    assert await told(parts) == ["raised", "claimed", "settled"]


async def own_department(_: Transaction, caller: Caller) -> tuple[str, ...] | None:
    return None if caller.department is None else (caller.department,)


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[httpx2.AsyncClient]:
    router = attention_router(
        parts.database,
        ATTENTION,
        act="work-on-attention",
        outcomes=["done", "other"],
        departments_of=own_department,
    )
    service = Service("test", "brobyg_kit", KitSettings, lambda _: ServiceParts())
    app = create_app(
        service,
        ServiceParts(routers=[router]),
        WallClock(),
        Verifier.of_files(token_keys()[1], None, WallClock()),
        Metrics(),
        Health(),
        _nothing_waits,
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


async def _nothing_waits() -> dict[str, object]:
    return {}


ANNA = bearer("coordinator", subject="anna", department="north")


async def test_a_coordinator_claims_and_settles_over_http(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    await raise_(parts, lost())
    claimed = await client.post(f"/attention/{LOST}/claim", headers=ANNA)
    assert (claimed.status_code, claimed.json()["claimed_by"]) == (200, actor_of("anna"))
    other = bearer("coordinator", subject="bo", department="north")
    refused = await client.post(f"/attention/{LOST}/claim", headers=other)
    assert refused.status_code == 409
    assert "take_over" in refused.json()["detail"]
    taken = await client.post(f"/attention/{LOST}/claim", json={"take_over": True}, headers=other)
    assert taken.json()["claimed_by"] == actor_of("bo")
    settled = await client.post(f"/attention/{LOST}/settle", json={"outcome": "done"}, headers=ANNA)
    assert (settled.status_code, settled.json()["outcome"]) == (200, "done")
    again = await client.post(f"/attention/{LOST}/settle", json={"outcome": "other"}, headers=ANNA)
    assert again.status_code == 409
    assert await told(parts) == ["raised", "claimed", "claimed", "settled"]


async def test_other_departments_roles_and_outcomes_are_refused_over_http(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    await raise_(parts, lost())
    path = f"/attention/{LOST}/settle"
    south = bearer("coordinator", department="south")
    assert (await client.post(path, json={"outcome": "done"}, headers=south)).status_code == 404
    assert (await client.post(path, json={"outcome": "done"})).status_code == 401
    analyst = bearer("analyst")
    assert (await client.post(path, json={"outcome": "done"}, headers=analyst)).status_code == 403
    wrong = await client.post(path, json={"outcome": "free text"}, headers=ANNA)
    assert wrong.json()["errors"] == [
        {"pointer": "/outcome", "detail": "expected one of done, other"}
    ]
    more = await client.post(path, json={"outcome": "done", "note": "text"}, headers=ANNA)
    assert (more.status_code, more.json()["errors"][0]["pointer"]) == (422, "/note")
    everywhere = bearer("coordinator", subject="not|plain")
    settled = await client.post(path, json={"outcome": "done"}, headers=everywhere)
    assert settled.status_code == 200


def test_an_actor_is_a_uuid_and_tells_nothing_of_a_subject_that_is_none() -> None:
    own = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert actor_of(own) == own
    for subject in ("anna@hospital.example", "0101701234", "anna", "not|plain", own + "\n"):
        assert str(uuid.UUID(actor_of(subject))) == actor_of(subject) != subject


async def test_an_item_tells_nothing_of_a_subject_that_is_an_address(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    await raise_(parts, lost())
    mail = bearer("coordinator", subject="anna@hospital.example", department="north")
    for _ in range(2):
        claimed = await client.post(f"/attention/{LOST}/claim", headers=mail)
        assert claimed.status_code == 200, "the same person has it"
    for _ in range(2):
        settled = await client.post(
            f"/attention/{LOST}/settle", json={"outcome": "done"}, headers=mail
        )
        assert settled.status_code == 200
    assert await told(parts) == ["raised", "claimed", "settled"]
    values = await parts.pool.fetch("select value from outbox")
    rows = await parts.pool.fetch("select attention::text from attention")
    assert not any("anna" in str(row[0]) for row in [*values, *rows])
