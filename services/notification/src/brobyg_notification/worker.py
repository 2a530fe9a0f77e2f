"""The sender: claims what is due, a few at a time, and sees each notice to its end.

Exactly one message per cause, as far as SMTP lets anybody promise it: the notice is one row, a claim is one sender's, and its end and its event
are one transaction. From the message's last byte to that commit lies the one window in which a killed process, or a connection that breaks before
the server's answer, leads to a second copy (RFC 1047); it carries the same Message-ID, UID and SEQUENCE, by which mail programs and calendars
see that it is the same. An orderly stop waits for the server's answer as long as it may.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from brobyg_kit import faultpoints
from brobyg_kit.clock import Clock
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Health, Heartbeat
from brobyg_kit.logs import get_logger

from brobyg_notification.adapters import letters
from brobyg_notification.adapters.database import new_sender
from brobyg_notification.domain.retry import pause_after
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import (
    Claims,
    MailDeferred,
    MailServerDown,
    NoCoordinator,
    OwnerUnavailable,
    Postbox,
    RecipientDeferred,
    Store,
    Waiting,
)
from brobyg_notification.sending import Outcome, Sending, Sent, Superseded

log = get_logger(__name__)

_POLL_SECONDS = 5.0
"""The slow poll behind the notification, wall time."""
_LOOK_AGAIN_SECONDS = 1.0
"""The same while another sender is missing."""
_SHORTEST_WAIT = 0.05
"""Wall time between two looks for something due: a clock that runs a thousand times faster must not spin."""
_FIRST_PROBE, _LAST_PROBE = timedelta(milliseconds=500), timedelta(seconds=5)
_SETTLE_SECONDS = 17.0
"""How long a stopping service lets messages in hand come to their end: the 20 s that the runtime waits for a worker, less what it takes to
leave the database."""

#: What was in the way of an attempt, as metrics and /readyz name it.
_IN_THE_WAY: Mapping[type[Exception], str] = {
    MailDeferred: "deferred",
    RecipientDeferred: "recipient_deferred",
    OwnerUnavailable: "owner_unavailable",
    NoCoordinator: "no_coordinator",
}


class Sender:
    """One process's sender. Several may run, in one process or many: a notice is claimed by one."""

    def __init__(
        self,
        store: Store,
        sending: Sending,
        clock: Clock,
        metrics: NotificationMetrics,
        health: Health,
        *,
        concurrency: int,
    ) -> None:
        """`concurrency` bounds the messages in hand at once."""
        self._store, self._sending, self._clock = store, sending, clock
        self._postbox: Postbox = sending.postbox
        self._metrics, self._health, self._concurrency = metrics, health, concurrency
        self._number, self._had_session = new_sender(), False
        self._looked_at = 0.0
        self._wake = asyncio.Event()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._server_answers = True
        self._broken: BaseException | None = None

    async def run(self) -> None:
        """Send until cancelled; trouble with the database, the owners or the mail server is waited out."""
        heartbeat = self._health.heartbeat("sender")
        await asyncio.to_thread(letters.prepare)
        pause = 0.1
        while True:
            try:
                async with self._store.session(
                    self._number, self._wake.set, again=self._had_session
                ) as claims:
                    pause, self._had_session = 0.1, True
                    await self._work(claims, heartbeat)
            except DATABASE_ERRORS as error:
                heartbeat.struggle(f"the database does not answer: {type(error).__name__}")
                log.warning("sender.interrupted", error=error, retry_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _work(self, claims: Claims, heartbeat: Heartbeat) -> None:
        self._looked_at = 0.0
        try:
            while True:
                self._wake.clear()
                self._fall_if_broken()
                await self._look_round(claims)
                await self._until_server_answers(claims, heartbeat)
                room = self._concurrency - len(self._in_hand)
                claimed = await claims.claim(room) if room else []
                for waiting in claimed:
                    self._take(waiting)
                heartbeat.beat()
                if not claimed:
                    await self._rest(claims, room)
        except asyncio.CancelledError:
            await self._settle()
            raise

    def _fall_if_broken(self) -> None:
        """A notice whose end could not be written for an unknown reason is still claimed: end the session, and start afresh by freeing it."""
        broken, self._broken = self._broken, None
        if broken is not None:
            raise broken

    async def _look_round(self, claims: Claims) -> None:
        """Every few seconds: what was left behind, and how much waits."""
        if time.monotonic() - self._looked_at < _pause_of(claims):
            return
        self._looked_at = time.monotonic()
        freed = await claims.free_abandoned(list(self._in_hand))
        if freed:
            log.warning("sender.took_over", notifications=freed)
        backlog = await self._store.backlog()
        self._metrics.waiting.set(sum(backlog.waiting.values()))
        self._metrics.oldest.set(backlog.oldest_seconds)

    async def _rest(self, claims: Claims, room: int) -> None:
        """Return when there may be something to do: woken, something due, or the poll's time."""
        due = await claims.next_due() if room else None
        waits: set[asyncio.Task[object]] = {asyncio.create_task(_as_object(self._wake.wait()))}
        if due is not None:
            waits.add(asyncio.create_task(self._until(due)))
        try:
            await asyncio.wait(
                waits, timeout=_pause_of(claims), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _until(self, due: datetime) -> None:
        await asyncio.gather(
            self._clock.sleep(due - self._clock.now()), asyncio.sleep(_SHORTEST_WAIT)
        )

    async def _until_server_answers(self, claims: Claims, heartbeat: Heartbeat) -> None:
        """While the mail server is away nothing is claimed, so no attempt is wasted and no pause grows; when it is back, all goes out at once."""
        pause = _FIRST_PROBE
        while not self._server_answers:
            heartbeat.struggle("the mail server does not answer; messages wait")
            self._metrics.server_up.set(0)
            await self._look_round(
                claims
            )  # also so that a lost session is noticed, and taken up again
            await asyncio.gather(self._clock.sleep(pause), asyncio.sleep(_SHORTEST_WAIT))
            pause = min(pause * 2, _LAST_PROBE)
            self._server_answers = await self._postbox.probe()
            if self._server_answers:
                log.info("mail_server.back")
        self._metrics.server_up.set(1)

    def _take(self, waiting: Waiting) -> None:
        key = waiting.notice.notification_id
        task = asyncio.create_task(self._see_to(waiting), name=f"notification {key}")
        self._in_hand[key] = task
        task.add_done_callback(lambda done: self._let_go(key, done))

    def _let_go(self, key: str, done: "asyncio.Task[None]") -> None:
        self._in_hand.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            self._broken = error
        self._wake.set()  # its lane may have a next one, and there is room again

    async def _see_to(self, waiting: Waiting) -> None:
        try:
            outcome = await self._sending.deliver(waiting)
        except MailServerDown as error:
            if self._server_answers:
                log.warning("mail_server.away", error=error)
            self._server_answers = False
            await self._again_later(waiting, "mail_server_down")
        except (MailDeferred, OwnerUnavailable, NoCoordinator) as error:
            log.info(
                "notification.postponed",
                notification_id=waiting.notice.notification_id,
                error=error,
                attempts=waiting.attempts,
            )
            await self._again_later(waiting, _IN_THE_WAY[type(error)])
        except Exception as error:  # noqa: BLE001 - a message we can't write must not stop the others; it is kept, counted and tried again
            # Without the traceback: it may quote what is in the message.
            log.error(
                "notification.unsendable",
                notification_id=waiting.notice.notification_id,
                error=error,
                attempts=waiting.attempts,
            )
            await self._again_later(waiting, "unsendable")
        else:
            if isinstance(outcome, Sent):
                faultpoints.reach(faultpoints.AFTER_SMTP_BEFORE_MARK)
            await self._insist(lambda: self._end(waiting, outcome))
            self._count(waiting, outcome)

    async def _end(self, waiting: Waiting, outcome: Outcome) -> None:
        if isinstance(outcome, Sent):
            await self._store.sent(waiting, outcome.language)
        elif isinstance(outcome, Superseded):
            await self._store.superseded(waiting)
        else:
            await self._store.failed(waiting, outcome.language, outcome.reason)

    async def _again_later(self, waiting: Waiting, cause: str) -> None:
        self._metrics.postponed.labels(cause).inc()
        until = self._clock.now() + pause_after(waiting.attempts)
        await self._insist(lambda: self._store.postpone(waiting, until, cause))

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write what became of a message, however long the database is away: to forget it would send it again."""
        pause = 0.1
        while True:
            try:
                await write()
                return
            except DATABASE_ERRORS as error:
                log.warning("notification.unrecorded", error=error, retry_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _count(self, waiting: Waiting, outcome: Outcome) -> None:
        self._metrics.ended.labels(waiting.notice.template, type(outcome).__name__.lower()).inc()
        if isinstance(outcome, Sent):
            seconds = self._clock.now() - waiting.created_at
            self._metrics.seconds.observe(max(0.0, seconds.total_seconds()))

    async def _settle(self) -> None:
        """The service stops: messages in hand may come to their end, what is left is free for the next sender some seconds later."""
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _pause_of(claims: Claims) -> float:
    return _LOOK_AGAIN_SECONDS if claims.somebody_is_missing else _POLL_SECONDS


async def _as_object(awaitable: Awaitable[object]) -> object:
    return await awaitable
