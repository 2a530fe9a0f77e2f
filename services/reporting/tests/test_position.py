"""`after=`: a question that waits for what a command has changed."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from brobyg_kit.testing import Running, bearer
from brobyg_reporting.adapters.queries import Queries
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.entrypoints.position import HEADER
from sqlalchemy import text

from .stories import REFERRAL, keep, story

Serve = Callable[..., AbstractAsyncContextManager[Running]]

ANALYST = bearer("analyst")
CREATED = f"brobyg.referral.v1:{REFERRAL}:0"
LATER = f"brobyg.referral.v1:{REFERRAL}:9999999"


async def test_a_question_waits_until_what_it_asks_after_is_there(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        path = f"/referrals?after={CREATED}"
        asking = asyncio.create_task(running.client.get(path, headers=ANALYST))
        assert not (await asyncio.wait({asking}, timeout=0.2))[0]
        await keep(running, story())
        answer = await asking
        assert HEADER not in answer.headers
        assert answer.json()["total"] == 1


async def test_what_is_not_there_after_a_second_is_named_in_the_answer(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await keep(running, story())
        path = f"/referrals?after={CREATED},{LATER}"
        answer = await running.client.get(path, headers=ANALYST)
        assert (answer.status_code, answer.headers[HEADER]) == (200, LATER)


async def test_what_is_not_found_is_said_to_be_not_there_yet(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        path = f"/referrals/{REFERRAL}/timeline"
        answer = await running.client.get(f"{path}?after={LATER}", headers=ANALYST)
        assert (answer.status_code, answer.headers[HEADER]) == (404, LATER)
        answer = await running.client.get(path, headers=ANALYST)
        assert (answer.status_code, HEADER in answer.headers) == (404, False)


async def test_what_a_live_projection_lacks_is_not_there_yet(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await keep(running, story())
        assert running.runtime.database is not None
        lag = "insert into reporting.lag values (1, 'need', 'brobyg.referral.v1', 0, 0)"
        async with running.runtime.database.connect() as connection:
            await connection.execute(text(lag))
        answer = await running.client.get(f"/referrals?after={CREATED}", headers=ANALYST)
        assert answer.headers[HEADER] == CREATED
        other = await running.client.get(f"/attention?after={CREATED}", headers=ANALYST)
        assert HEADER not in other.headers  # no need is asked for here


@pytest.mark.parametrize(
    "wrong", ["now", f"{CREATED}:1", f"{CREATED},", "a:b", ",".join([CREATED] * 21)]
)
async def test_what_is_no_position_is_refused(serve: Serve, wrong: str) -> None:
    async with serve(SERVICE) as running:
        answer = await running.client.get(f"/referrals?after={wrong}", headers=ANALYST)
        assert answer.status_code == 422
        assert "`topic:subject:sequence` such as" in answer.text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/referrals?after={LATER}", {}, 401),
        (f"/counts?after={LATER}", {}, 401),
        (f"/attention?after={LATER}", bearer("volunteer"), 403),
    ],
)
async def test_who_may_not_ask_is_told_so_without_a_wait(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str], status: int
) -> None:
    asked: list[object] = []

    async def missing(_: Queries, positions: list[object], __: object) -> list[object]:
        asked.append(positions)
        return []

    monkeypatch.setattr(Queries, "missing", missing)
    async with serve(SERVICE) as running:
        assert (await running.client.get(path, headers=headers)).status_code == status
        assert asked == []
