"""Who agreed to research, by citizen: what analysts leave the others out by."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from random import Random

import pytest
from brobyg_contracts import (
    CitizenErased,
    CitizenRestricted,
    ConsentGiven,
    ConsentWithdrawn,
    EventData,
    ReferralCreated,
)
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.testing import START, event_of, new_uuid
from sqlalchemy import text

from .conftest import first_version
from .test_live_and_rebuild import placed
from .test_projection_versions import handle, unlike

DatabaseFor = Callable[..., AbstractAsyncContextManager[Database]]

CITIZEN, FIRST, SECOND = (new_uuid(Random(number)) for number in range(3))
GIVEN, WITHDRAWN, NONE = ("given", True), ("withdrawn", False), ("none", False)


def word(what: str, referral_id: str = FIRST) -> EventData:
    """A word on consent, as `given research`, or on the citizen's rights."""
    verb, _, scope = what.partition(" ")
    if verb == "restricted":
        return CitizenRestricted(citizen_id=CITIZEN, reason="accuracy_contested")
    if verb == "erased":
        return CitizenErased(citizen_id=CITIZEN, reason="requested")
    if verb == "given":
        return ConsentGiven(referral_id=referral_id, citizen_id=CITIZEN, scope=scope)
    return ConsentWithdrawn(referral_id=referral_id, citizen_id=CITIZEN, scope=scope)


def created(referral_id: str) -> EventData:
    return ReferralCreated(
        referral_id=referral_id,
        citizen_id=CITIZEN,
        pathway="escort",
        department="randers-norddjurs",
        municipality_code="0730",
        referrer_kind="gp",
    )


def told(words: list[EventData]) -> list[tuple[str, Event]]:
    """The events with their topic, an hour apart."""
    random = Random(3)
    return [
        (
            said.TOPIC,
            event_of(
                random, said, getattr(said, said.SUBJECT), number, START + timedelta(hours=number)
            ),
        )
        for number, said in enumerate(words, 1)
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], NONE),
        ([("given processing", FIRST)], NONE),
        ([("given research", FIRST)], GIVEN),
        ([("given research", FIRST), ("withdrawn processing", FIRST)], GIVEN),
        ([("given research", FIRST), ("withdrawn research", FIRST)], WITHDRAWN),
        ([("withdrawn research", FIRST), ("given research", FIRST)], GIVEN),
        # It is given again at the second in another text, and withdrawn there, where it stands.
        ([("given research", FIRST), ("given research", SECOND)], GIVEN),
        (
            [("given research", FIRST), ("given research", SECOND), ("withdrawn research", SECOND)],
            WITHDRAWN,
        ),
        ([("given research", SECOND), ("withdrawn research", SECOND)], WITHDRAWN),
        ([("withdrawn research", FIRST), ("given research", SECOND)], GIVEN),
        ([("given research", FIRST), ("restricted", "")], ("given", False)),
        ([("given research", FIRST), ("erased", "")], ("given", False)),
    ],
)
async def test_a_citizen_s_latest_word_on_research_counts_at_whichever_referral(
    database_for: DatabaseFor, words: list[tuple[str, str]], expected: tuple[str, bool]
) -> None:
    said = [created(FIRST), created(SECOND), *(word(*one) for one in words)]
    events = placed(told(said))
    async with database_for(SERVICE) as database:
        await first_version(database)
        await handle(database, events)
        async with database.connect() as connection:
            found = await connection.execute(text("select * from reporting.research_consent"))
            [row] = found.all()
        assert (row.research, row.may_be_counted) == expected
        assert (row.citizen_id, row.referrals) == (CITIZEN, 2)
        assert (row.research_at is None) == (expected == NONE)
        assert await unlike(database, events) == []


async def test_analysts_are_told_in_the_dictionary_what_research_may_count(
    database_for: DatabaseFor,
) -> None:
    async with database_for(SERVICE) as database:
        await first_version(database)
        async with database.connect() as connection:
            found = await connection.execute(
                text(
                    "select view_name, column_name, meaning from reporting.dictionary"
                    " where column_name like 'research%' or view_name = 'research_consent'"
                )
            )
            meanings = {(one.view_name, one.column_name): one.meaning for one in found}
    assert all(meanings.values())
    assert {name for view, name in meanings if view == "referral"} == {"research", "research_at"}
    assert "neither restricted nor erased" in meanings["research_consent", "may_be_counted"]
