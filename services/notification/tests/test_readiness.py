"""What waits too long is seen: /readyz says how many, how long and what is in the way, and names nobody."""

from datetime import UTC, datetime, timedelta

import pytest
from brobyg_contracts import MatchEscalated, MatchReleased, VolunteerMatched
from brobyg_kit.clock import AcceleratedClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import bearer, eventually
from brobyg_notification.bootstrap import SERVICE
from brobyg_notification.readiness import departments_have_addresses, mail_goes_out

AGE = "update notification set kept_at = kept_at - interval '16 minutes'"
WAITING = "select count(*) from notification where state = 'waiting' and reason = $1 and claimed_by is null"


async def in_the_way(office, cause: str, count: int = 1) -> None:
    async def so() -> bool:
        return await office.database.pool.fetchval(WAITING, cause) == count

    await eventually(so, f"{count} messages wait because of {cause}")


async def test_an_escalation_to_a_department_without_an_address_waits_until_there_is_one(
    office_for, post_office, cause, clock
) -> None:
    async with office_for(clock) as office:
        async with office.sending_going_on():
            await office.receive(cause(MatchEscalated, department="norddjurs"))
            await in_the_way(office, "no_coordinator")
        assert await office.states() == ["waiting"]
        office.sending.coordinators["norddjurs"] = (
            "another@example.org"  # what a restart with the right setting does
        )
        clock.advance(timedelta(minutes=1))
        async with office.sending_going_on():

            async def sent() -> bool:
                return await office.states() == ["sent"]

            await eventually(sent, "it is told")
    assert len(post_office.to("another@example.org")) == 1


async def test_readiness_names_the_departments_that_have_no_address() -> None:
    some = await departments_have_addresses({"randers": "a@example.org"})()
    assert not some.ok
    assert "norddjurs" in some.detail
    assert "randers" not in some.detail
    assert "@" not in some.detail
    assert (await departments_have_addresses(["randers", "norddjurs"])()).ok


@pytest.mark.parametrize("status", [401, 403])
async def test_messages_that_wait_too_long_make_the_service_unready_with_the_cause(
    office_for, owners, cause, clock, status: int
) -> None:
    owners.citizen(status)
    owners.volunteer(status)
    async with office_for(clock) as office, office.sending_going_on():
        check = mail_goes_out(office.store)
        assert (await check()).detail == "nothing waits"
        await office.receive(cause(VolunteerMatched))
        await in_the_way(office, "owner_unavailable", 2)
        young = await check()
        assert young.ok
        assert young.detail.startswith("2 waiting, the oldest for ")
        await office.database.pool.execute(AGE)
        old = await check()
    assert not old.ok
    assert old.detail.endswith(": owner_unavailable 2")


async def test_a_clock_that_runs_fast_makes_no_message_old(office_for, post_office, cause) -> None:
    """A day of the demo passes in seconds: what counts is how long people really wait."""
    fast = AcceleratedClock(datetime(2026, 11, 30, tzinfo=UTC), 5040, datetime.now(UTC))
    post_office.answers["coordinator@example.org"] = ["451 later"] * 9
    async with office_for(fast) as office, office.sending_going_on():
        starts_at = datetime(2027, 1, 20, 9, tzinfo=UTC)
        await office.receive(
            cause(MatchEscalated, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        )

        async def an_hour_old() -> bool:
            return bool(
                await office.database.pool.fetchval(
                    "select created_at < $1::timestamptz - interval '1 hour' from notification",
                    fast.now(),
                )
            )

        await eventually(an_hour_old, "an hour has passed")
        assert (await mail_goes_out(office.store)()).ok


async def test_one_mailbox_that_takes_nothing_makes_the_service_not_unready(
    office_for, post_office, cause, clock
) -> None:
    post_office.answers["einer@example.org"] = ["452 full"] * 9
    async with office_for(clock) as office, office.sending_going_on():
        await office.receive(cause(VolunteerMatched))
        await in_the_way(office, "recipient_deferred")
        await office.receive(cause(MatchReleased))

        async def the_volunteer_is_told() -> bool:
            return sorted(await office.states()) == ["sent", "sent", "waiting", "waiting"]

        await eventually(the_volunteer_is_told, "what the citizen is told waits alone")
        await office.database.pool.execute(AGE)
        check = await mail_goes_out(office.store)()
    assert check.ok
    assert "recipient_deferred 1" in check.detail
    assert "the oldest for 96" in check.detail, "and yet it is told"


async def test_a_server_that_puts_off_every_message_makes_the_service_unready(
    office_for, post_office, cause, clock
) -> None:
    post_office.after_data = ["452 no space"] * 9
    async with office_for(clock) as office, office.sending_going_on():
        await office.receive(cause(MatchEscalated))
        await in_the_way(office, "deferred")
        await office.database.pool.execute(AGE)
        assert not (await mail_goes_out(office.store)()).ok


async def test_who_starts_tries_at_once_what_waited_for_the_server_and_heeds_what_a_recipients_asked_for(
    office_for, post_office, owners, cause, clock
) -> None:
    owners.volunteer(503)
    post_office.answers["einer@example.org"] = ["450 greylisted"]
    async with office_for(clock) as office:
        async with office.sending_going_on():
            await office.receive(cause(VolunteerMatched))
            await in_the_way(office, "owner_unavailable", 2)
        owners.volunteer(200)
        office.restart()
        async with office.sending_going_on():
            await in_the_way(office, "recipient_deferred")

            async def the_other_is_sent() -> bool:
                return sorted(await office.states()) == ["sent", "waiting"]

            await eventually(the_other_is_sent, "what waited for the owner is sent")
        office.restart()
        async with office.sending_going_on():
            await office.receive(cause(MatchEscalated, appointment_id=derived_id("another")))

            async def the_newer_is_sent() -> bool:
                return (await office.states()).count("sent") >= 2

            await eventually(the_newer_is_sent, "the sender goes round")
            assert await office.database.pool.fetchval(WAITING, "recipient_deferred") == 1
    assert post_office.to("einer@example.org") == []


async def test_readyz_tells_what_waits(serve, cause, clock) -> None:
    addresses = "randers=coordinator@example.org,norddjurs=another@example.org"
    async with serve(SERVICE, clock=clock, notification_coordinators=addresses) as running:
        database = running.runtime.database
        async with database.transaction() as transaction:
            await running.runtime.parts.handle(transaction, [cause(VolunteerMatched)])
        assert (await running.client.get("/readyz")).status_code == 200
        await database.pool.execute(AGE)
        answer = await running.client.get("/readyz")
        assert answer.status_code == 503
        assert "2 waiting" in answer.json()["checks"]["mail"]["detail"]
        assert "untried 2" in answer.json()["checks"]["mail"]["detail"]
        assert (
            await running.client.get("/notifications", headers=bearer("coordinator"))
        ).status_code == 200
