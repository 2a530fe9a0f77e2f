"""`brobyg portal`: the first administrator, and who leaves."""

import asyncio

import httpx2
import pytest
from brobyg_kit import keys_cli
from brobyg_kit.clock import WallClock
from brobyg_kit.runtime import Runtime
from brobyg_portal.adapters.sessions import Sessions
from brobyg_portal.bootstrap import SERVICE
from brobyg_portal.domain.session import Lifetime, Person
from brobyg_portal.entrypoints.cli import app
from brobyg_portal.settings import PortalSettings
from typer.testing import CliRunner

WHO = "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11"


async def test_administrators_are_named_and_sessions_ended_by_command(
    database_for, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_for(SERVICE) as database:
        monkeypatch.setattr(keys_cli, "database_url", lambda *_: database.url)

        async def run(*arguments: str) -> tuple[int, str]:
            done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
            return done.exit_code, done.output

        assert await run("administrator", "add", WHO) == (0, f"{WHO} is now an administrator\n")
        assert await run("administrator", "add", WHO) == (
            0, f"{WHO} was already an administrator\n",
        )  # fmt: skip
        assert await run("administrator", "list") == (0, f"{WHO}\n")
        code, said = await run("administrator", "add", "kim@example.org")
        assert (code, "Invalid value" in said) == (2, True)
        sessions = Sessions(database, WallClock(), Lifetime())
        token = await sessions.begin(Person("staff", WHO, frozenset()))
        found = (await sessions.seen(token)).session
        assert found is not None
        assert found.administrator
        assert await run("administrator", "remove", WHO) == (
            0, f"{WHO} is an administrator no more\n",
        )  # fmt: skip
        code, said = await run("administrator", "remove", WHO)
        assert (code, "is no administrator" in said) == (1, True)
        assert await run("sessions", "end", WHO) == (0, "1 session ended\n")
        assert (await sessions.seen(token)).session is None
        assert await run("sessions", "end", WHO) == (0, "0 sessions ended\n")


def test_the_portal_serves_without_a_broker() -> None:
    """It has no topics, so that nothing of it waits for one."""
    loops = Runtime(SERVICE, PortalSettings(), "run")._loops()
    assert {"timers", "retention"} <= loops.keys()
    assert not {"relay", "consumer", "replicas"} & loops.keys()


async def test_before_its_database_was_ever_there_a_page_says_that_it_is_away() -> None:
    app = Runtime(SERVICE, PortalSettings(), "api").app()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://p") as client:
        for path in ("/", "/sign-in", "/sessions"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "<h1>Siden kan ikke vises lige nu</h1>" in answer.text
