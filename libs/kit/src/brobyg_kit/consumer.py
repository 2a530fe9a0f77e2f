"""Consuming: FastStream brings batches; each is handled in a transaction, then acknowledged.

`subscribers` is FastStream's side of it, `decoding` makes events of records, `batches` handles
them, `retries` tries again what was parked, `lag` measures what waits. Here they are started,
watched and stopped.
"""

import asyncio
from contextlib import suppress
from functools import partial

from aiokafka.errors import KafkaError

from brobyg_kit import kafka
from brobyg_kit.backoff import Backoff
from brobyg_kit.batches import Batches
from brobyg_kit.database import Database
from brobyg_kit.errors import InstanceReplaced, LaneFailed
from brobyg_kit.health import Heartbeat
from brobyg_kit.lag import Lag
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.retries import Retries
from brobyg_kit.subscribers import BatchMiddleware, Lane, Shutdown, lanes, start_broker
from brobyg_kit.subscription import BatchHandler, Decoder, Subscription

__all__ = ["BatchHandler", "Consumer", "Decoder", "Subscription"]

log = get_logger(__name__)

#: Members of the group in one process. It has one processor, but each often waits for the database.
_LANES = 2
#: How long a request of the consumer's may take, milliseconds: more than a rebalance.
_JOINING = 40_000
#: How often the parts are looked at, seconds of wall time.
_LOOK_EVERY = 0.25
#: How long a stop waits for the broker to be told, seconds of wall time.
_STOPPING = 25.0


class Consumer:
    """One process's part in a service's consumer group."""

    def __init__(
        self,
        address: str,
        database: Database,
        subscription: Subscription,
        metrics: Metrics,
        heartbeat: Heartbeat,
        lanes: int = _LANES,
    ) -> None:
        """Nothing is connected before `run`."""
        self._address, self._database, self._subscription = address, database, subscription
        self._metrics, self._heartbeat, self._number = metrics, heartbeat, lanes
        self._stopped = asyncio.Event()
        self._shutdown = Shutdown()
        self._batches = Batches(database, subscription, metrics)

    def stop(self) -> None:
        """End `run` after the batches in hand."""
        self._stopped.set()
        self._batches.stop()
        self._shutdown.begin()

    async def run(self) -> None:
        """Consume until stopped. Trouble with broker or database is waited out, nothing skipped.

        Ends too when another process has joined under the same name (`Subscription.instance`): the
        later of the two continues. Raises any other error, after all was stopped; what was not
        handled comes again in the next run.
        """
        backoff = Backoff()
        while not self._stopped.is_set():
            try:
                await self._session()
            except InstanceReplaced as error:
                log.error("consumer.replaced", error=error)
                self._heartbeat.struggle(
                    "another process has joined under its name (BROBYG_INSTANCE); end one of them"
                )
                return
            except KafkaError as error:
                pause = backoff.next()
                self._heartbeat.struggle("no broker answers")
                log.warning("consumer.connect_failed", error=error, retry_seconds=pause)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopped.wait()

    async def _session(self) -> None:
        """From joining the group to leaving it."""
        shutdown = self._shutdown = Shutdown()
        around = partial(
            BatchMiddleware,
            service=self._subscription.service,
            metrics=self._metrics,
            shutdown=shutdown,
        )
        broker = kafka.broker(
            self._address,
            self._subscription.group,
            consumer_only=True,
            middlewares=[around],
            request_timeout_ms=_JOINING,
        )
        reader = kafka.Reader(self._address)
        members = lanes(
            broker, self._address, self._subscription, self._batches, self._number, shutdown
        )
        lag = Lag(self._subscription.topics, members, reader, self._metrics)
        retries = Retries(self._database, self._subscription, self._batches, reader)
        starting = asyncio.create_task(start_broker(broker))
        loops = [asyncio.create_task(retries.run()), asyncio.create_task(lag.run())]
        try:
            await self._watch(shutdown, starting, loops, members, lag, retries)
            if await _replaced(members, shutdown.error):
                raise InstanceReplaced("another process has joined under its name")
        finally:
            for task in (starting, *loops):
                task.cancel()
            await asyncio.gather(starting, *loops, return_exceptions=True)
            try:
                async with asyncio.timeout(_STOPPING):
                    await broker.stop()
            except Exception as error:  # noqa: BLE001 - it must not hide why the session ended
                log.warning("consumer.stop_failed", error=error)
            finally:
                await reader.close()
        if shutdown.error is not None:
            raise shutdown.error

    async def _watch(
        self,
        shutdown: Shutdown,
        starting: "asyncio.Task[None]",
        loops: "list[asyncio.Task[None]]",
        members: list[Lane],
        lag: Lag,
        retries: Retries,
    ) -> None:
        """Update the heartbeat from all parts until the shutdown, which begins when one fails."""
        while not shutdown:
            for task in (starting, *loops):
                if task.done() and (task is not starting or task.exception() is not None):
                    shutdown.begin(_failure(task))
            for lane in members if starting.done() else ():
                lane.update_heartbeat()
                if failure := lane.failed(reachable=lag.reachable):
                    shutdown.begin(failure)
            self._heartbeat.follow(
                [lag.heartbeat, *(lane.heartbeat for lane in members), retries.heartbeat]
            )
            await shutdown.wait(_LOOK_EVERY)


async def _replaced(members: list[Lane], error: Exception | None) -> bool:
    """Whether the consumer ended because another process has joined under its name."""
    if not isinstance(error, KafkaError | LaneFailed):
        return False
    refused = type(error) is KafkaError  # its subclasses are errors that aiokafka knows
    return any([await lane.replaced(refused=refused) for lane in members])


def _failure(task: "asyncio.Task[None]") -> Exception | None:
    """What a task that has ended raised, if it was an error."""
    error = None if task.cancelled() else task.exception()
    return error if isinstance(error, Exception) else None
