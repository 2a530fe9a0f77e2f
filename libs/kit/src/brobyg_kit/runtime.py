"""Runs a service until it is told to stop: its HTTP API, loops and watchdog, together or apart."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Double, cast, func, not_, select, text

from brobyg_kit import logs, tracing
from brobyg_kit.api import create_app
from brobyg_kit.auth import Verifier
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS, cause_of, is_environment, trouble_of
from brobyg_kit.health import Check, Health
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.relay import Relay
from brobyg_kit.replica import Copies, Watch
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.tables import outbox, parked_event
from brobyg_kit.timers import Timers

log = get_logger(__name__)

#: An endless piece of work.
Loop = Callable[[], Coroutine[None, None, None]]
#: `run` is everything in one process; in production the three may run apart.
Role = Literal["run", "api", "consumer", "relay"]
_MIGRATED = text("select 1 from alembic_version limit 1")
_DEAD = parked_event.c.state == "dead"
_AGE = func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at))
_WAITING = select(
    select(func.count(outbox.c.id)).scalar_subquery().label("rows"),
    select(cast(func.coalesce(_AGE, 0), Double)).scalar_subquery().label("oldest"),
    select(func.count(parked_event.c.id).filter(not_(_DEAD))).scalar_subquery().label("parked"),
    select(func.count(parked_event.c.id).filter(_DEAD)).scalar_subquery().label("dead"),
)


class Runtime:
    """One process of one service."""

    def __init__(
        self,
        service: Service,
        settings: KitSettings,
        role: Role = "run",
        *,
        clock: Clock | None = None,
        database_suffix: str = "",
    ) -> None:
        """Builds everything and connects nothing.

        `clock` replaces the settings' clock, `database_suffix` gives tests a database of their own.
        """
        self.service, self.settings, self.role = service, settings, role
        self.clock = clock or settings.make_clock()
        self.metrics, self.health = Metrics(), Health()
        url = database_url(settings.database.get_secret_value(), service.name) + database_suffix
        self.database = (
            Database(url, self.clock, service.name) if service.metadata is not None else None
        )
        resources = Resources(
            settings, self.clock, self.database, self.metrics.registry, self.health, settings.kafka
        )
        self.parts: Parts = service.build(resources)
        self.replicas = resources.replicas
        self._stops: list[Callable[[], None]] = []
        self._relays: list[Relay] = []
        self._opened = asyncio.Event()
        self._stopping = False
        if self.database is not None:
            self.health.checks["database"] = self._check_database

    def app(self) -> FastAPI:
        """The ASGI application: the whole API for `run` and `api`, health alone for the others."""
        parts = self.parts if self.role in ("run", "api") else Parts()
        # Tokens are issued in the real world, whatever clock the service lives by.
        verifier = Verifier(self.settings.token_keys, WallClock())
        return create_app(
            self.service, parts, self.clock, verifier, self.metrics, self.health, self._numbers
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; what is in hand is finished first."""
        logs.configure(self.service.name, self.settings.log_format, self.settings.log_level)
        tracing.install(self.service.name, self.settings.otlp_endpoint)
        server = Server(
            uvicorn.Config(
                self.app(),
                host=self.settings.host,
                port=self.settings.port_of(self.service.name),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
                limit_concurrency=512,
                server_header=False,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        self.health.watch()
        await self.serve(server)

    def stop(self) -> None:
        """Begin an orderly stop."""
        log.info("service.stopping")
        self._stopping = True
        for stop in self._stops:
            stop()

    async def serve(self, server: "Server") -> None:
        """Serve and run the loops until `stop`; what is in hand is finished first."""
        self._stops.append(server.stop)
        loops = self.loops()
        serving = asyncio.create_task(server.serve())
        tasks = [
            asyncio.create_task(self._keep(name, work), name=name) for name, work in loops.items()
        ]
        workers = [
            asyncio.create_task(self._keep(name, work), name=name)
            for name, work in self._workers().items()
        ]
        log.info("service.started", role=self.role, loops=[*loops, *self._workers()])
        try:
            await serving
            await self._finish(tasks, workers)
        finally:
            for task in [*tasks, *workers]:
                task.cancel()
            await asyncio.gather(*tasks, *workers, return_exceptions=True)
            for close in self.parts.closers:
                await close()
            if self.database is not None:
                await self.database.close()
        log.info("service.stopped")

    async def _finish(
        self, tasks: "list[asyncio.Task[None]]", workers: "list[asyncio.Task[None]]"
    ) -> None:
        """Let each loop finish what it has in hand; the relay last, as it sends what they wrote."""
        if not self._opened.is_set():
            return  # they all wait for a database that never came
        for worker in workers:
            worker.cancel()
        others = [*workers, *(task for task in tasks if task.get_name() != "relay")]
        if others:
            await asyncio.wait(others, timeout=20)
        for relay in self._relays:
            relay.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    def loops(self) -> dict[str, Loop]:
        """The loops of the mechanism that this role runs; each waits for the database first."""
        if self.database is None:
            return {}
        loops: dict[str, Loop] = {"database": self._open_database}
        if self.role in ("run", "relay"):
            loops["relay"] = self._after_open("relay", self._relay())
        if self.replicas and self.role != "relay":
            loops["replicas"] = self._after_open("replicas", self._watch(self.database))
        if self.role in ("run", "consumer"):
            if self.parts.handle is not None:
                loops["consumer"] = self._after_open("consumer", self._consumer(self.database))
            if self.parts.timers:
                heartbeat = self.health.heartbeat("timers")
                timers = Timers(
                    self.database, self.clock, self.parts.timers, self.metrics, heartbeat
                )
                self._stops.append(timers.stop)
                loops["timers"] = self._after_open("timers", timers.run)
        return loops

    def _relay(self) -> Loop:
        assert self.database is not None  # `loops` has seen to it
        relay = Relay(
            self.database.url,
            self.settings.kafka,
            self.service.name,
            self.metrics,
            self.health.heartbeat("relay"),
        )
        self._relays.append(relay)
        return relay.run

    def _watch(self, database: Database) -> Loop:
        replicas = list(self.replicas.values())
        for one in replicas:
            self.health.checks[one.topic] = one.check
        watch = Watch(database, replicas, self.health.heartbeat("replicas"))
        self._stops.append(watch.stop)
        return watch.run

    def _consumer(self, database: Database) -> Loop:
        assert self.parts.handle is not None  # `loops` has seen to it
        handled = self.service.handled_topics
        copied = [copy.topic for copy in self.service.copies]
        subscription = Subscription(
            self.service.name,
            self.service.topics,
            self.parts.handle,
            self.parts.decoders,
            Copies(self.service.copies, self.replicas, handled) if copied else None,
            {*copied, *self.service.compacted},
            self.service.max_batch,
            self.service.inbox,
            instance=self.settings.instance,
        )
        consumer = Consumer(
            self.settings.kafka,
            database,
            subscription,
            self.metrics,
            self.health.heartbeat("consumer"),
        )
        self._stops.append(consumer.stop)
        return consumer.run

    def _workers(self) -> dict[str, Loop]:
        if self.role not in ("run", "consumer"):
            return {}
        return {name: self._after_open(name, work) for name, work in self.parts.workers.items()}

    async def _open_database(self) -> None:
        heartbeat = self.health.heartbeat("database")
        assert self.database is not None  # `loops` has seen to it
        backoff = Backoff()
        while True:
            try:
                await self.database.open()
                break
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                heartbeat.struggle(trouble_of(error))
                log.warning("database.unreachable", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)
        del self.health.heartbeats["database"]  # from here on the check asks the database itself
        self._opened.set()

    def _after_open(self, name: str, work: Loop) -> Loop:
        async def wait_and_work() -> None:
            while self.database is not None and not self._opened.is_set():
                if name in self.health.heartbeats:  # no hang, however long it takes
                    self.health.heartbeat(name).struggle("waits for the database")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._opened.wait(), timeout=1.0)
            await work()

        return wait_and_work

    async def _keep(self, name: str, work: Loop) -> None:
        """Run a loop until it ends; one that fails is logged and started again after a pause."""
        backoff = Backoff(longest=10.0, well_after=60.0)
        while True:
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 - one loop must not end the whole service
                pause = backoff.next()
                log.error("loop.failed", loop=name, error=error, retry_seconds=pause)
                self.health.heartbeat(name).struggle(f"{name} failed: {type(error).__name__}")
            if self._stopping:
                return
            await asyncio.sleep(pause)

    async def _check_database(self) -> Check:
        if not self._opened.is_set() or self.database is None:
            return Check(False, "not connected yet")
        try:
            async with asyncio.timeout(2), self.database.connect() as connection:
                await connection.execute(_MIGRATED)
        except DATABASE_ERRORS as error:
            if is_environment(error):
                return Check(False, f"has no tables: run 'brobyg {self.service.name} migrate'")
            return Check(False, f"does not answer: {type(cause_of(error)).__name__}")
        return Check(True)

    async def _numbers(self) -> dict[str, object]:
        """What waits to be sent and to be handled, for /readyz and the metrics.

        Empty when the database can't be asked.
        """
        if self.database is None or not self._opened.is_set():
            return {}
        try:
            async with asyncio.timeout(2), self.database.connect() as connection:
                row = (await connection.execute(_WAITING)).one()
        except DATABASE_ERRORS:
            return {}
        self.metrics.outbox_rows.set(row.rows)
        self.metrics.outbox_age.set(row.oldest)
        self.metrics.parked.labels("waiting").set(row.parked)
        self.metrics.parked.labels("dead").set(row.dead)
        lag = sum(
            sample.value
            for metric in self.metrics.consumer_lag.collect()
            for sample in metric.samples
        )
        passed_over = sum(
            sample.value
            for metric in self.metrics.events_passed_over.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
        outbox = {"rows": row.rows, "oldest_seconds": round(row.oldest, 3)}
        return {
            "outbox": outbox,
            "parked": row.parked,
            "dead_letters": row.dead,
            "lag": int(lag),
            "passed_over": int(passed_over),
            "copies": {one.topic: one.report() for one in self.replicas.values()},
        }


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the runtime stops everything in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: see `Runtime.run`."""
        yield

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True
