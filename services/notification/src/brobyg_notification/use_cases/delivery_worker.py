"""The worker: claims due notices, a few at a time, and delivers each.

Exactly one message per cause, as far as SMTP allows: the notice is one row, one worker claims it,
and its end and its event are one transaction. A second copy is possible only if the process is
killed, or the connection breaks before the server's answer, between the message's last byte and
that commit (RFC 1047). The copy has the same Message-ID, UID and SEQUENCE, by which mail programs
and calendars recognise it. An orderly stop waits for the server's answer.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from brobyg_contracts import AttentionRaised
from brobyg_kit import faultpoints
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import Clock
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Health, Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_notification.domain import attention
from brobyg_notification.domain.notice import Notice
from brobyg_notification.domain.planning import unreachable_citizen
from brobyg_notification.errors import MailServerDown, NoCoordinator, Postponed
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import Claim, Claims, DeliveryOutcome, DeliveryQueue, FollowUp
from brobyg_notification.use_cases.delivery import Delivery

log = get_logger(__name__)

#: Seconds of wall time between two looks at the queue when nothing wakes the worker.
_POLL_SECONDS = 5.0
#: The same while another worker is missing.
_POLL_SECONDS_WHILE_MISSING = 1.0
#: The shortest pause, seconds of wall time: a fast clock must not make the loop spin.
_SHORTEST_PAUSE = 0.05
#: Pauses between the attempts at one message, by the service's clock. It is never given up here.
ATTEMPTS = Backoff(first=1.0, longest=900.0)
#: Pauses between probes of a mail server that is away, by the service's clock.
_PROBES = Backoff(first=0.5, longest=5.0)
#: How long a stop waits for messages in hand, seconds of wall time: the 20 s that the runtime waits
#: for a worker, less what it takes to leave the database.
_STOP_SECONDS = 17.0
#: The longest pause while the database is away, seconds of wall time.
_LONGEST_DATABASE_PAUSE = 2.0


class DeliveryWorker:
    """One process's worker. Several may run, in one process or many: a notice is claimed by one."""

    def __init__(
        self,
        queue: DeliveryQueue,
        delivery: Delivery,
        clock: Clock,
        metrics: NotificationMetrics,
        health: Health,
        *,
        concurrency: int,
    ) -> None:
        """`concurrency` bounds the messages in hand at once."""
        self._queue, self._delivery, self._clock = queue, delivery, clock
        self._metrics, self._health, self._concurrency = metrics, health, concurrency
        self._number, self._had_session = 1 + secrets.randbelow(2**31 - 1), False
        self._checked_at = 0.0
        self._wake = asyncio.Event()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._server_answers = True

    async def run(self) -> None:
        """Deliver until cancelled. While database, owners or mail server are away, wait."""
        heartbeat = self._health.heartbeat("delivery")
        backoff = Backoff(longest=_LONGEST_DATABASE_PAUSE)
        while True:
            try:
                async with self._queue.session(
                    self._number, self._wake.set, again=self._had_session
                ) as claims:
                    self._had_session = True
                    await self._work(claims, heartbeat)
            except DATABASE_ERRORS as error:
                heartbeat.struggle(f"the database does not answer: {type(error).__name__}")
                pause = backoff.next()
                log.warning("delivery.interrupted", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def _work(self, claims: Claims, heartbeat: Heartbeat) -> None:
        self._checked_at = 0.0
        departments = self._delivery.departments_with_address()
        await self._queue.settle([attention.no_coordinator_address_id(one) for one in departments])
        try:
            while True:
                self._wake.clear()
                await self._check_queue(claims)
                await self._until_server_answers(claims, heartbeat)
                room = self._concurrency - len(self._in_hand)
                claimed = await claims.claim(room) if room else []
                for claim in claimed:
                    self._start(claim)
                heartbeat.beat()
                if not claimed:
                    await self._wait(claims, room)
        except asyncio.CancelledError:
            await self._finish_in_hand()
            raise

    async def _check_queue(self, claims: Claims) -> None:
        """At most every few seconds: free abandoned claims and measure the backlog."""
        if time.monotonic() - self._checked_at < _poll_seconds(claims):
            return
        self._checked_at = time.monotonic()
        freed = await claims.free_abandoned(list(self._in_hand))
        if freed:
            log.warning("delivery.took_over", notifications=freed)
        backlog = await self._queue.backlog()
        self._metrics.waiting.set(sum(backlog.waiting.values()))
        self._metrics.oldest.set(backlog.oldest_seconds)

    async def _wait(self, claims: Claims, room: int) -> None:
        """Return when there may be something to do: woken, something due, or time to poll."""
        due = await claims.next_due() if room else None
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._wake.wait())]
        if due:
            waits.append(asyncio.create_task(self._pause(due - self._clock.now())))
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with its result.
            await asyncio.wait(
                waits, timeout=_poll_seconds(claims), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()

    async def _pause(self, length: timedelta) -> None:
        """By the service's clock, however fast it runs."""
        await asyncio.gather(self._clock.sleep(length), asyncio.sleep(_SHORTEST_PAUSE))

    async def _until_server_answers(self, claims: Claims, heartbeat: Heartbeat) -> None:
        """While the mail server is away nothing is claimed.

        So no attempt is wasted and no pause grows; when it is back, all goes out at once.
        """
        failures = 0
        while not self._server_answers:
            failures += 1
            if failures == 1:
                log.warning("mail_server.away")
            heartbeat.struggle("the mail server does not answer; messages wait")
            self._metrics.server_up.set(0)
            await self._check_queue(claims)  # also so that a lost session is noticed
            await self._pause(timedelta(seconds=_PROBES.after(failures)))
            self._server_answers = await self._delivery.transport.probe()
        self._metrics.server_up.set(1)

    def _start(self, claim: Claim) -> None:
        key = claim.notice.notification_id
        self._in_hand[key] = task = asyncio.create_task(self._deliver(claim))
        task.add_done_callback(lambda _: self._done(key))

    def _done(self, key: str) -> None:
        self._in_hand.pop(key, None)
        self._wake.set()  # its thread may have a next one, and there is room again

    async def _deliver(self, claim: Claim) -> None:
        about = {"notification_id": claim.notice.notification_id, "attempts": claim.attempts}
        try:
            outcome = await self._delivery.deliver(claim)
        except Postponed as error:
            self._server_answers &= not isinstance(error, MailServerDown)
            log.info("notification.postponed", error=error, **about)
            # What a human has settled is not raised again by the next attempt.
            is_news = isinstance(error, NoCoordinator) and claim.obstacle != error.obstacle
            raised = (
                attention.no_coordinator_address(claim.notice, self._clock.now()) if is_news else []
            )
            await self._postpone(claim, error.obstacle, raised)
        except Exception as error:  # noqa: BLE001 - counted and tried again; others go on
            # Without the traceback: it may quote what is in the message.
            log.error("notification.unsendable", error=error, **about)
            await self._postpone(claim, "unsendable", [])
        else:
            if outcome.state == "sent":
                faultpoints.reach(faultpoints.AFTER_SMTP_BEFORE_MARK)
            await self._end(claim, outcome)

    async def _end(self, claim: Claim, outcome: DeliveryOutcome) -> None:
        follow_up = _follow_up(claim.notice, outcome, self._clock.now())
        await self._record(lambda: self._queue.end(claim, outcome, follow_up))
        self._metrics.ended.labels(claim.notice.template, outcome.state).inc()
        if outcome.state == "sent":
            seconds = (self._clock.now() - claim.created_at).total_seconds()
            self._metrics.seconds.observe(max(0.0, seconds))

    async def _postpone(
        self, claim: Claim, obstacle: str, raised: Sequence[AttentionRaised]
    ) -> None:
        self._metrics.postponed.labels(obstacle).inc()
        until = self._clock.now() + timedelta(seconds=ATTEMPTS.after(claim.attempts))
        await self._record(lambda: self._queue.postpone(claim, until, obstacle, raised))

    async def _record(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write what became of a message, however long it takes: else it would be sent again.

        After a programming error the message stays in hand, and the others go on.
        """
        backoff = Backoff(longest=_LONGEST_DATABASE_PAUSE)
        while True:
            try:
                return await write()
            except Exception as error:  # noqa: BLE001 - see above
                pause = backoff.next()
                log.warning("notification.record_failed", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def _finish_in_hand(self) -> None:
        """Wait for the messages in hand. What is left is free for others some seconds later."""
        if self._in_hand:
            _, late = await asyncio.wait(self._in_hand.values(), timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _follow_up(notice: Notice, outcome: DeliveryOutcome, now: datetime) -> FollowUp:
    if outcome.state == "sent":
        return FollowUp(settled=[attention.arrived(notice)])
    if outcome.reason not in attention.UNREACHABLE:
        return FollowUp()
    raised = attention.mail_refused(notice, outcome.reason, now)
    return FollowUp(unreachable_citizen(notice), raised)


def _poll_seconds(claims: Claims) -> float:
    return _POLL_SECONDS_WHILE_MISSING if claims.worker_missing else _POLL_SECONDS
