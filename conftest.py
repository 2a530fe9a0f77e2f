"""The broker and the database of all tests: one real Kafka and one real PostgreSQL a run.

Addresses in the environment are used as they are; else testcontainers where a Docker engine
answers; else `deploy/local`. The process that reports the results starts them once and ends them;
it tells its workers the addresses.
"""

import io
import logging
import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
import httpcore2
import pytest
import structlog
from brobyg_kit import kafka as clients
from brobyg_kit import logs
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.free_ports import free_port
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, eventually, fresh_database, served
from brobyg_kit.topics import apply_topics, load_topics

if TYPE_CHECKING:
    from brobyg_local.keycloak import Keycloak
    from brobyg_local.light_provider import LightProvider

pytest_plugins = ["tests.kinds"]

#: Each client of HTTP reads the machine's certificates, which takes longer than many a test. None
#: of them is used here, so once a process will do.
httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)

ROOT = Path(__file__).parent
#: No test kills the run's own database, so nothing of it has to survive a crash.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the real parts are."""

    kafka: str
    database: str


_ADDRESSES = pytest.StashKey[Addresses]()


class Worker(Protocol):
    """A worker of pytest-xdist, seen from the process that starts it."""

    config: pytest.Config
    #: What the worker finds in its own `config.workerinput`.
    workerinput: dict[str, Any]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give every worker the same seed, and let SIGTERM end a run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given: dict[str, str] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.option.hypothesis_seed = given["hypothesis_seed"]
        config.stash[_ADDRESSES] = Addresses(given["kafka"], given["database"])
        return
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().getrandbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    """The option that repeats this run's random examples."""
    return f"hypothesis: --hypothesis-seed={config.option.hypothesis_seed}"


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: most tests wait for a broker, a database or another process."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Worker) -> None:
    """Start the real parts before the first worker, and tell each worker where they are."""
    node.workerinput |= asdict(real_parts(node.config))
    node.workerinput["hypothesis_seed"] = node.config.option.hypothesis_seed


def real_parts(config: pytest.Config) -> Addresses:
    """The run's broker and database, started at the first call and ended with the run.

    Blocks for seconds.
    """
    if _ADDRESSES not in config.stash:
        started = ExitStack()
        config.add_cleanup(started.close)
        config.stash[_ADDRESSES] = started.enter_context(_start())
    return config.stash[_ADDRESSES]


@contextmanager
def _start() -> Iterator[Addresses]:
    kafka, database = os.environ.get("BROBYG_KAFKA"), os.environ.get("BROBYG_DATABASE")
    if kafka and database:
        yield Addresses(kafka, database)
    elif _docker_answers():
        yield from _containers()
    else:
        from brobyg_local.cluster import Cluster, ensure

        folder = ROOT / "var" / "test"
        try:
            started = ensure(folder, owner=os.getpid(), durable=False)
            yield Addresses(started.kafka, started.database)
        finally:
            Cluster(folder).stop()


@pytest.fixture(scope="session")
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """A real broker and a real database, for the whole run."""
    return real_parts(request.config)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """This process's logs during the test, as a service writes them.

    Another test of the same process may have sent them elsewhere before.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("test", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return (
        subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode
        == 0
    )


def _containers() -> Iterator[Addresses]:
    """The same images as docker-compose.yml, by testcontainers.

    The broker must know its own address beforehand, so its port is chosen here.
    """
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    port = free_port()
    broker = (
        DockerContainer("apache/kafka:4.3.0")
        .with_bind_ports(9092, port)
        .with_envs(**_broker_settings(port))
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    postgres = (
        DockerContainer("postgres:17.6-bookworm")
        .with_exposed_ports(5432)
        .with_envs(POSTGRES_PASSWORD="brobyg")  # noqa: S106 - it lives as long as the run
        .with_command(f"postgres {' '.join(f'-c {setting}' for setting in NOT_DURABLE)}")
        .waiting_for(LogMessageWaitStrategy("PostgreSQL init process complete"))
    )
    with broker, postgres:
        server = f"{postgres.get_container_host_ip()}:{postgres.get_exposed_port(5432)}"
        yield Addresses(f"127.0.0.1:{port}", f"postgresql://postgres:brobyg@{server}")


def _broker_settings(port: int) -> dict[str, str]:
    """As deploy/local sets its one broker; `apache/kafka` takes settings as KAFKA_<NAME>."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    }


