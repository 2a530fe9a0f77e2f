"""The one fixture every test gets its broker and its database from: a real one of each.

Addresses in the environment are used as they are; else testcontainers where a Docker engine answers; else `deploy/local`.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from brobyg_kit import kafka as clients
from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, eventually, free_port, fresh_database, served
from brobyg_kit.topics import apply_topics, load_topics

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the real parts are."""

    kafka: str
    database: str


@pytest.fixture(scope="session")
def addresses() -> Iterator[Addresses]:
    """A real broker and a real database, for the whole run."""
    kafka, database = os.environ.get("BROBYG_KAFKA"), os.environ.get("BROBYG_DATABASE")
    if kafka and database:
        yield Addresses(kafka, database)
    elif _docker_answers():
        yield from _containers()
    else:
        from brobyg_local import cluster

        folder = ROOT / "var" / "test"
        started = cluster.ensure(folder)
        yield Addresses(started.kafka, started.database)
        cluster.stop(folder)


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return (
        subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode
        == 0
    )


def _containers() -> Iterator[Addresses]:
    """The same images as docker-compose.yml, by testcontainers. The broker must know its address beforehand, so its port is chosen here."""
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
        .with_envs(POSTGRES_PASSWORD="brobyg")  # noqa: S106 - a database that lives as long as the tests
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


@pytest.fixture
async def topics(kafka: str) -> str:
    """The system's topics, empty: those of an earlier test are deleted first. Gives the bootstrap servers."""
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
    return kafka


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands on Monday 30 November 2026, 08:00 UTC, until the test moves it."""
    return ManualClock(datetime(2026, 11, 30, 8, 0, tzinfo=UTC))


@pytest.fixture
def database_for(
    postgres: str, clock: ManualClock
) -> Callable[[Service], AbstractAsyncContextManager[Database]]:
    """`async with database_for(SERVICE) as database`: the service's own database, new and migrated."""
    return lambda service: fresh_database(postgres, service, clock)


@pytest.fixture
def serve(postgres: str, kafka: str) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """`async with serve(SERVICE, clock=…, role="run", setting=value) as running`: the service on real parts in this process."""
    return partial(_served, postgres, kafka)


def _served(
    postgres: str, kafka: str, service: Service, **options: object
) -> AbstractAsyncContextManager[Running]:
    return served(service, postgres, kafka, **options)  # type: ignore[arg-type]  # options are checked by `served` itself
