"""Who has left long ago is known no more, and needs of long ago are gone; nothing else is."""

from datetime import timedelta

import pytest
from brobyg_contracts import CitizenErased, CitizenRestricted, CitizenUnrestricted
from brobyg_contracts.retention import kinds
from brobyg_kit.testing import Running
from matching_api import (
    COORDINATOR,
    READY_CITIZEN,
    active,
    database_of,
    give,
    open_offers,
    post,
    rows,
    seats,
    tell,
)
from matching_samples import NOW, a_helper, an_id, event, facts, need_closed, need_opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = timedelta(days=1)


async def carry_out(matching: Running, kind: str, batch: int = 2) -> list[int]:
    """Batch by batch, each in its transaction, as the timer does; how many each ended."""
    days, ended = kinds()[kind].days, [1]
    assert days is not None
    while ended[-1]:
        async with database_of(matching).transaction() as tx:
            how = matching.runtime.parts.retention[kind]
            ended.append(await how.carry_out(tx, NOW - days * DAY, batch))
    return ended[1:]


async def since(matching: Running, helper_id: str, days: float) -> None:
    await rows(
        matching,
        "update helper set inactive_since = :at where helper_id = cast(:id as uuid)"
        " and inactive_since is not null",
        at=NOW - days * DAY, id=helper_id,
    )  # fmt: skip


async def test_since_when_a_helper_cannot_be_asked_is_known_and_forgotten_when_they_return(
    matching: Running,
) -> None:
    inactive = "select status, inactive_since from helper"
    await give(matching, a_helper("ida", status="applied"))
    assert await rows(matching, inactive) == [("applied", NOW)]
    await rows(matching, "delete from helper")
    ida = await active(matching)
    assert await rows(matching, inactive) == [("active", None)]
    assert (await post(matching, f"/volunteers/{ida}/pause"))[0] == 200
    await since(matching, ida, 100)
    assert (await post(matching, f"/volunteers/{ida}/pause"))[0] == 200
    assert await rows(matching, inactive) == [("paused", NOW - 100 * DAY)]


async def test_who_has_left_for_a_year_is_known_no_more_and_all_others_are(
    matching: Running,
) -> None:
    left = [f"left {number}" for number in range(3)]
    there = ["paused lately", "active"]
    statuses = dict.fromkeys([*left, "paused lately"], "paused") | {"active": "active"}
    statuses["left 0"] = "applied"
    await give(matching, *(a_helper(word, status=status) for word, status in statuses.items()))
    for word in statuses:
        await since(matching, an_id(word), 364.9 if word in there else 365.1)
    assert await carry_out(matching, "helper_left") == [2, 1, 0]
    for table in ("helper_contact", "paper"):
        known = {one for (one,) in await rows(matching, f"select helper_id::text from {table}")}
        assert known == set(map(an_id, there)), table
    erased = await rows(matching, "select helper_id::text from helper where status = 'erased'")
    assert {one for (one,) in erased} == set(map(an_id, left))
    told = await rows(matching, "select person_id::text, reason from erasure")
    assert dict(told) == dict.fromkeys(map(an_id, left), "retention_over")


async def test_who_is_restricted_is_kept_however_long(matching: Running) -> None:
    await give(matching, a_helper("ida", status="paused"))
    ida = an_id("ida")
    path = f"/volunteers/{ida}/restriction"
    body = {"reason": "objection"}
    assert (await matching.client.put(path, json=body, headers=COORDINATOR)).status_code == 200
    await since(matching, ida, 400)
    assert await carry_out(matching, "helper_left") == [0]
    assert len(await rows(matching, "select 1 from helper_contact")) == 1


async def test_closed_needs_of_long_ago_go_with_all_that_is_theirs_in_batches(
    matching: Running,
) -> None:
    await give(matching, a_helper("ida"))
    words = ["old 1", "old 2", "old 3", "young", "open"]
    for number, word in enumerate(words):
        await tell(matching, *READY_CITIZEN, event(need_opened(facts(word)), number))
    assert {one.need_id for one in await open_offers(matching)} & set(map(an_id, words[:3]))
    for number, word in enumerate(words[:-1]):
        await tell(matching, event(need_closed(word), 10 + number))
    long_ago = NOW - 731 * DAY
    for word in words:
        at = NOW - 729 * DAY if word == "young" else long_ago
        await rows(
            matching,
            "update need set opened_at = :at, starts_at = :at, ends_at = :at, closed_at = :at"
            " where need_id = cast(:id as uuid)",
            at=at, id=an_id(word),
        )  # fmt: skip
    before = {table: await of_needs(matching, table) for table in ("need", "seat", "offer")}
    assert await carry_out(matching, "need") == [2, 1, 0]
    for table, there in before.items():
        assert await of_needs(matching, table) == there - set(map(an_id, words[:3])), table
    assert [state for state, _ in await seats(matching, "open")] == ["searching"]


