"""Everybody is told which messages were written to them."""

import pytest
from brobyg_contracts import VolunteerMatched
from brobyg_kit.export import KIT_EXEMPT, unaccounted
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import bearer, tables_naming
from brobyg_notification.adapters.holdings import HOLDINGS
from brobyg_notification.adapters.tables import metadata, notification
from brobyg_notification.bootstrap import SERVICE
from sqlalchemy import Column, MetaData, Table, Uuid, update

PEOPLE = {"citizens": derived_id("citizen"), "volunteers": derived_id("helper")}
SERVICE_TOKEN = bearer("service")


@pytest.mark.parametrize("people", PEOPLE)
async def test_the_messages_to_somebody_are_told_and_to_nobody_else(
    serve, required, cause, people: str
) -> None:
    async with serve(SERVICE, role="api", **required) as running:
        database, handle = running.runtime.database, running.runtime.parts.handle
        async with database.transaction() as tx:
            await handle(tx, [cause(VolunteerMatched)])
        path, who = f"/{people}/{PEOPLE[people]}/export", PEOPLE[people]
        for _ in range(2):
            answer = await running.client.get(path, headers=SERVICE_TOKEN)
            assert answer.status_code == 200, answer.text
        told = {one["heading"]: one["rows"] for one in answer.json()["sections"]}
        (message,) = told["Messages to you"]
        assert message["recipient_id"] == who
        assert ("referral_id" in message) == (people == "citizens")
        assert [one for one in PEOPLE.values() if one != who and one in str(told)] == []
        (reading,) = told["When your data was seen, and what for"]
        assert reading["person_id"] == who
        names = {name for one in HOLDINGS.sections[people] for name in one.tables}
        naming = await tables_naming(database, who)
        assert {"notification", "access_entry"} <= naming
        assert naming <= names | KIT_EXEMPT.keys() | {"called_off"}
        for refused in (bearer("coordinator"), bearer("volunteer", subject=who)):
            assert (await running.client.get(path, headers=refused)).status_code == 403


async def test_no_table_is_forgotten() -> None:
    assert unaccounted(HOLDINGS, metadata.tables.values()) == []


async def test_control_a_table_that_is_added_and_not_told_is_found() -> None:
    added = Table("diary", MetaData(), Column("helper_id", Uuid))
    assert unaccounted(HOLDINGS, [*metadata.tables.values(), added]) == ["diary"]


@pytest.mark.parametrize("people", PEOPLE)
async def test_that_the_other_wished_a_block_is_not_told(
    serve, required, cause, people: str
) -> None:
    async with serve(SERVICE, role="api", **required) as running:
        async with running.runtime.database.transaction() as tx:
            await running.runtime.parts.handle(tx, [cause(VolunteerMatched)])
            await tx.connection.execute(update(notification).values(release_reason="blocked"))
        path = f"/{people}/{PEOPLE[people]}/export"
        answer = await running.client.get(path, headers=SERVICE_TOKEN)
        assert "Messages to you" in answer.text
        assert "blocked" not in answer.text
