"""answer_p99: a helper's acceptance over HTTP at the size of a country.

Bare: the same framework (FastAPI, uvicorn, asyncpg) with as many commits, one: a body that is read
by pydantic and a transaction that inserts a row.

Both are processes of their own, asked in turns, one request at a time. Ours is matching's API as it
runs, behind the link in the mail; offers that are no longer to be had don't count.
"""

import asyncio
import os
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import httpx2
import uvicorn
from brobyg_kit.clock import ManualClock
from brobyg_kit.runtime import Runtime, Server
from brobyg_kit.testing import bearer, token_keys
from brobyg_matching.adapters import tables
from brobyg_matching.adapters.links import Links
from brobyg_matching.bootstrap import SERVICE
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from benchmarks import ground, week
from benchmarks.ground import Ground
from benchmarks.matching_ground import LARGE, LINK_KEY, Matching, matching, settings
from benchmarks.processes import config, serving
from benchmarks.request_to_mail import p99
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal("answer_p99", 3.0, "FastAPI, uvicorn and asyncpg with one commit", "ms", at_most=True)
_ANSWERS = 400
_WARM_UP = 40


class Answer(BaseModel):
    """The body of both requests."""

    answer: str


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, of `_ANSWERS` acceptances."""
    size = LARGE.scaled(on.scale)
    say(f"{GOAL.name}: making {size}", 0, 1)
    number = on.sized(_ANSWERS)
    async with (
        matching(on, size) as made,
        ground.database(on.database, "bare") as bare,
        _served("ours", made.database.url, on) as ours,
        _served("bare", bare.url, on) as theirs,
    ):
        found = await _ask(made, ours, theirs, number, say)
    taken, base = found
    how = (
        f"{len(taken)} acceptances one at a time, {size}, each in turn with a bare request;"
        f" both in processes of their own, synchronous_commit on, seed {on.seed}"
    )
    return GOAL.result(p99(taken), p99(base), how)


async def _ask(
    made: Matching, ours: httpx2.AsyncClient, theirs: httpx2.AsyncClient, number: int, say: Say
) -> tuple[list[float], list[float]]:
    """Milliseconds of each acceptance and of each bare request."""
    links, headers, body = Links([LINK_KEY]), bearer("portal"), {"answer": "accept"}
    taken: list[float] = []
    base: list[float] = []
    for offer_id in await _offers(made):
        path = f"/answers/{links.token(offer_id)}"
        began = time.perf_counter()
        answer = await ours.post(path, headers=headers, json=body)
        ended = time.perf_counter()
        (await theirs.post(path, headers=headers, json=body)).raise_for_status()
        if answer.status_code == 200:
            taken.append((ended - began) * 1_000)
            base.append((time.perf_counter() - ended) * 1_000)
        elif answer.status_code != 409:
            raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")
        say(GOAL.name, len(taken), number + _WARM_UP)
        if len(taken) == number + _WARM_UP:
            return taken[_WARM_UP:], base[_WARM_UP:]
    raise AssertionError(f"only {len(taken)} offers could be accepted")


async def _offers(made: Matching) -> list[str]:
    """An open offer of each need, in an order that the seed decides."""
    offer = tables.offer.c
    first = (
        select(offer.offer_id)
        .ext(distinct_on(offer.need_id))
        .where(offer.state == "open")
        .order_by(offer.need_id, offer.rank)
    )
    async with made.database.connect() as connection:
        found = [str(one) for one in await connection.scalars(first)]
    made.random.shuffle(found)
    return found


def _served(which: str, url: str, on: Ground) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    """A process that answers, and a client for it."""
    return serving(__name__, which, url, on.kafka, on.database, str(token_keys()[1]))


async def _serve_ours(port: int, url: str, on: Ground, keys: Path) -> None:
    """Matching's API on the database at `url`; its clock stands."""
    server, _, suffix = url.rpartition(f"/brobyg_{SERVICE.name}")
    runtime = Runtime(
        SERVICE,
        settings(on, token_keys=keys, matching_port=port, matching_database=server),
        "api",
        clock=ManualClock(week.BEGINS),
        database_suffix=suffix,
    )
    await runtime.serve(Server(config(runtime.app(), port)))


async def _serve_bare(port: int, url: str) -> None:
    """The baseline."""
    app = FastAPI()
    async with asyncpg.create_pool(url, min_size=1, max_size=8) as pool:
        await pool.execute("create table bare (token text not null, answer text not null)")

        @app.get("/readyz")
        async def ready() -> dict[str, bool]:
            return {"ready": True}

        @app.post("/answers/{token}")
        async def answer(token: str, body: Answer) -> dict[str, str]:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("insert into bare values ($1, $2)", token, body.answer)
            return {"state": "accepted"}

        await uvicorn.Server(config(app, port)).serve()


if __name__ == "__main__":
    _which, _port, _url, _kafka, _database, _keys = sys.argv[1:]
    os.environ.pop("BROBYG_CLOCK", None)
    if _which == "bare":
        asyncio.run(_serve_bare(int(_port), _url))
    else:
        asyncio.run(_serve_ours(int(_port), _url, Ground(_kafka, _database, 0), Path(_keys)))
