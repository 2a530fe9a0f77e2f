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
    await matching.client.get(f"/volunteers/{helper}/contact?purpose=message", headers=NOTIFICATION)
    blocked = {"citizen_id": an_id("citizen"), "asked_by": "helper"}
    await post(matching, f"/volunteers/{other}/blocks", blocked | {"asked_by": "citizen"})
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
    await rows(
        matching,
        "update seat set helper_id = cast(cast(:who as text) as uuid), state = 'filled'"
        " where need_id in (select need_id from booking where holder = cast(:who as text))",
        who=helper,
    )
    await rows(
        matching,
        "update seat set asked = array_append(asked, cast(cast(:who as text) as uuid))"
        " where state <> 'filled'",
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
    assert {"restriction", "access_entry", "block"} <= naming
    assert naming <= told | KIT_EXEMPT.keys() | {"person_key"}


async def test_no_table_is_forgotten() -> None:
    assert unaccounted(HELD, metadata.tables.values()) == []


async def test_control_a_table_that_is_added_and_not_told_is_found() -> None:
    added = Table("diary", MetaData(), Column("helper_id", Uuid))
    assert unaccounted(HELD, [*metadata.tables.values(), added]) == ["diary"]


async def test_services_and_data_protection_are_told_and_of_helpers_coordinators_of_theirs(
    matching: Running,
) -> None:
    helper, elsewhere = await active(matching), bearer("coordinator", department="aarhus")
    officer = bearer("data_protection")
    who = (helper_token(helper), {}, elsewhere, COORDINATOR, NOTIFICATION, officer)
    for people, person, expected in (
        ("volunteers", helper, [403, 401, 404, 200, 200, 200]),
        ("citizens", an_id("citizen"), [403, 401, 403, 403, 200, 200]),
    ):
        path = f"/{people}/{person}/export"
        answers = [await matching.client.get(path, headers=one) for one in who]
        assert [one.status_code for one in answers] == expected
    assert answers[3].json()["detail"] == "needs one of: data_protection, service"
    read = await rows(matching, "select purpose from access_entry order by id")
    assert read == [("export",)] * 3
    # Nothing is held of the citizen, so nothing was given.
    assert await rows(matching, "select distinct person_id::text from access_entry") == [(helper,)]
    unknown = await matching.client.get(
        f"/volunteers/{an_id('nobody')}/export", headers=NOTIFICATION
    )
    assert unknown.status_code == 404


async def test_of_who_is_erased_there_is_nothing_to_tell(matching: Running) -> None:
    helper = await active(matching)
    await matching.client.delete(f"/volunteers/{helper}?reason=requested", headers=COORDINATOR)
    gone = await matching.client.get(f"/volunteers/{helper}/export", headers=NOTIFICATION)
    assert (gone.status_code, gone.json()["type"]) == (410, GONE)


async def test_nothing_is_told_that_is_only_another_persons(matching: Running) -> None:
    holder, other = await active(matching), await active(matching, 1, name="Bo Test")
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    offers = {one.helper_id: one for one in await open_offers(matching)}
    await post(matching, f"/offers/{offers[holder].offer_id}/accept")
    await rows(
        matching,
        "update offer set distance_metres = 98765, leave_at = '2031-01-01', home_at = '2031-01-02'",
    )
    await rows(
        matching,
        "update seat set leave_at = '2031-01-01', home_at = '2031-01-02', meet_at = '2031-01-03'",
    )
    ((match_id,),) = await rows(matching, "select match_id from seat")
    of_holder = str(await exported(matching, "volunteers", holder))
    of_other = await exported(matching, "volunteers", other)
    of_citizen = str(await exported(matching, "citizens", an_id("citizen")))
    assert {str(match_id), "2031-01-02"} <= set(_found(of_holder, str(match_id), "2031-01-02"))
    assert _found(of_citizen, holder, other, "98765", "2031-01-01", "2031-01-02") == []
    (seat,) = of_other["Where you were asked to help"]
    assert _found(str(seat), str(match_id), "2031-01") == []
    assert _found(str(of_other), holder, str(match_id), offers[holder].offer_id) == []
    assert other not in of_holder


async def test_that_the_other_wished_a_block_is_not_told(matching: Running) -> None:
    helper, citizen = await active(matching), an_id("citizen")
    await tell(matching, *READY_CITIZEN)
    for by in ("helper", "citizen"):
        await rows(matching, "delete from block")
        await post(
            matching, f"/volunteers/{helper}/blocks", {"citizen_id": citizen, "asked_by": by}
        )
        told = {
            "helper": await exported(matching, "volunteers", helper),
            "citizen": await exported(matching, "citizens", citizen),
        }
        heading = "Who is not brought together with you"
        assert [one for one, sections in told.items() if heading in sections] == [by]


@pytest.mark.parametrize("by", ["helper", "citizen"])
async def test_no_reason_tells_that_the_other_wished_a_block(matching: Running, by: str) -> None:
    helper, citizen = await active(matching), an_id("citizen")
    other = await active(matching, 1, name="Bo Test")
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    assert len(await open_offers(matching)) == 2
    for one in (helper, other):
        await post(matching, f"/volunteers/{one}/blocks", {"citizen_id": citizen, "asked_by": by})
    assert len(await rows(matching, "select 1 from offer where reason = 'blocked'")) == 2
    for people, who in (("volunteers", helper), ("volunteers", other), ("citizens", citizen)):
        assert "'blocked'" not in str(await exported(matching, people, who))


async def test_which_helper_was_asked_cannot_be_guessed(matching: Running) -> None:
    helper = await active(matching)
    await tell(matching, *READY_CITIZEN, event(need_opened()))
    await post(matching, f"/offers/{(await open_offers(matching))[0].offer_id}/decline")
    told = await exported(matching, "citizens", an_id("citizen"))
    (asked,) = told["Who was asked to help"]
    assert asked.keys() & {"known_to_citizen", "rank", "answered_at"} == set()
    assert helper not in str(told)


def _found(text: str, *words: str) -> list[str]:
    return [one for one in words if one in text]
