"""The worker: claims what is due, a few at a time, and sees each notice to its end.

Exactly one message per cause, as far as SMTP lets anybody promise it: the notice is one row, a
claim is one worker's, and its end and its event are one transaction. From the message's last byte
to that commit lies the one window in which a killed process, or a connection that breaks before the
server's answer, leads to a second copy (RFC 1047). It carries the same Message-ID, UID and
SEQUENCE, by which mail programs and calendars see that it is the same. An orderly stop waits for
the server's answer as long as it may.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from brobyg_kit import faultpoints
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import Clock
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Health, Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_notification.domain.planning import unreachable_citizen
from brobyg_notification.domain.retry import pause_after
from brobyg_notification.errors import MailServerDown, Postponed
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import Claim, Claims, DeliveryQueue, Outcome
from brobyg_notification.use_cases.delivery import Delivery

log = get_logger(__name__)

#: The slow poll behind the notification, seconds of wall time.
_POLL_SECONDS = 5.0
#: The same while another worker is missing.
_LOOK_AGAIN_SECONDS = 1.0
#: Wall time between two looks for something due: a fast clock must not make the loop spin.
_SHORTEST_WAIT = 0.05
#: Pauses between probes of a mail server that is away, by the service's clock.
_FIRST_PROBE, _LAST_PROBE = timedelta(milliseconds=500), timedelta(seconds=5)
#: How long a stopping service lets messages in hand come to their end, seconds of wall time: the
#: 20 s that the runtime waits for a worker, less what it takes to leave the database.
_SETTLE_SECONDS = 17.0
#: Pauses while the database is away, seconds of wall time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: What failed for these reasons would fail for a citizen's next message too.
_UNREACHABLE = ("no_address", "refused")


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
        self._metrics, self._concurrency = metrics, concurrency
        self._health = health
        self._number, self._had_session = 1 + secrets.randbelow(2**31 - 1), False
        self._looked_at = 0.0
        self._wake = asyncio.Event()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._server_answers = True

    async def run(self) -> None:
        """Deliver until cancelled; trouble with database, owners or mail server is waited out."""
        heartbeat = self._health.heartbeat("delivery")
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
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
        self._looked_at = 0.0
        try:
            while True:
                self._wake.clear()
                await self._look_round(claims)
                await self._until_server_answers(claims, heartbeat)
                room = self._concurrency - len(self._in_hand)
                claimed = await claims.claim(room) if room else []
                for claim in claimed:
                    self._take(claim)
                heartbeat.beat()
                if not claimed:
                    await self._rest(claims, room)
        except asyncio.CancelledError:
            await self._settle()
            raise

    async def _look_round(self, claims: Claims) -> None:
        """Every few seconds: what was left behind, and how much waits."""
        if time.monotonic() - self._looked_at < _pause_of(claims):
            return
        self._looked_at = time.monotonic()
        freed = await claims.free_abandoned(list(self._in_hand))
        if freed:
            log.warning("delivery.took_over", notifications=freed)
        backlog = await self._queue.backlog()
        self._metrics.waiting.set(sum(backlog.waiting.values()))
        self._metrics.oldest.set(backlog.oldest_seconds)

    async def _rest(self, claims: Claims, room: int) -> None:
        """Return when there may be something to do: woken, something due, or the poll's time."""
        due = await claims.next_due() if room else None
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._wake.wait())]
        if due:
            waits.append(asyncio.create_task(self._pause(due - self._clock.now())))
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the wake-up.
            await asyncio.wait(
                waits, timeout=_pause_of(claims), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()

    async def _pause(self, length: timedelta) -> None:
        """By the service's clock, however fast it runs."""
        await asyncio.gather(self._clock.sleep(length), asyncio.sleep(_SHORTEST_WAIT))

    async def _until_server_answers(self, claims: Claims, heartbeat: Heartbeat) -> None:
        """While the mail server is away nothing is claimed.

        So no attempt is wasted and no pause grows; when it is back, all goes out at once.
        """
        pause = _FIRST_PROBE
        if not self._server_answers:
            log.warning("mail_server.away")
        while not self._server_answers:
            heartbeat.struggle("the mail server does not answer; messages wait")
            self._metrics.server_up.set(0)
            await self._look_round(claims)  # also so that a lost session is noticed
            await self._pause(pause)
            pause = min(pause * 2, _LAST_PROBE)
            self._server_answers = await self._delivery.transport.probe()
        self._metrics.server_up.set(1)

    def _take(self, claim: Claim) -> None:
        key = claim.notice.notification_id
        task = asyncio.create_task(self._see_to(claim), name=f"notification {key}")
        self._in_hand[key] = task
        task.add_done_callback(lambda _: self._let_go(key))

    def _let_go(self, key: str) -> None:
        self._in_hand.pop(key, None)
        self._wake.set()  # its thread may have a next one, and there is room again

    async def _see_to(self, claim: Claim) -> None:
        about = {"notification_id": claim.notice.notification_id, "attempts": claim.attempts}
        try:
            outcome = await self._delivery.deliver(claim)
        except Postponed as error:
            self._server_answers &= not isinstance(error, MailServerDown)
            log.info("notification.postponed", error=error, **about)
            await self._again_later(claim, error.obstacle)
        except Exception as error:  # noqa: BLE001 - counted and tried again; others go on
            # Without the traceback: it may quote what is in the message.
            log.error("notification.unsendable", error=error, **about)
            await self._again_later(claim, "unsendable")
        else:
            if outcome.state == "sent":
                faultpoints.reach(faultpoints.AFTER_SMTP_BEFORE_MARK)
            await self._end(claim, outcome)

    async def _end(self, claim: Claim, outcome: Outcome) -> None:
        unreachable = outcome.reason in _UNREACHABLE
        follow_up = unreachable_citizen(claim.notice) if unreachable else []
        await self._insist(lambda: self._queue.end(claim, outcome, follow_up))
        self._metrics.ended.labels(claim.notice.template, outcome.state).inc()
        if outcome.state == "sent":
            seconds = (self._clock.now() - claim.created_at).total_seconds()
            self._metrics.seconds.observe(max(0.0, seconds))

    async def _again_later(self, claim: Claim, obstacle: str) -> None:
        self._metrics.postponed.labels(obstacle).inc()
        until = self._clock.now() + pause_after(claim.attempts)
        await self._insist(lambda: self._queue.postpone(claim, until, obstacle))

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write what became of a message, however long it takes: to forget it would send it again.

        A mistake of ours keeps the message in hand, and the others go on.
        """
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                return await write()
            except Exception as error:  # noqa: BLE001 - see above
                pause = backoff.next()
                log.warning("notification.unrecorded", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)

    async def _settle(self) -> None:
        """The service stops: messages in hand may come to their end.

        What is left is free for the next worker some seconds later.
        """
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _pause_of(claims: Claims) -> float:
    return _LOOK_AGAIN_SECONDS if claims.somebody_is_missing else _POLL_SECONDS
