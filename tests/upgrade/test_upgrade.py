"""The databases of the last release before this one, upgraded with their data under load."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from brobyg_kit import testing
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import decode
from brobyg_kit.logins import ensure_login, signed_in
from brobyg_kit.migrate import migrate
from brobyg_kit.testing import Running, eventually, login_of

from .before_privacy import Record, publish, records, restored
from .claims import CASES, Case, Views, becomes, values

Serve = Callable[..., AbstractAsyncContextManager[Running]]

#: When the week was left.
LEFT = datetime(2026, 12, 2, 17, 10, tzinfo=UTC)
_INBOX = "select event_id::text from inbox"
#: Longer than anything is kept.
LONG = timedelta(days=30 * 366)


async def upgrade(case: Case, url: str, login: str, folder: Path) -> None:
    """Migrate with today's code, and look at what has become of the data."""
    service = case.service
    assert service.metadata is not None
    if case.halfway:
        for file in service.versions.glob("*.py"):
            if file.name[:4] <= case.halfway:
                shutil.copy(file, folder)
        await migrate(url, service.metadata, folder)
    connection = await asyncpg.connect(url)
    try:
        if case.fill:
            await connection.execute(case.fill)
        assert await migrate(url, service.metadata, service.versions, login, service.grants)
        found = {sql: await connection.fetchval(sql) for sql in case.migrated}
    finally:
        await connection.close()
    assert found == case.migrated


def ids_handled(case: Case, log: list[Record]) -> set[str]:
    """The events of the log that the service handles, which it remembers in its inbox."""
    kinds = {getattr(one, "EVENT_TYPE", None) for one in case.service.consumes}
    events = [
        decode(one.value)
        for one in log
        if one.topic.startswith("brobyg.")
        and one.topic in case.service.handled_topics
        and one.value
    ]
    return {one.id for one in events if one.type in kinds}


@asynccontextmanager
async def reading(name: str, url: str) -> AsyncIterator[None]:
    """Analysts read reporting's views, from before the migration to the end."""
    if name != "reporting":
        yield
        return
    views = Views()
    task = asyncio.create_task(views.run(url))
    try:
        yield
        assert not task.done(), task.exception()
        assert views.reads > 0
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def asking(case: Case, running: Running) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Somebody asks again and again, and never sees less than before.

    What is given returns when they have asked once more.
    """
    asked = 0

    async def ask() -> None:
        nonlocal asked
        seen = 0
        while True:
            now = await case.seen(running)
            assert now >= seen
            seen, asked = now, asked + 1

    task = asyncio.create_task(ask())

    async def again() -> None:
        before = asked

        async def more() -> bool:
            return task.done() or asked > before + 1

        await eventually(more, "somebody asks again", timeout=30)
        if task.done():
            task.result()

    try:
        yield again
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def all_handled(case: Case, running: Running, log: list[Record]) -> None:
    """Return when nothing of the log is left to handle."""

    async def known() -> bool:
        if not case.service.inbox:
            return await case.seen(running) == len(log)
        return ids_handled(case, log) <= set(await values(running, _INBOX))

    async def caught_up() -> bool:
        gauge = running.runtime.metrics.consumer_lag
        lags = [one.value for family in gauge.collect() for one in family.samples]
        return bool(lags) and not any(lags)

    await eventually(known, "every event of the log is known", timeout=60)
    await eventually(caught_up, "nothing is left to handle", timeout=60)
    assert await values(running, "select count(*) from parked_event") == [0]


async def retention_runs(case: Case, running: Running, clock: ManualClock) -> None:
    """Let all that is kept for a number of days be over."""
    counts = [f"select count(*) from {one}" for one in case.over]
    assert all([await values(running, one) != [0] for one in counts]), "else nothing can end"
    # On the second night what counts from a record that went in the first.
    for duration in (LONG, timedelta(days=1)):
        clock.advance(duration)
        due = f"due_at <= '{clock.now().isoformat()}'"
        late = f"select count(*) from timer where kind like 'retention%' and {due}"
        await becomes(running, late, 0)
    assert {one: await values(running, one) for one in counts} == {one: [0] for one in counts}


@pytest.mark.parametrize("name", CASES)
async def test_a_database_of_the_last_release_goes_on(
    serve: Serve,
    topics: str,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    """Reading goes on, the old log is handled, nothing is parked, and all that is new works.

    Among the migrations with data to touch: referral 0007_kept, matching 0006_kept, notification
    0003_retention and reporting 0003_build_ends. What each is to leave is in `claims`.
    """
    case, clock = CASES[name], ManualClock(LEFT)
    log = records(case.log)
    await publish(topics, log)
    for setting, key in case.settings.items():
        if "_key" in setting:
            monkeypatch.setenv(f"BROBYG_{setting.upper()}", str(key))

    @asynccontextmanager
    async def upgraded(server: str, _: object, suffix: str) -> AsyncIterator[str]:
        async with restored(server, name, f"brobyg_{name}{suffix}") as url, reading(name, url):
            login = login_of(server, name)
            await ensure_login(server, login)
            await upgrade(case, url, login.name, tmp_path)
            yield signed_in(url, login)

    monkeypatch.setattr(testing, "_own_database", upgraded)
    async with serve(case.service, role="run", clock=clock, **case.settings) as running:
        async with asking(case, running) as again:
            later = case.later()
            await publish(topics, later)
            await all_handled(case, running, [*log, *later])
            await case.works(running)
            await again()
        await case.erases(running)
        await retention_runs(case, running, clock)
        assert await values(running, "select count(*) from parked_event") == [0]
