"""A projection that another release had and this code has not: it is in nobody's way, and goes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from brobyg_contracts import HelperPaused
from brobyg_kit.database import Database
from brobyg_reporting.adapters.queries import Position, Queries
from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.errors import RebuildRefused
from sqlalchemy import text

from .conftest import Rebuilder, first_version, scalar
from .test_projection_versions import handle, release, some_events, unlike, upgrade
from .test_versions import shown

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]

GONE = (
    "create table projection_v1.visit (visit_id text primary key)",
    "create view reporting.visit as select * from projection_v1.visit",
    "insert into reporting.projection_version values (1, 'visit', 'live', 'older')",
)


async def with_a_gone_projection(database: Database) -> None:
    """The live version, as a release left it that had the projection `visit` too."""
    await first_version(database)
    await run(database, *GONE)


async def run(database: Database, *statements: str) -> None:
    async with database.connect() as connection:
        for one in statements:
            await connection.execute(text(one))


async def test_what_a_projection_lacks_that_is_gone_keeps_nothing_waiting(
    database_for: DatabaseFor,
) -> None:
    events = some_events(20)
    [late] = [one for one in events if one.type == HelperPaused.EVENT_TYPE][-1:]
    others = [one for one in events if one.subject != late.subject or one.offset < late.offset]
    async with database_for(SERVICE) as database:
        await with_a_gone_projection(database)
        await run(
            database,
            "insert into reporting.lag"
            f" values (1, 'visit', '{events[0].topic}', {events[0].partition}, 0)",
        )
        await handle(database, others)
        first = Position(others[0].topic, others[0].subject, others[0].sequence)
        assert await Queries(database).missing([first], list(tables_of(0))) == []
        await handle(database, [late])  # it had been set aside


@pytest.mark.parametrize("changed", [(), ("helper",)])
async def test_it_is_live_no_more_and_its_table_and_view_go(
    database_for: DatabaseFor, kafka: str, changed: tuple[str, ...]
) -> None:
    events = some_events(10)
    async with database_for(SERVICE) as database:
        await with_a_gone_projection(database)
        await handle(database, events[:50])
        with release(*changed):
            assert await upgrade(database, kafka) == ""
            assert "visit" not in await shown(database)
            await handle(database, events[50:])
            assert await unlike(database, events) == []
        await Rebuilder(kafka, database.url).run("offer")
        left = "select count(*) from pg_class where relname = 'visit' and relkind in ('r', 'v')"
        assert await scalar(database, left) == 0
        assert await scalar(database, "select count(*) from reporting.lag") == 0


async def test_an_analyst_s_view_on_one_that_is_gone_is_kept_and_named(
    database_for: DatabaseFor, kafka: str
) -> None:
    async with database_for(SERVICE) as database:
        await with_a_gone_projection(database)
        await run(
            database,
            "create schema analysts",
            "create view analysts.visits as select count(*) from reporting.visit",
        )
        with pytest.raises(RebuildRefused, match=r"analysts\.visits"):
            await upgrade(database, kafka)
        with pytest.raises(RebuildRefused, match=r"analysts\.visits"):
            await Rebuilder(kafka, database.url).run("offer")
        assert await scalar(database, "select count(*) from analysts.visits") == 1
