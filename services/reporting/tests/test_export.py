"""Everybody is told what the history says of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from brobyg_kit.export import KIT_EXEMPT, unaccounted
from brobyg_kit.testing import Running, bearer, tables_naming
from brobyg_reporting.adapters.holdings import HOLDINGS
from brobyg_reporting.adapters.tables import metadata, tables_of
from brobyg_reporting.bootstrap import SERVICE
from sqlalchemy import Column, MetaData, Table, Uuid

from .stories import (
    DEPARTMENT,
    HELPER,
    OTHER,
    REFERRAL,
    SECOND,
    THIRD,
    facts,
    keep,
    story,
    told,
)

Serve = Callable[..., AbstractAsyncContextManager[Running]]
SERVICE_TOKEN = bearer("service")
OWN = [*metadata.tables.values(), *tables_of(1).values()]
CITIZEN = msgspec.json.decode(story()[1].data)["citizen_id"]
#: Of a citizen's or a helper's story: what must be told at least.
TOLD = {
    "citizens": (CITIZEN, {"Referrals", "Appointments", "What you need help for", "The history"}),
    "volunteers": (HELPER, {"What you were asked", "Agreements to help", "The history"}),
}


@pytest.mark.parametrize("people", TOLD)
async def test_what_the_history_says_of_somebody_is_told(serve: Serve, people: str) -> None:
    async with serve(SERVICE) as running:
        database = running.runtime.database
        assert database is not None
        await keep(running, story() + story(OTHER, DEPARTMENT)[1:5])
        who, headings = TOLD[people]
        path = f"/{people}/{who}/export"
        for _ in range(2):
            answer = await running.client.get(path, headers=SERVICE_TOKEN)
            assert answer.status_code == 200, answer.text
        told = {one["heading"]: one["rows"] for one in answer.json()["sections"]}
        assert headings | {"When your data was seen, and what for"} <= told.keys()
        names = {name for one in HOLDINGS.sections[people] for name in one.tables}
        naming = await tables_naming(database, who)
        assert {"event_log", "match", "access_entry"} <= naming
        assert naming <= names | KIT_EXEMPT.keys()
        officer = await running.client.get(path, headers=bearer("data_protection"))
        assert officer.status_code == 200
        for refused in (bearer("analyst"), bearer("coordinator")):
            assert (await running.client.get(path, headers=refused)).status_code == 403


async def test_no_table_is_forgotten() -> None:
    assert unaccounted(HOLDINGS, OWN) == []


async def test_control_a_table_that_is_added_and_not_told_is_found() -> None:
    added = Table("diary", MetaData(), Column("helper_id", Uuid))
    assert unaccounted(HOLDINGS, [*OWN, added]) == ["diary"]


async def test_what_the_history_says_of_others_is_not_told(serve: Serve) -> None:
    others = {CITIZEN, HELPER, SECOND, THIRD, "coordinator-1"}
    others_things = {"citizens": {"known_to_citizen", '"rank"'}, "volunteers": {REFERRAL}}
    async with serve(SERVICE) as running:
        await keep(running, story())
        for people, who in (("citizens", CITIZEN), ("volunteers", HELPER)):
            answer = await running.client.get(f"/{people}/{who}/export", headers=SERVICE_TOKEN)
            assert who in answer.text
            unwanted = others - {who} | others_things[people]
            assert [one for one in unwanted if one in answer.text] == []


@pytest.mark.parametrize(
    ("reason", "hidden_from"),
    [
        ("blocked", {"citizens", "volunteers"}),
        ("helper_withdrew", {"citizens"}),
        ("consent_withdrawn", {"volunteers"}),
    ],
)
async def test_a_reason_that_is_the_others_is_not_told(
    serve: Serve, reason: str, hidden_from: set[str]
) -> None:
    given = facts() | {"reason": reason, "excluded": {"blocked": 1}}
    ended = [told("offer.withdrawn", 190, given), told("match.released", 190, given)]
    async with serve(SERVICE) as running:
        await keep(running, [*story()[:-2], *ended])
        for people, who in (("citizens", CITIZEN), ("volunteers", HELPER)):
            answer = await running.client.get(f"/{people}/{who}/export", headers=SERVICE_TOKEN)
            assert "match.released" in answer.text
            assert (reason in answer.text) == (people not in hidden_from)


@pytest.mark.parametrize("who", [SECOND, THIRD])
async def test_who_was_considered_or_ruled_out_is_told_so(serve: Serve, who: str) -> None:
    async with serve(SERVICE) as running:
        await keep(running, story())
        answer = await running.client.get(f"/volunteers/{who}/export", headers=SERVICE_TOKEN)
    (section,) = (one for one in answer.json()["sections"] if one["heading"] == "The history")
    data = section["rows"][0]["data"]
    assert [one["helper_id"] for one in data["considered"]] == [SECOND] * (who == SECOND)
    assert [one["helpers"] for one in data["excluded"]] == [[THIRD]] * (who == THIRD)
    assert "count" not in str(data["excluded"])