@pytest.fixture(scope="session")
def kafka(addresses: Addresses) -> str:
    """Bootstrap servers of the real broker."""
    return addresses.kafka


@pytest.fixture(scope="session")
def postgres(addresses: Addresses) -> str:
    """The real PostgreSQL server, as an address without a database name."""
    return addresses.database


@pytest.fixture(scope="session")
def light_provider(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LightProvider]":
    """The demo's provider of sign-ins, this worker's own: `issuer`, and users of sign-ins.toml."""
    from brobyg_local.light_provider import LightProvider
    from brobyg_local.providers import provided

    with provided(LightProvider, tmp_path_factory.mktemp("light-provider"), os.getpid()) as one:
        yield one


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Keycloak]":
    """A real Keycloak, this worker's own: `issuer`, `address`, and the users of sign-ins.toml.

    It has half a gigabyte: one file of tests uses it.
    """
    from brobyg_local.keycloak import Keycloak
    from brobyg_local.providers import provided

    with provided(Keycloak, tmp_path_factory.mktemp("keycloak"), os.getpid()) as one:
        yield one


#: Held by the test that uses the system's own topics.
_TOPICS_LOCK = 0x746F7069


@pytest.fixture
async def topics(kafka: str, postgres: str) -> AsyncIterator[str]:
    """The bootstrap servers, with the system's topics empty: those of an earlier test are deleted.

    One test at a time has them, whichever worker it runs on; the others wait.
    """
    connection = await asyncpg.connect(f"{postgres}/postgres")
    try:
        await connection.execute(f"select pg_advisory_lock({_TOPICS_LOCK})")
        await _empty_topics(kafka)
        yield kafka
    finally:
        await connection.close()


async def _empty_topics(kafka: str) -> None:
    declared = load_topics(ROOT / "schemas" / "topics")
    names = {topic.name for topic in declared}
    async with clients.admin(kafka) as admin:
        if existing := names & set(await admin.list_topics()):
            await admin.delete_topics(list(existing))

            async def gone() -> bool:
                return not names & set(await admin.list_topics())

            await eventually(gone, "the topics of the last test are gone")
        await apply_topics(kafka, declared)

        async def led() -> bool:
            known = [one for one in await admin.describe_topics() if one["topic"] in names]
            return len(known) == len(names) and all(
                partition["leader"] >= 0 for one in known for partition in one["partitions"]
            )

        await eventually(led, "every partition has a leader")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands on Monday 30 November 2026, 08:00 UTC, until the test moves it."""
    return ManualClock(datetime(2026, 11, 30, 8, 0, tzinfo=UTC))


@pytest.fixture
def database_for(
    postgres: str, clock: ManualClock
) -> Callable[[Service], AbstractAsyncContextManager[Database]]:
    """`async with database_for(SERVICE) as database`: the service's own database, new."""
    return lambda service: fresh_database(postgres, service, clock)


@pytest.fixture
def serve(
    request: pytest.FixtureRequest, postgres: str, kafka: str
) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """`async with serve(SERVICE, clock=…, role="run", setting=value) as running`: the service runs.

    It runs in this process, on the real parts. A test in which the service consumes or relays
    must take `topics` as well: only one test at a time may use the system's topics.
    """
    owns_topics = "topics" in request.fixturenames
    return partial(_served, postgres, kafka, owns_topics=owns_topics)


def _served(
    postgres: str, kafka: str, service: Service, *, owns_topics: bool, **options: object
) -> AbstractAsyncContextManager[Running]:
    if options.get("role", "api") != "api" and not owns_topics:
        raise pytest.UsageError("a service that consumes or relays needs the fixture `topics`")
    return served(service, postgres, kafka, **options)  # type: ignore[arg-type]  # it checks them
