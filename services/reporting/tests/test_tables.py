"""The tables and the views: declared once, made from the rows, and described."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from brobyg_kit import migrate
from brobyg_kit.database import Database
from brobyg_kit.testing import as_owner
from brobyg_reporting.adapters import log_rows, views
from brobyg_reporting.adapters.tables import metadata, tables_of
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.adapters.view_definitions import VIEWS
from brobyg_reporting.adapters.view_parts import View
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.errors import RebuildRefused
from sqlalchemy import text

from .conftest import first_version, scalar

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]

_COLUMNS = """
    select c.relname, a.attname, col_description(c.oid, a.attnum) as comment,
        obj_description(c.oid) as of_view
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.relnamespace = 'reporting'::regnamespace and c.relkind = 'v'
"""
_INDEXES = """
    select string_agg(indexname, ' ' order by indexname) from pg_indexes
    where schemaname = 'projection_v1'
"""


async def test_the_tables_that_are_declared_are_the_tables_that_the_migrations_make(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        await migrate.check(database.url, metadata, SERVICE.versions)
        await first_version(database)
        await migrate.check(database.url, metadata, SERVICE.versions)


def test_a_version_s_columns_are_the_rows_fields_in_their_order() -> None:
    for projection in PROJECTIONS:
        assert tuple(tables_of(1)[projection.table].c.keys()) == projection.columns


async def test_a_version_has_its_keys_and_indexes(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        assert await scalar(database, _INDEXES) == (
            "appointment_pkey appointment_referral_id attention_need_id attention_other_need_id"
            " attention_pkey attention_state citizen_pkey erasure_acknowledgement_pkey"
            " event_log_decided event_log_pkey event_log_place event_log_subject"
            " event_log_unknown helper_pkey match_helper_id match_need_id match_pkey need_about_id"
            " need_pkey need_referral_id notification_pkey offer_pkey referral_department"
            " referral_pkey"
        )


async def test_every_view_and_column_is_in_the_data_dictionary(database_for: DatabaseFor) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        async with database.connect() as connection:
            rows = (await connection.execute(text(_COLUMNS))).all()
        assert len(rows) > 150
        assert {row.relname for row in rows} == set(VIEWS)
        assert [(row.relname, row.attname) for row in rows if not row.comment] == []
        assert [row.relname for row in rows if not row.of_view] == []


async def test_a_view_that_an_analyst_built_survives_a_new_column_and_holds_up_a_lost_one(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_for(SERVICE) as database, database.connect() as connection:
        number, versions = await first_version(database), VersionTables(connection)
        await as_owner(database, "create view pools as select pools from reporting.helper")

        async def show(sql: str) -> None:
            monkeypatch.setitem(VIEWS, "helper", View(sql, "One row a helper."))
            async with versions.transaction():
                await views.show(connection, dict.fromkeys(tables_of(0), number))

        monkeypatch.setattr(
            views, "_comments", lambda: ["select 1"]
        )  # those of columns that are gone
        named = "'' as municipality_name, '{{}}'::text[] as department_names"
        await show(f"select 1 as first, h.*, {named} from {{v}}.helper h")
        assert (
            await scalar(database, "select count(first) + count(pools) from reporting.helper") == 0
        )
        with pytest.raises(RebuildRefused, match="pools"):
            await show("select helper_id from {v}.helper")
        await as_owner(database, "drop view pools")
        await show("select helper_id from {v}.helper")
        assert await scalar(database, "select count(*) from reporting.helper") == 0


def test_no_zone_is_named_here_beside_the_one_of_the_installation() -> None:
    sources = Path(views.__file__).parents[1].rglob("*.py")
    assert [path.name for path in sources if "Europe/" in path.read_text()] == []


def test_a_rebuild_fills_in_every_column_of_the_event_log() -> None:
    assert sorted(log_rows.COLUMNS) == sorted(one.name for one in tables_of(1)["event_log"].c)
