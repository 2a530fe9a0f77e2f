"""What a service is, as data: its `bootstrap.py` describes it with these, and the kit runs it."""

import importlib
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData

from brobyg_kit.clock import Clock
from brobyg_kit.database import Database
from brobyg_kit.documents import AsyncApi
from brobyg_kit.erasure import Erasures
from brobyg_kit.erasure_replay import Erase
from brobyg_kit.event import EventData
from brobyg_kit.handling import Handler
from brobyg_kit.health import Health
from brobyg_kit.problems import Renderer
from brobyg_kit.replica import Copy, Replica, ViewT
from brobyg_kit.retention import Carrier
from brobyg_kit.service_token import ServiceToken
from brobyg_kit.settings import KitSettings
from brobyg_kit.subscription import BatchHandler, Decoder, LockedBy
from brobyg_kit.timers import TimerHandler

#: How long a service keeps a connection open on which nothing comes.
IDLE_CONNECTION_SECONDS = 10


@cache
def _certificates() -> ssl.SSLContext:
    """Whom clients trust: read once, as it takes a twentieth of a second."""
    return httpx2.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a service is given to build itself from. `database` is not open yet."""

    settings: KitSettings
    clock: Clock
    _database: Database | None
    metrics: CollectorRegistry
    health: Health
    address: str
    #: What was asked for by `replica`, by topic.
    replicas: dict[str, Replica[Any]] = field(default_factory=dict)
    #: By which the service asks the others.
    token: ServiceToken | None = None

    def replica(self, copy: Copy[ViewT]) -> Replica[ViewT]:
        """This process's view of a copy that the service declares; the same one each time."""
        made: Replica[ViewT] = self.replicas.setdefault(copy.topic, Replica(copy))
        return made

    @property
    def database(self) -> Database:
        """The service's own database. Raises RuntimeError for a service declared without one."""
        if self._database is None:
            raise RuntimeError("this service has no database")
        return self._database

    def internal(self, base_url: str, *, timeout: float = 5.0) -> httpx2.AsyncClient:
        """A client for another service, with this one's token; the caller closes it.

        `timeout` is in seconds, for each step of a request.
        """
        # A connection is given up here well before the other service closes it: a request sent at
        # that moment would be lost.
        idle = IDLE_CONNECTION_SECONDS / 2
        return httpx2.AsyncClient(
            base_url=base_url,
            trust_env=False,  # the machine's proxy must see neither the answers nor the token
            verify=_certificates(),
            timeout=httpx2.Timeout(timeout),
            auth=self.token,
            limits=httpx2.Limits(
                max_connections=32, max_keepalive_connections=16, keepalive_expiry=idle
            ),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service has built: its routes, its handler, its timers and its endless loops."""

    #: Every route must depend on `requires_act(...)`; the service does not start otherwise.
    routers: Sequence[APIRouter] = ()
    #: Routes whose credential is in the request itself, such as a signed link. Say at each why.
    public_routers: Sequence[APIRouter] = ()
    handle: BatchHandler | None = None
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    #: Erases again whom a restored database still has; for a service with `erasures`.
    erase: Erase | None = None
    #: How the records are ended that it keeps for a number of days, by kind.
    retention: Mapping[str, Carrier] = field(default_factory=dict)
    #: Carried out once when the database is open, in every role. One that raises is logged and
    #: tried again.
    starts: Mapping[str, Callable[[], Coroutine[None, None, None]]] = field(default_factory=dict)
    #: Loops that run until cancelled; one that raises is logged and started again.
    workers: Mapping[str, Callable[[], Coroutine[None, None, None]]] = field(default_factory=dict)
    #: What /readyz and /operations tell beside the kit's own figures, by name: about nobody. Each
    #: is asked at every look, so it is cheap; one that the database fails is left out.
    figures: Mapping[str, Callable[[], Coroutine[None, None, object]]] = field(default_factory=dict)
    #: How errors under a path prefix are rendered, where a standard has its own form for them.
    renderers: Mapping[str, Renderer] = field(default_factory=dict)
    #: Carried out in this order when the service stops.
    closers: Sequence[Callable[[], Coroutine[None, None, None]]] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its name, what it consumes and emits, and how to build it."""

    name: str
    package: str
    settings: type[KitSettings]
    build: Callable[[Resources], Parts]
    #: What is done on which event.
    handlers: Sequence[Handler] = ()
    emits: Sequence[type[EventData] | str] = ()
    #: The compacted topics of which it keeps a copy.
    copies: Sequence[Copy[Any]] = ()
    #: The other compacted topics it reads: there a record without a value comes as a TOMBSTONE.
    compacted: Sequence[str] = ()
    #: Its part in erasing people; None for one that holds nothing of anybody.
    erasures: Erasures | None = None
    #: Makes its AsyncAPI 3.0 document, served as /asyncapi.yaml.
    asyncapi: AsyncApi | None = None
    #: The service's own tables; None for a service that keeps nothing.
    metadata: MetaData | None = None
    #: SQL that a migration ends with, as the database's owner: rights that the service's own login
    #: ({role}) and others have beyond the rows of its tables. {database} is its name.
    grants: Sequence[str] = ()
    #: The command that helps where one of its own checks fails, by the check's name: adds to
    #: `operations.HELPS`.
    helps: Mapping[str, str] = field(default_factory=dict)
    #: False where the handler itself drops events it has handled before.
    inbox: bool = True
    max_batch: int = 2_000
    #: See `Subscription.gather`.
    gather: float = 0.0
    #: See `Subscription.locked_by`.
    locked_by: LockedBy | None = None

    @property
    def consumes(self) -> tuple[type[EventData] | str, ...]:
        """The event types and whole topics that its handlers name, in their order."""
        return tuple(handler.event for handler in self.handlers)

    @property
    def handled_topics(self) -> set[str]:
        """The topics whose events its handlers take."""
        return {topic for handler in self.handlers for topic in handler.topics}

    @property
    def reads(self) -> list[type[EventData] | str]:
        """The event types and topics that it handles or copies."""
        copied = (kind for copy in self.copies for kind in copy.kinds.values())
        return list(dict.fromkeys([*self.consumes, *copied]))

    @property
    def topics(self) -> list[str]:
        """The topics it reads, sorted."""
        return sorted(self.handled_topics | {copy.topic for copy in self.copies})

    @property
    def versions(self) -> Path:
        """The folder of its own migrations. Raises FileNotFoundError when it is missing."""
        package = Path(str(importlib.import_module(self.package).__file__)).parent
        for folder in (package / "migrations", package.parents[1] / "migrations"):
            if folder.is_dir():
                return folder / "versions"
        raise FileNotFoundError(f"{self.package} has no folder migrations")
