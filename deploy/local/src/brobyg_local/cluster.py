"""A broker and a database together: for the running system, for tests, for fault injection.

    addresses = Cluster(tmp_path, owner=os.getpid()).start()

`ensure` is for callers that only want the addresses and do not care who started it.
"""

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .kafka import Kafka
from .ports import Ports
from .postgres import Postgres
from .state import StateFolder, say_to_stderr
from .supervisor import Supervisor, wait_until
from .tools import Say


@dataclass(frozen=True)
class Addresses:
    """Where the broker (bootstrap servers) and the database (URL without its name) answer."""

    kafka: str
    database: str


class Cluster:
    """Kafka and PostgreSQL of one folder, to be started, stopped and killed apart or together."""

    def __init__(
        self,
        folder: Path,
        *,
        owner: int | None = None,
        durable: bool = True,
        wanted: Mapping[str, int] | None = None,
        say: Say = say_to_stderr,
    ) -> None:
        """`folder` keeps all of it. Everything ends when the process `owner` has ended.

        Without `durable` the database does not sync to disk: faster, for tests. `wanted` are ports
        for the first start, by component; any free one by default.
        """
        self.folder = StateFolder(folder.resolve())
        self.ports = Ports(self.folder, say, wanted or {})
        self.supervisor = Supervisor(self.folder, self.ports, owner)
        self.kafka = Kafka(self.folder, self.ports, say)
        self.postgres = Postgres(self.folder, self.ports, say, durable=durable)

    @property
    def addresses(self) -> Addresses:
        """Both addresses; empty before the first start."""
        return Addresses(self.kafka.address, self.postgres.url)

    def start(self, *, kafka: bool = True, postgres: bool = True) -> Addresses:
        """Start what does not run, data kept, and wait for it. Blocks for seconds.

        Raises `LocalError`.
        """
        stores: list[Kafka | Postgres] = [
            *([self.kafka] if kafka else []),
            *([self.postgres] if postgres else []),
        ]
        with self.folder.locked():
            self.supervisor.end_orphans()
            states = self.supervisor.states()
            down = [one for one in stores if not states[one.name].running]
            with ThreadPoolExecutor(2) as pool:
                programs = list(pool.map(lambda store: store.prepare(), down))
            if programs:
                self.supervisor.start(self.supervisor.load(programs))
            for store in stores:
                self._await(store)
        return self.addresses

    def _await(self, store: Kafka | Postgres) -> None:
        def is_ready() -> bool:
            if self.supervisor.states()[store.name].failed:
                raise self.supervisor.failure(store.name)
            return store.is_ready()

        if not wait_until(is_ready, store.start_timeout, every=0.1):
            raise self.supervisor.failure(store.name, store.start_timeout)

    def stop(self) -> None:
        """End everything cleanly, data kept. Blocks."""
        with self.folder.locked():
            self.supervisor.shut_down()

    def reset(self) -> None:
        """End everything and remove the data. Blocks."""
        with self.folder.locked():
            self.supervisor.shut_down()
            shutil.rmtree(self.folder.kafka, ignore_errors=True)
            self.postgres.remove()


def ensure(
    folder: Path,
    *,
    owner: int | None = None,
    durable: bool = True,
    say: Say = say_to_stderr,
    environment: Mapping[str, str] = os.environ,
) -> Addresses:
    """The addresses of `folder`'s broker and database, starting what does not run.

    Where `BROBYG_KAFKA` or `BROBYG_DATABASE` is set, that one is used and none of its kind is
    started. Many processes may call it at once. `owner` and `durable` are as in `Cluster`. Raises
    `LocalError`. May block for minutes the first time.
    """
    kafka, database = environment.get("BROBYG_KAFKA"), environment.get("BROBYG_DATABASE")
    if kafka and database:
        return Addresses(kafka, database)
    cluster = Cluster(folder, owner=owner, durable=durable, say=say)
    found = cluster.start(kafka=not kafka, postgres=not database)
    return Addresses(kafka or found.kafka, database or found.database)
