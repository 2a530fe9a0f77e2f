"""A notice is one sender's, also when senders die, lose their database session and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from brobyg_contracts import MatchEscalated, MatchReleased, VolunteerMatched
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import eventually
from brobyg_notification import worker
from brobyg_notification.adapters import database
from brobyg_notification.worker import Sender

SESSIONS = (
    "select objid::int as sender, pid from pg_locks where locktype = 'advisory' and objsubid = 2"
    " and classid = $1 and granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Looks round and waits for gone senders in fractions of a second."""
    monkeypatch.setattr(worker, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(worker, "_LOOK_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(database, "_GONE_AFTER_TROUBLE_SECONDS", 1.0)


async def ended(office, *states: str) -> None:
    async def so() -> bool:
        return await office.states() == list(states)

    await eventually(so, f"the notices are {states}")


async def sessions(office) -> dict[int, int]:
    """The senders that live by the database's word, each with its session."""
    found = await office.database.pool.fetch(SESSIONS, database._SENDER_LOCK)
    return {row["sender"]: row["pid"] for row in found}


@asynccontextmanager
async def second_sender(office) -> AsyncIterator[Sender]:
    """Another sender on the same notices, going on."""
    second = Sender(
        office.store,
        office.sending,
        office.sending.clock,
        office.metrics,
        office.sender._health,
        concurrency=4,
    )
    going = asyncio.create_task(second.run())
    try:
        yield second
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


async def test_what_a_gone_sender_had_in_hand_is_sent_once_by_the_next(
    office_for, post_office, cause, clock, quick
) -> None:
    async with office_for(clock) as office:
        await office.receive(cause(VolunteerMatched))
        async with office.store.session(1, lambda: None, again=False) as claims:
            assert len(await claims.claim(10)) == 2
            async with office.store.session(2, lambda: None, again=False) as others:
                assert await others.claim(10) == []
                assert await others.free_abandoned([]) == 0
        async with office.sending_going_on():
            await ended(office, "sent", "sent")
    assert len(post_office.inbox) == 2


async def test_a_sender_that_loses_its_session_keeps_what_it_has_in_hand(
    office_for, post_office, cause, clock, quick
) -> None:
    """Both sessions end, as when the database restarts; what is with the mail server meanwhile is sent by nobody else."""
    post_office.thinks["coordinator@example.org"] = 4.0
    async with office_for(clock) as office, office.sending_going_on():
        await office.receive(cause(MatchEscalated))

        async def handed_over() -> bool:
            return len(post_office.inbox) == 1

        await eventually(handed_over, "the mail server has the message")
        async with second_sender(office):

            async def both() -> bool:
                return len(await sessions(office)) == 2

            await eventually(both, "two senders live")
            before = await sessions(office)
            await office.database.pool.execute(
                "select pg_terminate_backend(pid) from unnest($1::int[]) pid", list(before.values())
            )

            async def back() -> bool:
                now = await sessions(office)
                return now.keys() == before.keys() and not set(now.values()) & set(before.values())

            await eventually(back, "both live again, each by its own number")
            await ended(office, "sent")
        assert len(await office.emitted()) == 1
    assert len(post_office.inbox) == 1


async def test_a_sender_is_gone_only_after_some_seconds(office_for, cause, clock, quick) -> None:
    async with (
        office_for(clock) as office,
        office.store.session(2, lambda: None, again=False) as others,
    ):
        await office.receive(cause(VolunteerMatched))
        async with office.store.session(1, lambda: None, again=False) as claims:
            assert len(await claims.claim(10)) == 2
        assert await others.free_abandoned([]) == 0, "it may be back"
        async with office.store.session(1, lambda: None, again=False) as claims:
            assert await others.free_abandoned([]) == 0
            in_hand = (
                await office.database.pool.fetchval(
                    "select array_agg(notification_id::text) from notification"
                )
            )[:1]
            assert await claims.free_abandoned(in_hand) == 1, (
                "what it does not remember claiming is free at once"
            )
            assert await others.free_abandoned([]) == 0

        async def freed() -> bool:
            return await others.free_abandoned([]) == 1

        await eventually(freed, "it did not come back")


async def test_two_senders_never_send_the_same(office_for, post_office, cause, clock) -> None:
    causes = [
        cause(MatchReleased, appointment_id=derived_id("appointment", str(number)))
        for number in range(40)
    ]
    async with office_for(clock) as office:
        async with second_sender(office), office.sending_going_on():
            await office.receive(*causes)
            await ended(office, *["sent"] * 80)
        assert len(await office.emitted()) == 80
    assert (
        len({message["Message-ID"] for message in post_office.inbox})
        == len(post_office.inbox)
        == 80
    )