async def of_needs(matching: Running, table: str) -> set[str]:
    return {one for (one,) in await rows(matching, f"select need_id::text from {table}")}


async def test_requests_go_after_their_days(matching: Running) -> None:
    await give(matching, a_helper("ida"))
    for number, days in enumerate((89.9, 90.1, 300)):
        await rows(
            matching,
            "insert into registration values (:key, :key, cast(:id as uuid), :at)",
            key=bytes([number]), id=an_id("ida"), at=NOW - days * DAY,
        )  # fmt: skip
    assert await carry_out(matching, "registration") == [2, 0]
    assert len(await rows(matching, "select 1 from registration")) == 1


async def test_a_need_of_long_ago_is_kept_after_it_was_closed(matching: Running) -> None:
    await tell(matching, *READY_CITIZEN, event(need_opened(facts("case"))))
    await rows(
        matching,
        "update need set opened_at = :at, starts_at = null, ends_at = null",
        at=NOW - 800 * DAY,
    )
    await tell(matching, event(need_closed("case"), 10))
    assert await carry_out(matching, "need") == [0]


RESTRICTED = "select person_id::text from restriction"


async def restrict_helper(matching: Running, helper_id: str) -> None:
    path, body = f"/volunteers/{helper_id}/restriction", {"reason": "objection"}
    assert (await matching.client.put(path, json=body, headers=COORDINATOR)).status_code == 200


async def lift_helper(matching: Running, helper_id: str) -> None:
    path = f"/volunteers/{helper_id}/restriction"
    assert (await matching.client.delete(path, headers=COORDINATOR)).status_code == 204


async def an_old_need(matching: Running) -> None:
    await give(matching, a_helper("ida"))
    await tell(matching, *READY_CITIZEN, event(need_opened(facts("old"))))
    await tell(matching, event(need_closed("old"), 10))
    await rows(matching, "update need set opened_at = :at, ends_at = :at, closed_at = :at", at=OLD)


OLD = NOW - 4_000 * DAY


async def test_needs_of_a_restricted_citizen_stay_until_that_is_lifted(matching: Running) -> None:
    await an_old_need(matching)
    citizen = an_id("citizen")
    restricted = event(CitizenRestricted(citizen_id=citizen, reason="objection"), 20)
    await tell(matching, restricted)
    assert await rows(matching, RESTRICTED) == [(citizen,)]
    assert await carry_out(matching, "need") == [0]
    await tell(matching, event(CitizenUnrestricted(citizen_id=citizen), 21))
    assert await rows(matching, RESTRICTED) == []
    assert await carry_out(matching, "need") == [1, 0]


async def test_a_citizen_who_is_erased_is_restricted_no_longer(matching: Running) -> None:
    citizen = an_id("citizen")
    await tell(matching, *READY_CITIZEN)
    restricted = CitizenRestricted(citizen_id=citizen, reason="objection")
    await tell(matching, event(restricted, 20))
    await tell(matching, event(CitizenErased(citizen_id=citizen, reason="requested"), 21))
    assert await rows(matching, RESTRICTED) == []
    await tell(matching, event(restricted, 22))
    assert await rows(matching, RESTRICTED) == []


async def test_what_is_of_a_restricted_helper_stays_until_that_is_lifted(
    matching: Running,
) -> None:
    await an_old_need(matching)
    ida = an_id("ida")
    await restrict_helper(matching, ida)
    await rows(
        matching,
        "insert into registration values ('k', 'k', cast(:id as uuid), :at)",
        id=ida, at=OLD,
    )  # fmt: skip
    kinds_ = ("need", "registration")
    assert [await carry_out(matching, one) for one in kinds_] == [[0]] * 2
    await lift_helper(matching, ida)
    assert [await carry_out(matching, one) for one in kinds_] == [[1, 0]] * 2


async def test_nobody_is_erased_the_night_after_a_restriction_is_lifted(matching: Running) -> None:
    await give(matching, a_helper("ida", status="paused"))
    await restrict_helper(matching, an_id("ida"))
    await since(matching, an_id("ida"), 400)
    await lift_helper(matching, an_id("ida"))
    assert await carry_out(matching, "helper_left") == [0]
    assert await rows(matching, "select status, inactive_since from helper") == [("paused", NOW)]
