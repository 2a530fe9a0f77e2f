"""Keys are rotated without a stop: links stay open, and nobody is registered twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise

import pytest
import pytest_asyncio
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.replica import Replica
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, bearer
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.adapters.rosters import ResidentRosters
from brobyg_matching.bootstrap import REFERENCE, SERVICE
from brobyg_matching.domain.helper import Helper
from brobyg_matching.errors import IdempotencyKeyReused, RegisteredBefore, UnknownLink, WeakKey
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Contact
from brobyg_matching.settings import MatchingSettings, strong
from brobyg_matching.use_cases.boards import Boards
from brobyg_matching.use_cases.registration import Registration, RegistrationRequest
from matching_api import KEYS, READY_CITIZEN, give_reference
from matching_samples import CONTACTS, a_helper, an_id, event, need_opened, query
from prometheus_client import CollectorRegistry

Serve = Callable[..., AbstractAsyncContextManager[Running]]
DatabaseFor = Callable[[Service], AbstractAsyncContextManager[Database]]
OLD, NEW, OTHER = "an-old-key-that-leaked-out", "a-new-key-that-did-not", "a-key-for-other-things"
#: A rotation, a step at a time. While one is rolled out, processes of the step before still run.
STEPS = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
SIDE_BY_SIDE = [*pairwise(STEPS), *pairwise(reversed(STEPS))]
BODY = '{"name": "Ida Test"}'
#: By its body, and by its Idempotency-Key.
REQUESTS = [RegistrationRequest("a coordinator", key, BODY) for key in (None, "key-1")]
CONTACT = Contact(name="Ida Test", email="ida@example.org", phone=None, language="da")


@pytest_asyncio.fixture
async def database(database_for: DatabaseFor) -> AsyncIterator[Database]:
    async with database_for(SERVICE) as database:
        await give_reference(database)
        yield database


async def register(
    database: Database, keys: list[str], word: str, request: RegistrationRequest = REQUESTS[0]
) -> Helper:
    helpers, metrics = PostgresHelpers(database, CONTACTS), MatchingMetrics(CollectorRegistry())
    replica = Replica(REFERENCE)
    boards = Boards(PostgresNeeds(), helpers, ResidentRosters(), replica, metrics)
    process = Registration(database, boards, keys)
    return await process.register(
        a_helper(word, status="applied"), CONTACT, request, lambda _: True
    )


async def registered(database: Database) -> int:
    return len(await query(database, "select 1 from helper"))


@pytest.mark.parametrize(("one", "other"), SIDE_BY_SIDE)
def test_a_link_of_one_process_is_taken_by_the_other(one: list[str], other: list[str]) -> None:
    assert Links(other).read(Links(one).token(an_id("offer"))) == (an_id("offer"),)


def test_a_link_of_a_key_that_was_dropped_is_unknown() -> None:
    with pytest.raises(UnknownLink):
        Links([NEW]).read(Links([OLD]).token(an_id("offer")))


async def test_a_link_sent_before_the_rotation_is_answered_after_it(
    serve: Serve, clock: ManualClock
) -> None:
    keys = KEYS | {"matching_link_keys": f"{NEW},{OLD}", "matching_registration_keys": OTHER}
    async with serve(SERVICE, clock=clock, **keys) as matching:
        database = matching.runtime.database
        handle = matching.runtime.parts.handle
        assert database is not None
        assert handle is not None
        await give_reference(database)
        async with database.transaction() as tx:
            await PostgresHelpers(database, CONTACTS).add(tx, a_helper("v"), CONTACT)
        async with database.transaction() as tx:
            await handle(tx, [*READY_CITIZEN, event(need_opened())])
        [(offer_id,)] = await query(database, "select offer_id::text from offer")
        new = await matching.client.get(
            f"/offers/{offer_id}/answer-link", headers=bearer("service")
        )
        assert Links([NEW]).read(new.json()["token"]) == (offer_id,)
        url = f"/answers/{Links([OLD]).token(offer_id)}"
        assert (await matching.client.get(url, headers=bearer("portal"))).status_code == 200
        answer = {"answer": "accept"}
        taken = await matching.client.post(url, json=answer, headers=bearer("portal"))
        assert taken.json() == {"state": "accepted"}


@pytest.mark.parametrize("request_", REQUESTS, ids=["by its body", "by its key"])
async def test_a_request_to_one_process_is_recognised_by_the_other(
    database: Database, request_: RegistrationRequest
) -> None:
    for one, other in SIDE_BY_SIDE:
        await query(database, "truncate helper cascade")
        first = await register(database, one, "first", request_)
        assert await register(database, other, "again", request_) == first, (one, other)
        assert await registered(database) == 1


async def test_a_key_used_for_another_request_is_found_out_by_the_other_process(
    database: Database,
) -> None:
    other_body = RegistrationRequest("a coordinator", "key-1", '{"name": "Bo Test"}')
    await register(database, [OLD, NEW], "first", REQUESTS[1])
    with pytest.raises(IdempotencyKeyReused):
        await register(database, [NEW, OLD], "another", other_body)
    assert await registered(database) == 1


@pytest.mark.parametrize("request_", REQUESTS, ids=["by its body", "by its key"])
async def test_of_requests_to_both_processes_at_the_same_instant_one_volunteer_is_made(
    database: Database, request_: RegistrationRequest
) -> None:
    for one, other in pairwise(STEPS):
        await query(database, "truncate helper cascade")
        made = await asyncio.gather(
            *(register(database, keys, str(n), request_) for n, keys in enumerate([one, other] * 4))
        )
        assert len({helper.helper_id for helper in made}) == 1, (one, other)
        assert await registered(database) == 1


async def test_control_without_the_steps_between_a_repeat_is_not_recognised(
    database: Database,
) -> None:
    await register(database, [OLD], "first")
    with pytest.raises(RegisteredBefore):
        await register(database, [NEW], "again")


def test_each_setting_lists_its_keys_and_shows_none() -> None:
    settings = MatchingSettings.model_validate(
        KEYS | {"matching_link_keys": f"{NEW}, {OLD}", "matching_registration_keys": OTHER}
    )
    assert strong("matching_link_keys", settings.matching_link_keys) == [NEW, OLD]
    assert strong("matching_registration_keys", settings.matching_registration_keys) == [OTHER]
    assert not any(key in repr(settings) for key in (NEW, OLD, OTHER))


@pytest.mark.parametrize("keys", ["", "short", f"{NEW},short"])
def test_a_missing_or_short_key_is_told_by_its_setting_and_not_shown(keys: str) -> None:
    settings = MatchingSettings.model_validate(KEYS | {"matching_link_keys": keys})
    with pytest.raises(WeakKey, match="BROBYG_MATCHING_LINK_KEYS") as told:
        strong("matching_link_keys", settings.matching_link_keys)
    assert NEW not in str(told.value)
