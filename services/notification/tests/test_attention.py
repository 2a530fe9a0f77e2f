"""What needs a human because a message does not arrive, and when it no longer does."""

from datetime import timedelta

import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    OfferMade,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import bearer, eventually
from brobyg_notification.adapters.tables import closed_need, notification
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.domain import planning
from brobyg_notification.domain.attention import ATTENTION, mail_refused
from brobyg_notification.domain.calendar_status import Calendars
from brobyg_notification.errors import NotYetKnown
from msgspec import structs
from sqlalchemy import select, update

NEED, CITIZEN = derived_id("need"), derived_id("citizen")


async def settled(parts, count: int = 1) -> None:
    async def so() -> bool:
        return [kind for kind, _ in await parts.attention()].count("settled") == count

    await eventually(so, f"{count} items are settled")


@pytest.mark.parametrize("reason", ["no_address", "refused"])
async def test_a_citizen_whom_no_mail_reaches_is_on_the_worklist_once(
    parts_for, mail_server, owners, cause, clock, reason: str
) -> None:
    if reason == "no_address":
        owners.citizen(email=None)
    else:
        mail_server.answers["einer@example.org"] = ["550 5.1.1 no such user"] * 2
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        ((kind, item),) = await parts.attention()
        await parts.receive(cause(MatchReleased, reason="helper_withdrew"))
        await parts.ended("sent", "failed", "sent", "sent", "failed", "sent")
        assert len(await parts.attention()) == 1, "it says the same"
    assert (kind, item["kind"], item["reasons"]) == ("raised", "mail_refused", [reason, "citizen"])
    assert (item["need_id"], item["citizen_id"]) == (NEED, CITIZEN)
    assert (item["department"], item["urgency"]) == ("randers-norddjurs", "today")
    assert item["due_at"] == "2026-12-01T09:15:00Z"
    assert "@" not in str(item)


async def test_who_said_yes_and_hears_nothing_is_on_the_worklist_too(
    parts_for, owners, cause, clock
) -> None:
    owners.helper(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(OfferMade))
        await parts.ended("failed")
        await parts.receive(cause(StaffMatched))
        await parts.ended("failed", "failed", "sent")
        items = [item["reasons"] for _, item in await parts.attention()]
    assert items == [["no_address", "helper"]], "an offer that is not answered is asked of others"


async def test_a_later_message_that_arrives_settles_it(parts_for, owners, cause, clock) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        owners.citizen()
        await parts.receive(cause(MatchReleased, reason="helper_withdrew"))
        await settled(parts)
        item, end = [data for _, data in await parts.attention()]
    assert end["attention_id"] == item["attention_id"]
    assert (end["actor"], end["outcome"]) == ("notification", "no_longer_so")


@pytest.mark.parametrize("reason", ["completed", "missed", "withdrawn"])
async def test_the_end_of_the_need_settles_it(parts_for, owners, cause, clock, reason: str) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts:
        async with parts.delivering():
            await parts.receive(cause(VolunteerMatched))
            await parts.ended("sent", "failed", "sent")
        await parts.receive(
            cause(NeedClosed, need_id=derived_id("another")), cause(NeedClosed, reason=reason)
        )
        assert [kind for kind, _ in await parts.attention()] == ["raised", "settled"]


async def test_a_cancellation_that_does_not_arrive_is_on_the_worklist_after_the_end_too(
    parts_for, owners, cause, clock
) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await parts.ended("sent", "failed", "sent")
        await parts.receive(cause(NeedClosed))
        await parts.ended("sent", "failed", "sent", "failed", "sent")
        assert [kind for kind, _ in await parts.attention()] == ["raised", "settled", "raised"]


async def test_a_department_without_an_address_is_on_the_worklist_until_it_has_one(
    parts_for, cause, clock
) -> None:
    async with parts_for(clock) as parts:
        async with parts.delivering():
            await parts.receive(
                cause(MatchEscalated, department="aarhus"),
                cause(MatchEscalated, department="aarhus", need_id=derived_id("another")),
            )

            async def waits() -> bool:
                return await parts.waits("no_coordinator") == 2

            await eventually(waits, "both messages wait")
        items = await parts.attention()
        assert {item["attention_id"] for _, item in items} == {items[0][1]["attention_id"]}
        assert {(kind, item["kind"]) for kind, item in items} == {
            ("raised", "no_coordinator_address")
        }
        clock.advance(timedelta(minutes=1))
        async with parts.delivering():
            await eventually(
                lambda: _attempted_again(parts), "they are tried again and change nothing"
            )
        assert await parts.attention() == items
        parts.delivery.coordinators["aarhus"] = "another@example.org"
        async with parts.delivering(parts.another_worker()):
            await settled(parts)


@pytest.mark.parametrize("before", [NotYetKnown.obstacle, None])  # None: the worker was killed
async def test_a_missing_address_that_only_a_later_attempt_finds_is_on_the_worklist(
    parts_for, cause, clock, before: str | None
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(MatchEscalated, department="aarhus"))
        await parts.rows(update(notification).values(attempts=1, reason=before))
        async with parts.delivering():

            async def waits() -> bool:
                return await parts.waits("no_coordinator", attempts=2) == 1

            await eventually(waits, "the message waits for an address")
        assert [(one, item["kind"]) for one, item in await parts.attention()] == [
            ("raised", "no_coordinator_address")
        ]


async def _attempted_again(parts) -> bool:
    return await parts.waits("no_coordinator", attempts=2) == 2


async def test_a_coordinator_claims_and_settles_what_is_theirs(
    serve, cause, clock, required
) -> None:
    async with serve(SERVICE, clock=clock, **required) as running:
        database = running.runtime.database
        notice = planning.matched(cause(VolunteerMatched), Calendars()).notices[0]
        (item,) = mail_refused(notice, "refused", clock.now())
        async with database.transaction() as transaction:
            await ATTENTION.raise_(transaction, [(item, None)])
        path = f"/attention/{item.attention_id}"
        others = bearer("coordinator", department="aarhus")
        own = bearer("coordinator", department="randers-norddjurs")
        assert (await running.client.post(f"{path}/claim", headers=others)).status_code == 404
        assert (await running.client.post(f"{path}/claim", headers=own)).status_code == 200
        outcome = {"outcome": "solved_by_phone"}
        answer = await running.client.post(f"{path}/settle", json=outcome, headers=own)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "solved_by_phone")
        assert (
            await running.client.post(f"{path}/settle", json={"outcome": "x"}, headers=own)
        ).status_code == 422


def _opened(cause) -> Event:
    told = cause(NeedChanged)
    return structs.replace(told, type=NeedOpened.EVENT_TYPE)


@pytest.mark.parametrize(
    ("order", "ends"),
    [
        ("closed opened", 1),
        ("closed opened closed", 1),
        ("opened closed", 1),
        ("opened closed opened", 1),
        ("opened", 0),
    ],
)
async def test_a_closing_settles_it_whatever_follows_in_its_batch(
    parts_for, owners, cause, clock, order: str, ends: int
) -> None:
    owners.citizen(email=None)
    async with parts_for(clock) as parts:
        async with parts.delivering():
            await parts.receive(cause(VolunteerMatched))
            await parts.ended("sent", "failed", "sent")
        batch = [
            cause(NeedClosed, reason="missed") if one == "closed" else _opened(cause)
            for one in order.split()
        ]
        await parts.receive(*batch)
        kinds = [kind for kind, _ in await parts.attention()]
        closings = list(await parts.rows(select(closed_need.c.need_id)))
    assert kinds == ["raised"] + ["settled"] * ends
    assert bool(closings) == order.endswith("closed")
