"""Runs a service until it is told to stop: its HTTP API, loops and watchdog, together or apart."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Literal

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from brobyg_kit import connections, logs, tracing
from brobyg_kit.access_log import Sealing
from brobyg_kit.api import create_app
from brobyg_kit.auth import Verifier
from brobyg_kit.backoff import Backoff
from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.database import Database, database_url
from brobyg_kit.database_errors import DATABASE_ERRORS, cause_of, is_environment, trouble_of
from brobyg_kit.database_rights import trouble_with_rights
from brobyg_kit.domain import domain
from brobyg_kit.erasure_replay import Replay
from brobyg_kit.figures import figures_of
from brobyg_kit.health import Check, Health, report_of
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.operations import versions_of
from brobyg_kit.operations_api import dead_letters_router, operations_router
from brobyg_kit.parking import Parking
from brobyg_kit.relay import Relay
from brobyg_kit.replica import Copies, Watch
from brobyg_kit.retention import Retention
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.service_token import ServiceToken
from brobyg_kit.settings import KitSettings
from brobyg_kit.timers import Timers

log = get_logger(__name__)

#: An endless piece of work.
Loop = Callable[[], Coroutine[None, None, None]]
#: `run` is everything in one process; in production the three may run apart.
Role = Literal["run", "api", "consumer", "relay"]
#: The loop that makes erasures again.
_ERASURES = "erasures"
_MIGRATED = text("select 1 from alembic_version limit 1")


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
        replays: bool = False,
    ) -> None:
        """Builds everything and connects nothing.

        `clock` replaces the settings' clock, `database_suffix` gives tests a database of their own.
        With `replays` nothing is served before the erasures are made that a restored backup lacks.
        """
        self.service, self.settings, self.role = service, settings, role
        self.clock = clock or settings.make_clock()
        self.metrics, self.health = Metrics(), Health()
        self.database: Database | None = None
        if service.metadata is not None:
            url = database_url(settings.server_of(service.name), service.name) + database_suffix
            self.database = Database(url, self.clock, service.name)
        token = ServiceToken(settings, WallClock())
        self.health.ends.append(token.ends)
        resources = Resources(
            settings,
            self.clock,
            self.database,
            self.metrics.registry,
            self.health,
            settings.kafka,
            token=token,
        )
        self.parts: Parts = service.build(resources)
        self.replicas = resources.replicas
        self._stops: list[Callable[[], None]] = []
        self._relay: Relay | None = None
        self._opened, self._replayed = asyncio.Event(), asyncio.Event()
        self.replay = self._make_replay()
        if self.replay is not None:
            self.health.checks["erasures_made_again"] = self.replay.check
        if self.replay is None or not replays:
            self._replayed.set()
        self._stopping = False
        #: Ends the process at once with this exit code, to be started again.
        self.abort: Callable[[int], object] = os._exit
        if self.database is not None:
            self.health.checks["database"] = self._check_database

    def app(self) -> FastAPI:
        """The ASGI application: the whole API for `run` and `api`, health alone for the others."""
        serves = self.role in ("run", "api")
        parts = self._served() if serves else Parts()
        # Whoever has to find out why nothing is served yet sees it.
        always = [operations_router(self._operations)] if serves and self.parts.handle else []
        # Tokens expire by real time, whatever clock the service has.
        verifier = Verifier.of_files(self.settings.token_keys, self.settings.issuers, WallClock())
        self.health.ends.append(verifier.ends)
        return create_app(
            self.service,
            parts,
            self.clock,
            verifier,
            self.metrics,
            self.health,
            self._figures,
            self._replayed.is_set,
            always,
        )

    def _served(self) -> Parts:
        """The service's parts, with the routes for operators where it handles events."""
        database, parts = self.database, self.parts
        if database is None or parts.handle is None:
            return parts
        letters = dead_letters_router(database, Parking(self.service.name))
        return replace(parts, routers=[*parts.routers, letters])

    async def _operations(self) -> dict[str, object]:
        name, helps = self.service.name, self.service.helps
        report = await report_of(name, self.health, self._figures, helps)
        return {**report, "versions": versions_of(name)}

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; what is in hand is finished first."""
        logs.configure(self.service.name, self.settings.log_format, self.settings.log_level)
        tracing.install(self.service.name, self.settings.otlp_endpoint)
        settings = self.settings
        port = settings.port_of(self.service.name)
        server = Server(connections.config(self.app(), settings.host, port))
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
        loops = self._loops()
        serving = asyncio.create_task(server.serve())
        tasks = {name: asyncio.create_task(self._keep(name, work)) for name, work in loops.items()}
        log.info("service.started", role=self.role, loops=[*loops])
        try:
            await serving
            # Else all still wait, for the database or the erasures, and have nothing in hand.
            if self._opened.is_set() and self._replayed.is_set():
                await self._finish(tasks)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            for close in self.parts.closers:
                await close()
            if self.database is not None:
                await self.database.close()
        log.info("service.stopped")

    async def _finish(self, tasks: "dict[str, asyncio.Task[None]]") -> None:
        """Let each loop finish what it has in hand; the relay last, as it sends what they wrote."""
        for name in {*self.parts.starts, *self.parts.workers, _ERASURES} & tasks.keys():
            tasks[name].cancel()
        if others := [task for name, task in tasks.items() if name != "relay"]:
            await asyncio.wait(others, timeout=20)
        if self._relay is not None:
            self._relay.stop()
            await asyncio.wait(tasks.values(), timeout=10)

    def _loops(self) -> dict[str, Loop]:
        """All that this role runs beside HTTP; each loop waits for the database first."""
        loops: dict[str, Loop] = {}
        if self.database is not None:
            loops |= self._mechanism(self.database)
        loops |= self.parts.starts
        if self.role in ("run", "consumer"):
            loops |= self.parts.workers
        waiting: dict[str, Loop] = {
            name: partial(self._after_open, name, work) for name, work in loops.items()
        }
        if self.database is not None:
            waiting["database"] = partial(self._open, self.database)
        if self.replay is not None and not self._replayed.is_set():
            waiting[_ERASURES] = partial(self._replay_first, self.replay)
        return waiting

    def _make_replay(self) -> Replay | None:
        erasures, erase = self.service.erasures, self.parts.erase
        if self.database is None or erasures is None or erase is None:
            return None
        return Replay(self.database, self.settings.kafka, erasures, erase)

    async def _replay_first(self, replay: Replay) -> None:
        """What a restored backup lacks before all else; then what comes, so that little is left."""
        await self._wait(_ERASURES, "the database", self._opened)
        await replay.until_done(self.health.heartbeat(_ERASURES))
        del self.health.heartbeats[_ERASURES]
        self._replayed.set()
        await replay.keep()
        # What every loop has in hand is of the former database.
        log.critical("database.restored")
        self.abort(os.EX_SOFTWARE)

    def _mechanism(self, database: Database) -> dict[str, Loop]:
        """The relay, consumer and timers that this role runs."""
        loops: dict[str, Loop] = {}
        service, parts, address = self.service, self.parts, self.settings.kafka
        beat = self.health.heartbeat
        # A service without topics serves whether or not there is a broker.
        if self.role in ("run", "relay") and (service.emits or parts.handle is not None):
            self._relay = Relay(database.url, address, service.name, self.metrics, beat("relay"))
            loops["relay"] = self._relay.run
        if self.replicas and self.role != "relay":
            loops["replicas"] = self._watch(database)
        if self.role in ("run", "consumer") and parts.handle is not None:
            copied = {copy.topic for copy in service.copies}
            copies = Copies(service.copies, self.replicas, service.handled_topics)
            subscription = Subscription(
                service.name,
                service.topics,
                parts.handle,
                parts.decoders,
                copies if copied else None,
                {*copied, *service.compacted},
                service.max_batch,
                service.gather,
                service.inbox,
                instance=self.settings.instance,
                types=_types(service),
                locked_by=service.locked_by,
            )
            consumer = Consumer(address, database, subscription, self.metrics, beat("consumer"))
            self._stops.append(consumer.stop)
            loops["consumer"] = consumer.run
        if self.role in ("run", "consumer"):
            retention = Retention(service.name, parts.retention, self.metrics)
            loops["retention"] = partial(retention.start, database)
            sealing = Sealing(database, beat("sealing"))
            self._stops.append(sealing.stop)
            loops["sealing"] = sealing.run
            alone = retention.timers
            if handlers := {**parts.timers, **alone}:
                timers = Timers(
                    database, self.clock, handlers, self.metrics, beat("timers"), alone=alone
                )
                self._stops.append(timers.stop)
                loops["timers"] = timers.run
        return loops

    def _watch(self, database: Database) -> Loop:
        replicas = list(self.replicas.values())
        for one in replicas:
            self.health.checks[one.topic] = one.check
        watch = Watch(database, replicas, self.health.heartbeat("replicas"))
        self._stops.append(watch.stop)
        return watch.run

    async def _open(self, database: Database) -> None:
        heartbeat = self.health.heartbeat("database")
        backoff = Backoff()
        while True:
            try:
                await database.open()
                break
            except DATABASE_ERRORS as error:
                pause = backoff.next()
                heartbeat.struggle(trouble_of(error))
                log.warning("database.unreachable", error=error, retry_seconds=pause)
                await asyncio.sleep(pause)
        del self.health.heartbeats["database"]  # from here on the check asks the database itself
        self._opened.set()

    async def _after_open(self, name: str, work: Loop) -> None:
        if self.database is not None:
            await self._wait(name, "the database", self._opened)
            await self._wait(name, "the erasures that a backup does not know of", self._replayed)
        await work()

    async def _wait(self, name: str, what: str, gate: asyncio.Event) -> None:
        while not gate.is_set():
            if name in self.health.heartbeats:  # waiting is no hang, however long it takes
                self.health.heartbeat(name).struggle(f"waits for {what}")
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await gate.wait()

    async def _keep(self, name: str, work: Loop) -> None:
        """Run a loop until it ends; one that fails is logged and started again after a pause."""
        backoff, beats = Backoff(longest=10.0, well_after=60.0), name in self.health.heartbeats
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
            if not beats:  # a loop without a heartbeat of its own would look hung from here on
                del self.health.heartbeats[name]

    async def _check_database(self) -> Check:
        if not self._opened.is_set() or self.database is None:
            return Check(False, "not connected yet")
        try:
            async with asyncio.timeout(2), self.database.connect() as connection:
                await connection.execute(_MIGRATED)
                assert self.service.metadata is not None  # it has a database
                wrong = await trouble_with_rights(connection, self.service.metadata.sorted_tables)
        except DATABASE_ERRORS as error:
            if is_environment(error):
                why = f"has no tables: run 'brobyg {self.service.name} migrate'"
                return Check(False, why, "not_migrated")
            return Check(False, f"does not answer: {type(cause_of(error)).__name__}")
        advice = f"{wrong}: run 'brobyg {self.service.name} migrate'"
        return Check(False, advice) if wrong else Check(True)

    async def _figures(self) -> dict[str, object]:
        """What waits to be sent and to be handled, for /readyz and the metrics."""
        if self.database is None or not self._opened.is_set():
            return {}
        return await figures_of(
            self.database, self.metrics, self.replicas.values(), self.parts.figures
        )


def _types(service: Service) -> set[str]:
    """The event types that the service handles; of a topic that it reads as a whole, all."""
    topics = domain().TOPICS
    return {
        kind
        for one in service.reads
        for kind in (topics.get(one, ()) if isinstance(one, str) else (one.EVENT_TYPE,))
    }


async def run(service: Service, settings: KitSettings, role: Role) -> None:
    """Run the service in this process until SIGTERM or SIGINT."""
    await Runtime(service, settings, role, replays=True).run()


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the runtime stops everything in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: see `Runtime.run`."""
        yield

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True
