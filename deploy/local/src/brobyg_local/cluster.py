"""A broker and a database together: for the running system, for tests, for fault injection.

    with Cluster(tmp_path) as cluster:
        cluster.kafka_address, cluster.database_url

`ensure` is for callers that only want the addresses and do not care who started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import Busy
from .kafka import Kafka
from .places import Places, say_to_stderr
from .postgres import Postgres
from .tools import Say

__all__ = ["Addresses", "Cluster", "ensure", "locked", "reset", "stop"]

LOCK_PATIENCE = 300.0  # seconds: another may be downloading for the first time


@dataclass(frozen=True)
class Addresses:
    """Where the broker (bootstrap servers) and the database (URL without a database's name) answer."""

    kafka: str
    database: str


@contextlib.contextmanager
def locked(places: Places, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Be the only one who starts or stops things in this folder. Blocks up to `patience` seconds, then raises `Busy`.

    The lock is the kernel's and dies with its holder, so an interrupted command leaves none behind.
    """
    places.make()
    with places.lock.open("w") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"another command has been working in {places.folder} for {patience:.0f} s",
                        advice="wait for it, or end it, then run this again",
                    ) from None
                time.sleep(0.1)
        yield


class Cluster:
    """Kafka and PostgreSQL of one folder, to be started, stopped and killed apart or together."""

    def __init__(
        self,
        folder: Path,
        brokers: int = 1,
        *,
        kafka_port: int | None = None,
        database_port: int | None = None,
        say: Say = say_to_stderr,
    ) -> None:
        """`folder` keeps all of it; ports are wishes for the first start, any free one by default."""
        self.places = Places(folder.resolve())
        self.kafka = Kafka(self.places, brokers, port=kafka_port, say=say)
        self.postgres = Postgres(self.places, port=database_port, say=say)

    @property
    def kafka_address(self) -> str:
        """Bootstrap servers; empty before the first start."""
        return self.kafka.address

    @property
    def database_url(self) -> str:
        """The server's URL with user and password, without a database's name; empty before the first start."""
        return self.postgres.url

    def start(self) -> Addresses:
        """Start what does not run, data kept, and wait for both. Raises `LocalError`. Blocks for seconds."""
        with locked(self.places):
            self.kafka.start()
            self.postgres.start()
        return Addresses(self.kafka_address, self.database_url)

    def stop(self) -> None:
        """Stop both cleanly, data kept. Blocks."""
        with locked(self.places):
            self.kafka.stop()
            self.postgres.stop()

    def reset(self) -> None:
        """Stop both and remove their data. Blocks."""
        with locked(self.places):
            self.kafka.reset()
            self.postgres.reset()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, data kept."""
        self.stop()


def ensure(
    folder: Path, *, say: Say = say_to_stderr, environment: Mapping[str, str] = os.environ
) -> Addresses:
    """The addresses of `folder`'s broker and database, starting what is not alive. Raises `LocalError`. May block for minutes the first time.

    Where `BROBYG_KAFKA` or `BROBYG_DATABASE` is set, that one is used and none of its kind is started. Safe to call from many processes at once.
    """
    kafka, database = environment.get("BROBYG_KAFKA"), environment.get("BROBYG_DATABASE")
    if kafka and database:
        return Addresses(kafka, database)
    cluster = Cluster(folder, say=say)
    with locked(cluster.places):
        if not kafka:
            cluster.kafka.start()
        if not database:
            cluster.postgres.start()
    return Addresses(kafka or cluster.kafka_address, database or cluster.database_url)


def stop(folder: Path) -> None:
    """Stop what `ensure` started in `folder`, data kept. Blocks."""
    Cluster(folder).stop()


def reset(folder: Path) -> None:
    """Stop it and remove its data. Blocks."""
    Cluster(folder).reset()
