"""The worklist: what needs a human, in which order, and what became of it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import msgspec
import pytest
from brobyg_contracts import EVENTS
from brobyg_kit.event import Event
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.projections import ATTENTION
from brobyg_reporting.domain.projections.attention import AttentionRow
from brobyg_reporting.testing import START
from brobyg_reporting.use_cases import worklist

from .stories import DEPARTMENT, ELSEWHERE, HELPER, ITEM, NEED, facts, keep, story, told

Serve = Callable[..., AbstractAsyncContextManager[Running]]

OURS, HEAD_OFFICE = bearer("coordinator", department=DEPARTMENT), bearer("coordinator")
#: Urgency and hours until it is due, most urgent first.
ORDER = [
    ("now", 1),
    ("now", 9),
    ("now", None),
    ("today", 2),
    ("this_week", 3),
    ("today", None),
    ("later", 1),
    ("later", None),
]


def item(number: int) -> str:
    return f"0190f000-0000-7000-8000-0000000001{number:02}"


def raised(number: int, urgency: str, hours: int | None, department: str = DEPARTMENT) -> Event:
    given = facts(department=department) | {"attention_id": item(number), "urgency": urgency}
    due_at = None if hours is None else START + timedelta(hours=hours)
    given = {name: value for name, value in given.items() if name != "due_at"}
    return told(
        "attention.raised", number, given | ({"due_at": due_at} if due_at else {}), "matching"
    )


def folded(events: list[Event]) -> AttentionRow:
    folder = Folder([ATTENTION])
    for event in events:
        folder.fold(event.decode(EVENTS[event.type]), event.time)
    [row] = folder.rows["attention"].values()
    assert isinstance(row, AttentionRow)
    return row


def of_item(name: str, minutes: int, **changed: object) -> Event:
    return told(f"attention.{name}", minutes, facts() | changed, "matching")


async def test_the_most_urgent_comes_first_then_what_is_due_first_page_by_page(
    serve: Serve,
) -> None:
    async with serve(SERVICE) as running:
        numbered = list(enumerate(ORDER, 1))
        await keep(running, [raised(number, *one) for number, one in reversed(numbered)])
        await keep(running, [raised(50, "now", 0, ELSEWHERE)])
        found: list[str] = []
        following: str | None = ""
        while following is not None:
            after = f"&after={following}" if following else ""
            answer = await running.client.get(f"/attention?limit=3{after}", headers=OURS)
            page = answer.json()
            assert len(page["attention"]) <= page["limit"] == 3
            found += [one["attention_id"] for one in page["attention"]]
            following = page["next"]
        assert found == [item(number) for number, _ in numbered]
        elsewhere = await running.client.get(
            f"/attention?department={ELSEWHERE}", headers=HEAD_OFFICE
        )
        assert [one["attention_id"] for one in elsewhere.json()["attention"]] == [item(50)]


async def test_an_item_tells_its_owner_who_has_it_and_how_it_was_settled(serve: Serve) -> None:
    async with serve(SERVICE) as running:

        async def states(state: str) -> list[str]:
            answer = await running.client.get(f"/attention?state={state}", headers=OURS)
            return [one["state"] for one in answer.json()["attention"]]

        async def one() -> dict[str, object]:
            answer = await running.client.get(f"/attention/{ITEM}", headers=OURS)
            found: dict[str, object] = answer.json()
            return found

        await keep(running, [of_item("raised", 1)])
        assert await states("open") == await states("raised") == ["raised"]
        assert ((await one())["owner"], (await one())["need_id"]) == ("matching", NEED)
        await keep(running, [of_item("claimed", 2)])
        assert await states("open") == await states("claimed") == ["claimed"]
        await keep(running, [of_item("settled", 3, outcome="helper_found", actor="coordinator-2")])
        assert (await states("open"), await states("settled")) == ([], ["settled"])
        expected = {
            "owner": "matching",
            "claimed_by": "coordinator-1",
            "settled_by": "coordinator-2",
            "outcome": "helper_found",
        }
        assert {name: (await one())[name] for name in expected} == expected


def test_an_open_item_that_is_raised_again_keeps_its_claim_and_a_settled_one_is_open_again() -> (
    None
):
    again = folded(
        [of_item("raised", 1), of_item("claimed", 2), of_item("raised", 3, urgency="now")]
    )
    assert (again.state, again.claimed_by, again.urgency, again.times_raised) == (
        "claimed",
        "coordinator-1",
        "now",
        1,
    )
    reopened = folded(
        [
            of_item("raised", 1),
            of_item("claimed", 2),
            of_item("settled", 3, outcome="other"),
            of_item("raised", 4),
        ]
    )
    assert (reopened.state, reopened.claimed_by, reopened.outcome, reopened.times_raised) == (
        "raised",
        None,
        None,
        2,
    )


def test_what_is_due_is_read_with_its_zone() -> None:
    row = folded([of_item("raised", 1)])
    assert isinstance(row.due_at, datetime)
    assert row.due_at.utcoffset() == timedelta(0)
    assert msgspec.json.encode(row.reasons) == b'["availability"]'


async def test_open_items_are_counted_as_metrics(
    serve: Serve, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist, "_EVERY", 0.1)
    async with serve(SERVICE, role="run") as running:
        labels = f'department="{DEPARTMENT}",kind="nobody_found"'
        gauge = f"brobyg_reporting_attention_open{{{labels}}}"

        async def has(value: str) -> bool:
            return f"{gauge} {value}" in (await running.client.get("/metrics")).text

        async def counted() -> bool:
            return await has("2.0")

        async def fewer() -> bool:
            return await has("1.0")

        await keep(running, [raised(1, "now", 1), raised(2, "later", 1), *story()])
        await eventually(counted, "both items are counted", timeout=20)
        settled = facts() | {"attention_id": item(1), "outcome": "other", "actor": HELPER}
        await keep(running, [told("attention.settled", 9, settled, "matching")])
        await eventually(fewer, "the settled one is no longer counted", timeout=20)


async def test_the_items_of_one_kind_can_be_asked_for_page_by_page(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        clash = told("attention.raised", 9, facts() | {"kind": "clash"}, "matching")
        await keep(running, [raised(1, "now", 1), raised(2, "now", 2), clash])
        answer = await running.client.get("/attention?kind=clash", headers=OURS)
        assert [one["attention_id"] for one in answer.json()["attention"]] == [ITEM]
        page = (
            await running.client.get("/attention?kind=nobody_found&limit=1", headers=OURS)
        ).json()
        assert [one["attention_id"] for one in page["attention"]] == [item(1)]
        path = f"/attention?kind=nobody_found&limit=1&after={page['next']}"
        page = (await running.client.get(path, headers=OURS)).json()
        assert [one["attention_id"] for one in page["attention"]] == [item(2)]
        assert page["next"] is None
        refused = await running.client.get("/attention?kind=Clash!", headers=OURS)
        assert refused.status_code == 422


async def test_a_kind_that_there_is_not_is_refused_with_those_there_are(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        later = told("attention.raised", 9, facts() | {"kind": "of_a_later_version"}, "matching")
        await keep(running, [later])
        refused = await running.client.get("/attention?kind=bogus", headers=OURS)
        assert refused.status_code == 422
        told_of = refused.json()["detail"]
        assert "clash" in told_of
        assert "nobody_found" in told_of
        none = await running.client.get("/attention?kind=clash", headers=OURS)
        assert (none.status_code, none.json()["attention"]) == (200, [])
        there = await running.client.get("/attention?kind=of_a_later_version", headers=OURS)
        assert [one["kind"] for one in there.json()["attention"]] == ["of_a_later_version"]
