"""A notice is one worker's, also when workers die, lose their session and come back."""

import asyncio
from datetime import datetime

import pytest
from brobyg_contracts import MatchEscalated, VolunteerMatched
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import eventually
from brobyg_notification.adapters import delivery_queue
from brobyg_notification.adapters.claims import WORKER_LOCK, PostgresClaims
from brobyg_notification.adapters.tables import notification
from brobyg_notification.use_cases import delivery_worker
from sqlalchemy import func, select, text

SESSIONS = text(
    "select objid::int as worker, pid from pg_locks"
    " where locktype = 'advisory' and objsubid = 2 and classid = :lock and granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Looks round and waits for gone workers in fractions of a second."""
    monkeypatch.setattr(delivery_worker, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(delivery_worker, "_POLL_SECONDS_WHILE_MISSING", 0.1)
    monkeypatch.setattr(delivery_queue, "_GONE_AFTER_TROUBLE_SECONDS", 1.0)


async def sessions(parts) -> dict[int, int]:
    """The workers that live by the database's word, each with its session."""
    found = await parts.rows(SESSIONS.bindparams(lock=WORKER_LOCK))
    return {row.worker: row.pid for row in found}


async def test_what_a_gone_worker_had_in_hand_is_sent_once_by_the_next(
    parts_for, mail_server, cause, clock, quick
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(VolunteerMatched))
        async with parts.queue.session(1, lambda: None, again=False) as claims:
            assert len(await claims.claim(10)) == 2
            async with parts.queue.session(2, lambda: None, again=False) as others:
                assert await others.claim(10) == []
                assert await others.free_abandoned([]) == 0
        async with parts.delivering():
            await parts.ended("sent", "sent")
    assert len(mail_server.inbox) == 2


async def test_a_worker_that_loses_its_session_keeps_what_it_has_in_hand(
    parts_for, mail_server, cause, clock, quick
) -> None:
    """As when the database restarts: what the mail server has meanwhile is sent by nobody else."""
    confirmed = mail_server.answers_when["coordinator@example.org"] = asyncio.Event()
    async with parts_for(clock) as parts, parts.delivering():
        await parts.receive(cause(MatchEscalated))

        async def handed_over() -> bool:
            return len(mail_server.inbox) == 1

        await eventually(handed_over, "the mail server has the message")
        async with parts.delivering(parts.another_worker()):

            async def both() -> bool:
                return len(await sessions(parts)) == 2

            await eventually(both, "two workers live")
            before = await sessions(parts)
            for pid in before.values():
                await parts.rows(select(func.pg_terminate_backend(pid)))

            async def back() -> bool:
                now = await sessions(parts)
                return now.keys() == before.keys() and not set(now.values()) & set(before.values())

            await eventually(back, "both live again, each by its own number")
            confirmed.set()
            await parts.ended("sent")
        assert len(await parts.emitted()) == 1
    assert len(mail_server.inbox) == 1


async def test_a_worker_is_gone_only_after_some_seconds(parts_for, cause, clock, quick) -> None:
    async with (
        parts_for(clock) as parts,
        parts.queue.session(2, lambda: None, again=False) as others,
    ):
        await parts.receive(cause(VolunteerMatched))
        async with parts.queue.session(1, lambda: None, again=False) as claims:
            assert len(await claims.claim(10)) == 2
        assert await others.free_abandoned([]) == 0, "it may be back"
        async with parts.queue.session(1, lambda: None, again=False) as claims:
            assert await others.free_abandoned([]) == 0
            known = await parts.rows(select(notification.c.notification_id))
            in_hand = [row.notification_id for row in known][:1]
            assert await claims.free_abandoned(in_hand) == 1, (
                "what it does not remember claiming is free at once"
            )
            assert await others.free_abandoned([]) == 0

        async def freed() -> bool:
            return await others.free_abandoned([]) == 1

        await eventually(freed, "it did not come back")


async def test_only_the_worker_that_holds_a_claim_can_postpone_it(
    parts_for, cause, clock, quick
) -> None:
    async with parts_for(clock) as parts:
        await parts.receive(cause(MatchEscalated))
        async with parts.queue.session(1, lambda: None, again=False) as claims:
            (lost,) = await claims.claim(10)
        async with parts.queue.session(2, lambda: None, again=False) as others:

            async def freed() -> bool:
                return await others.free_abandoned([]) == 1

            await eventually(freed, "the first worker is gone")
            (held,) = await others.claim(10)
            assert (lost.claimed_by, held.claimed_by) == (1, 2)
            await parts.queue.postpone(lost, clock.now(), "unsendable", [])
            assert await parts.waits() == 0, "it is still in the other's hand"
            await parts.queue.postpone(held, clock.now(), "unsendable", [])
            assert await parts.waits("unsendable", attempts=2) == 1


async def test_two_workers_never_send_the_same(parts_for, mail_server, cause, clock) -> None:
    causes = [
        cause(VolunteerMatched, need_id=derived_id("need", str(number))) for number in range(40)
    ]
    async with parts_for(clock) as parts:
        async with parts.delivering(parts.another_worker()), parts.delivering():
            await parts.receive(*causes)
            await parts.ended(*["sent"] * 80)
        assert len(await parts.emitted()) == 80
    assert (
        len({message["Message-ID"] for message in mail_server.inbox})
        == len(mail_server.inbox)
        == 80
    )


@pytest.mark.parametrize("steps", range(6))
async def test_a_worker_that_is_woken_while_it_is_stopped_stops(
    parts_for, clock, monkeypatch, steps: int
) -> None:
    """The stop comes so many steps of the event loop after the wake-up.

    Else whoever stops the worker waits for ever: a service until it is killed, a test until the
    time limit ends its whole process.
    """
    looked, next_due = asyncio.Event(), PostgresClaims.next_due

    async def observed(claims) -> datetime | None:
        due = await next_due(claims)
        looked.set()
        return due

    monkeypatch.setattr(PostgresClaims, "next_due", observed)
    async with parts_for(clock) as parts:
        running = asyncio.create_task(parts.worker.run())
        await looked.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        parts.worker._wake.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert done, "the stop was lost"
