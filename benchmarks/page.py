"""page_p95: the page on which a citizen reads who has seen their data.

Bare: the same framework (FastAPI, uvicorn, httpx2) with the same template and the same question to
the same service; it knows beforehand who asks, and asks with one token.

Both are processes of their own, asked in turns, one request at a time; referral, which both ask, is
a third. Ours also finds the session in its database, makes the token for this one request, and is
served as in production, with the limits of each connection (`brobyg_kit.connections`).
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import uvicorn
from brobyg_kit import access_log, connections
from brobyg_kit.auth import Caller
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Database
from brobyg_kit.ids import derived_id
from brobyg_kit.runtime import Runtime, Server
from brobyg_kit.service import Service
from brobyg_kit.testing import bearer, fresh_database, token_keys
from brobyg_kit.tokens import generate_keys
from brobyg_portal.adapters.pages import Help, written
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.bootstrap import SERVICE as PORTAL
from brobyg_portal.domain.address import Address
from brobyg_portal.domain.listing import Column, listing
from brobyg_portal.domain.session import Lifetime, Person, Session
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from benchmarks.ground import Ground
from benchmarks.processes import config, serving
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal(
    "page_p95", 2.0, "FastAPI, the same template and the same hop to referral", "ms", at_most=True
)
_PAGES = 400
_WARM_UP = 40
#: Readings of the citizen's data: as many as one answer of referral tells.
_READINGS = 100
_CITIZEN = derived_id("citizen of page_p95")
_PATH = "/my-data"
_ISSUERS = """[[issuer]]
issuer = "brobyg-portal"
keys = "portal-public.jwks.json"
roles = ["citizen"]
every_department = "*"
longest_seconds = 60
"""


@dataclass(frozen=True, slots=True)
class _Both:
    ours: httpx2.AsyncClient
    bare: httpx2.AsyncClient
    #: Of the citizen, at the portal.
    cookie: str


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, of `_PAGES` pages."""
    number = on.sized(_PAGES)
    async with _both(on) as both:
        taken, base = await _look(both, number, say)
    how = (
        f"{number} pages of {_READINGS} readings one at a time, each in turn with a bare one; both"
        " and referral in processes of their own"
    )
    return GOAL.result(p95(taken), p95(base), how)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return quantiles(values, n=20, method="inclusive")[-1]


async def _look(both: _Both, number: int, say: Say) -> tuple[list[float], list[float]]:
    """Milliseconds of each page of ours and of each bare one."""
    taken: list[float] = []
    base: list[float] = []
    headers = {"Cookie": f"brobyg={both.cookie}"}
    for done in range(number + _WARM_UP):
        for client, into in ((both.ours, taken), (both.bare, base)):
            began = time.perf_counter()
            answer = await client.get(_PATH, headers=headers)
            into.append((time.perf_counter() - began) * 1_000)
            if answer.status_code != 200 or "For at ringe til dig" not in answer.text:
                raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")
        say(GOAL.name, done, number + _WARM_UP)
    return taken[_WARM_UP:], base[_WARM_UP:]


@asynccontextmanager
async def _both(on: Ground) -> AsyncIterator[_Both]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="brobyg-bench-")))
        generate_keys(folder / "portal.jwk.json", folder / "portal-public.jwks.json")
        (folder / "issuers.toml").write_text(_ISSUERS)
        clock, enter = WallClock(), stack.enter_async_context
        theirs = await enter(fresh_database(on.database, REFERRAL, clock))
        own = await enter(fresh_database(on.database, PORTAL, clock))
        await _read(theirs)
        lifetime = Lifetime(timedelta(hours=1), timedelta(hours=1))
        cookie = await Sessions(own, clock, lifetime).begin(
            Person("citizen", _CITIZEN, frozenset({"citizen"}))
        )
        common = (on.kafka, str(folder), str(token_keys()[1]))
        referral = await enter(serving(__name__, "referral", theirs.url, *common, ""))
        asked = str(referral.base_url)
        ours = await enter(serving(__name__, "portal", own.url, *common, asked))
        bare = await enter(serving(__name__, "bare", _token(), *common, asked))
        yield _Both(ours, bare, cookie)


def _token() -> str:
    return bearer("citizen", subject=_CITIZEN)["Authorization"]


async def _read(database: Database) -> None:
    """The citizen's data has been read so often."""
    reader = Caller("r", frozenset({"coordinator"}), "municipality-0730", "randers-norddjurs")
    async with database.transaction() as tx:
        await access_log.record(tx, reader, [_CITIZEN] * _READINGS, "call")


async def _serve(service: Service, port: int, url: str, settings: dict[str, Any]) -> None:
    """A service's API on the database at `url`."""
    server, _, suffix = url.rpartition(f"/brobyg_{service.name}")
    values = {**settings, f"{service.name}_port": port, f"{service.name}_database": server}
    chosen = service.settings.model_validate(values)
    runtime = Runtime(service, chosen, "api", database_suffix=suffix)
    await runtime.serve(Server(connections.config(runtime.app(), "127.0.0.1", port)))


async def _serve_bare(port: int, token: str, asked: str) -> None:
    """The baseline."""
    app = FastAPI()
    session = Session(
        "s", "citizen", _CITIZEN, frozenset({"citizen"}), None, None, datetime.now(UTC)
    )
    columns = [Column("read_at"), Column("who"), Column("purpose")]
    async with httpx2.AsyncClient(base_url=asked, trust_env=False) as referral:

        @app.get("/readyz")
        async def ready() -> dict[str, bool]:
            return {"ready": True}

        @app.get(_PATH)
        async def page() -> HTMLResponse:
            answer = await referral.get(
                f"/citizens/{_CITIZEN}/accesses", headers={"Authorization": token}
            )
            rows = [
                {**row, "who": row["organisation"], "read_at": _moment(row["read_at"])}
                for row in answer.json()["accesses"]
            ]
            return HTMLResponse(
                written(
                    "default/accesses.html", "da",
                    languages=[("da", "Dansk"), ("en", "English")], here=Address(_PATH),
                    help=Help(), session=session, form=lambda path: path, own=True,
                    person_id=_CITIZEN, accesses=listing(columns, rows, "", ""), before=None,
                    older=None, emergencies=0, names={"departments": {}, "organisations": {}},
                )
            )  # fmt: skip

        await uvicorn.Server(config(app, port)).serve()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    _which, _port, _first, _kafka, _folder, _keys, _asked = sys.argv[1:]
    os.environ.pop("BROBYG_CLOCK", None)
    _common: dict[str, Any] = {"kafka": _kafka, "token_keys": Path(_keys)}
    if _which == "bare":
        asyncio.run(_serve_bare(int(_port), _first, _asked))
    elif _which == "portal":
        _own = {"portal_signing_key": Path(_folder) / "portal.jwk.json", "referral_url": _asked}
        asyncio.run(_serve(PORTAL, int(_port), _first, {**_common, **_own}))
    else:
        _key = "a" * 43 + "="
        _own = {
            "issuers": Path(_folder) / "issuers.toml",
            "referral_encryption_key": _key,
            "referral_cpr_key": _key,
        }
        asyncio.run(_serve(REFERRAL, int(_port), _first, {**_common, **_own}))
