"""What waits too long is seen: /readyz says how many, how long and why, and names nobody."""

from datetime import UTC, datetime, timedelta

import pytest
from brobyg_contracts import MatchEscalated, MatchReleased, VolunteerMatched
from brobyg_contracts.reference import Reference
from brobyg_kit.clock import AcceleratedClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import bearer, eventually
from brobyg_notification.adapters.tables import notification
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.readiness import departments_have_addresses, mail_goes_out
from sqlalchemy import select, update

AGE = update(notification).values(kept_at=notification.c.kept_at - timedelta(minutes=16))


async def in_the_way(parts, cause: str, count: int = 1) -> None:
    async def so() -> bool:
        return await parts.waits(cause) == count

    await eventually(so, f"{count} messages wait because of {cause}")


async def test_an_escalation_to_a_department_without_an_address_waits_until_there_is_one(
    parts_for, mail_server, cause, clock
) -> None:
    async with parts_for(clock) as parts:
        async with parts.delivering():
            await parts.receive(cause(MatchEscalated, department="aarhus"))
            await in_the_way(parts, "no_coordinator")
        assert await parts.states() == ["waiting"]
        parts.delivery.coordinators["aarhus"] = (
            "another@example.org"  # what a restart with the right setting does
        )
        clock.advance(timedelta(minutes=1))
        async with parts.delivering():

            async def sent() -> bool:
                return await parts.states() == ["sent"]

            await eventually(sent, "it is told")
    assert len(mail_server.to("another@example.org")) == 1


async def test_readiness_names_the_departments_that_have_no_address(records) -> None:
    def known() -> Reference:
        return Reference(records)

    some = await departments_have_addresses(known, {"randers": "a@example.org"})()
    assert not some.ok
    assert "aarhus" in some.detail
    assert "randers" not in some.detail
    assert "@" not in some.detail
    both = {"randers-norddjurs": "a@example.org", "aarhus": "b@example.org"}
    assert (await departments_have_addresses(known, both)()).ok


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_messages_that_wait_too_long_make_the_service_unready_with_the_cause(
    parts_for, owners, cause, clock, status: int
) -> None:
    owners.citizen(status)
    owners.helper(status)
    async with parts_for(clock) as parts, parts.delivering():
        check = mail_goes_out(parts.queue)
        assert (await check()).detail == "nothing waits"
        await parts.receive(cause(VolunteerMatched))
        await in_the_way(parts, "owner_unavailable", 2)
        young = await check()
        assert young.ok
        assert young.detail.startswith("2 waiting, the oldest for ")
        await parts.rows(AGE)
        old = await check()
    assert not old.ok
    assert old.detail.endswith(": owner_unavailable 2")


async def test_a_clock_that_runs_fast_makes_no_message_old(parts_for, mail_server, cause) -> None:
    """A day of the demo passes in seconds: what counts is how long people really wait."""
    fast = AcceleratedClock(datetime(2026, 11, 30, tzinfo=UTC), 5040, datetime.now(UTC))
    mail_server.answers["coordinator@example.org"] = ["451 later"] * 9
    async with parts_for(fast) as parts, parts.delivering():
        starts_at = datetime(2027, 1, 20, 9, tzinfo=UTC)
        await parts.receive(
            cause(MatchEscalated, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        )

        async def an_hour_old() -> bool:
            (row,) = await parts.rows(select(notification.c.created_at))
            return row.created_at < fast.now() - timedelta(hours=1)

        await eventually(an_hour_old, "an hour has passed")
        assert (await mail_goes_out(parts.queue)()).ok


async def test_one_full_mailbox_leaves_the_service_ready(
    parts_for, mail_server, cause, clock
) -> None:
    mail_server.answers["einer@example.org"] = ["452 full"] * 9
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(VolunteerMatched))
        await in_the_way(parts, "recipient_deferred")
        await parts.receive(cause(MatchReleased))

        async def the_volunteer_is_told() -> bool:
            return sorted(await parts.states()) == ["sent", "sent", "waiting", "waiting"]

        await eventually(the_volunteer_is_told, "what the citizen is told waits alone")
        await parts.rows(AGE)
        check = await mail_goes_out(parts.queue)()
    assert check.ok
    assert "recipient_deferred 1" in check.detail
    assert "the oldest for 96" in check.detail, "and yet it is told"


async def test_a_server_that_defers_every_message_makes_the_service_unready(
    parts_for, mail_server, cause, clock
) -> None:
    mail_server.after_data = ["452 no space"] * 9
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated))
        await in_the_way(parts, "deferred")
        await parts.rows(AGE)
        assert not (await mail_goes_out(parts.queue)()).ok


async def test_a_start_retries_at_once_all_but_what_a_recipients_server_asked_to_wait_for(
    parts_for, mail_server, owners, cause, clock
) -> None:
    owners.helper(503)
    mail_server.answers["einer@example.org"] = ["450 greylisted"]
    async with parts_for(clock) as parts:
        async with parts.delivering():
            await parts.receive(cause(VolunteerMatched))
            await in_the_way(parts, "owner_unavailable", 2)
        owners.helper(200)
        parts.restart()
        async with parts.delivering():
            await in_the_way(parts, "recipient_deferred")
            await parts.ended("sent", "waiting")
        parts.restart()
        async with parts.delivering():
            await parts.receive(cause(MatchEscalated, need_id=derived_id("another")))

            async def the_newer_is_sent() -> bool:
                return (await parts.states()).count("sent") >= 2

            await eventually(the_newer_is_sent, "the sender goes round")
            assert await parts.waits("recipient_deferred") == 1
    assert mail_server.to("einer@example.org") == []


async def test_readyz_tells_what_waits(serve, cause, clock, required) -> None:
    async with serve(SERVICE, clock=clock, **required) as running:
        database = running.runtime.database
        async with database.transaction() as transaction:
            await running.runtime.parts.handle(transaction, [cause(VolunteerMatched)])
        assert (await running.client.get("/readyz")).status_code == 200
        async with database.connect() as connection:
            await connection.execute(AGE)
        answer = await running.client.get("/readyz")
        assert answer.status_code == 503
        assert "2 waiting" in answer.json()["checks"]["mail"]["detail"]
        assert "untried 2" in answer.json()["checks"]["mail"]["detail"]
        assert (
            await running.client.get("/notifications", headers=bearer("coordinator"))
        ).status_code == 200
