"""Citizens and helpers are told all that is held of them."""

from datetime import timedelta
from typing import Any

import pytest
from brobyg_kit.export import KIT_EXEMPT, unaccounted
from brobyg_kit.problems import GONE
from brobyg_kit.testing import Running, bearer, tables_naming
from brobyg_matching.adapters.holdings import holdings
from brobyg_matching.adapters.tables import metadata
from matching_api import (
    COORDINATOR,
    NOTIFICATION,
    READY_CITIZEN,
    active,
    database_of,
    fire,
    helper_token,
    open_offers,
    post,
    rows,
    tell,
)
from matching_samples import LATE, an_id, event, facts, need_opened
from sqlalchemy import Column, MetaData, Table, Uuid

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELD: Any = holdings(None)  # type: ignore[arg-type]  # nothing is opened
PEOPLE = ("citizens", "volunteers")


async def exported(
    matching: Running, people: str, person_id: str
) -> dict[str, list[dict[str, Any]]]:
    """The sections, by heading."""
    answer = await matching.client.get(f"/{people}/{person_id}/export", headers=NOTIFICATION)
    assert answer.status_code == 200, answer.text
    return {one["heading"]: one["rows"] for one in answer.json()["sections"]}


async def everything(matching: Running) -> dict[str, str]:
    """A citizen and a helper of whom each table holds something, by what they are."""
    helper = await active(matching)
    other = await active(matching, 1, name="Bo Test", range_metres=12345)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    mine = next(one for one in await open_offers(matching) if one.helper_id == helper)
    await post(matching, f"/offers/{mine.offer_id}/accept")
    await matching.client.get(f"/volunteers/{helper}/contact?purpose=mail", headers=NOTIFICATION)
    blocked = {"citizen_id": an_id("citizen"), "asked_by": "helper"}
    await post(matching, f"/volunteers/{other}/blocks", blocked)
    await post(matching, f"/volunteers/{helper}/blocks", blocked)
    later = facts("later", starts_at=LATE + timedelta(days=1))
    await tell(matching, event(need_opened(later)))
    await fire(matching)
    people = {"citizens": an_id("citizen"), "volunteers": helper}
    for one, who in people.items():
        await rows(
            matching,
            "insert into restriction values (cast(:who as uuid), 'objection', 'a', now())",
            who=who,
        )  # fmt: skip
        await exported(matching, one, who)
    await rows(
        matching, "insert into caseload values (cast(:who as uuid), 0, 3) on conflict do nothing",
        who=helper,
    )  # fmt: skip
    # Once the two are blocked nobody has the seat: let it be as it was.
    await rows(
        matching,
        "insert into booking (need_id, seat_no, holder, span, exclusive) select need_id, 1, :who,"
        " tstzrange(starts_at, ends_at), true from need limit 1 on conflict do nothing",
        who=helper,
    )
    return people


@pytest.mark.parametrize("people", PEOPLE)
async def test_all_that_is_held_is_told(matching: Running, people: str) -> None:
    who = (await everything(matching))[people]
    told = await exported(matching, people, who)
    assert {one.heading for one in HELD.sections[people]} - told.keys() == set()


async def test_nothing_of_anybody_else_is_told(matching: Running) -> None:
    people = await everything(matching)
    of_helper = str(await exported(matching, "volunteers", people["volunteers"]))
    assert "Ida Test Lauridsen" in of_helper
    assert "Bo Test" not in of_helper
    assert "12345" not in of_helper
    assert "Test" not in str(await exported(matching, "citizens", people["citizens"]))


@pytest.mark.parametrize("people", PEOPLE)
async def test_each_table_that_names_them_is_told_or_exempt(matching: Running, people: str) -> None:
    who = (await everything(matching))[people]
    told = {name for one in HELD.sections[people] for name in one.tables}
    naming = await tables_naming(database_of(matching), who)
    assert {"restriction", "export_log", "block"} <= naming
    assert naming <= told | KIT_EXEMPT.keys() | {"person_key"}


async def test_no_table_is_forgotten() -> None:
    assert unaccounted(HELD, metadata.tables.values()) == []


async def test_control_a_table_that_is_added_and_not_told_is_found() -> None:
    added = Table("diary", MetaData(), Column("helper_id", Uuid))
    assert unaccounted(HELD, [*metadata.tables.values(), added]) == ["diary"]


async def test_only_services_are_told_and_of_helpers_coordinators_of_theirs(
    matching: Running,
) -> None:
    helper, elsewhere = await active(matching), bearer("coordinator", department="aarhus")
    who = (helper_token(helper), {}, elsewhere, COORDINATOR, NOTIFICATION)
    for people, person, expected in (
        ("volunteers", helper, [403, 401, 404, 200, 200]),
        ("citizens", an_id("citizen"), [403, 401, 403, 403, 200]),
    ):
        path = f"/{people}/{person}/export"
        answers = [(await matching.client.get(path, headers=one)).status_code for one in who]
        assert answers == expected
    read = await rows(matching, "select purpose from access_log")
    assert read == [("export",), ("export",)]
    assert len(await rows(matching, "select 1 from export_log")) == 3
    unknown = await matching.client.get(
        f"/volunteers/{an_id('nobody')}/export", headers=NOTIFICATION
    )
    assert unknown.status_code == 404


async def test_of_who_is_erased_there_is_nothing_to_tell(matching: Running) -> None:
    helper = await active(matching)
    await matching.client.delete(f"/volunteers/{helper}?reason=requested", headers=COORDINATOR)
    gone = await matching.client.get(f"/volunteers/{helper}/export", headers=NOTIFICATION)
    assert (gone.status_code, gone.json()["type"]) == (410, GONE)
