"""The broker and the database of one folder: what is kept, repaired and reported."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from brobyg_kit import kafka
from brobyg_local.cluster import Addresses, Cluster, ensure
from brobyg_local.ports import is_free
from brobyg_local.supervisor import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, to be stopped, killed and broken."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), owner=os.getpid())
    try:
        made.start()
        yield made
    finally:
        made.reset()


@pytest.fixture
def new_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster in `tmp_path`, with options, that is removed at the end."""
    made: list[Cluster] = []

    def make(**options: Any) -> Cluster:
        made.append(Cluster(tmp_path, owner=os.getpid(), **options))
        return made[-1]

    yield make
    made[-1].reset()


def pids(cluster: Cluster) -> dict[str, int]:
    states = cluster.supervisor.states()
    return {name: state.pid for name, state in states.items() if name != "owner" and state.pid}


def new_topic(address: str) -> str:
    name = f"test.{uuid.uuid4().hex}"

    async def create() -> None:
        async with kafka.admin(address) as admin:
            answer = await admin.create_topics([NewTopic(name, 3, 1)])
        assert [one[1] for one in answer.topic_errors] == [0]

    asyncio.run(create())
    return name


def send(address: str, topic: str, values: Sequence[bytes]) -> set[bytes]:
    """Send and return what was acknowledged."""

    async def work() -> set[bytes]:
        async with kafka.batch_producer(address, "test") as producer:
            futures = [await producer.send(topic, value) for value in values]
            results = await asyncio.gather(*futures, return_exceptions=True)
        return {
            value
            for value, result in zip(values, results, strict=True)
            if not isinstance(result, BaseException)
        }

    return asyncio.run(work())


def read(address: str, topic: str, count: int) -> set[bytes]:
    async def work() -> set[bytes]:
        places = [TopicPartition(topic, number) for number in range(3)]
        async with kafka.reader(address) as reader:
            ranges = await kafka.watermarks(reader, places)
            assert sum(end for _, end in ranges.values()) == count
            return {
                record.value or b""
                async for records in kafka.read_range(reader, ranges)
                for record in records
            }

    return asyncio.run(work())


def query(url: str, *statements: str) -> object:
    """Carry out statements in a session of their own; the value of the last."""

    async def run() -> object:
        connection = await asyncpg.connect(f"{url}/postgres", timeout=10)
        try:
            value: object = None
            for statement in statements:
                value = await connection.fetchval(statement)
            return value
        finally:
            await connection.close()

    return asyncio.run(run())


VALUES = [f"record {number}".encode() for number in range(2_000)]


def test_restart_keeps_records_rows_and_addresses(cluster: Cluster) -> None:
    addresses = cluster.start()
    topic = new_topic(addresses.kafka)
    assert send(addresses.kafka, topic, VALUES) == set(VALUES)
    query(addresses.database, "create table kept (value int)", "insert into kept values (42)")
    cluster.stop()
    assert pids(cluster) == {}
    assert cluster.start() == addresses
    assert read(addresses.kafka, topic, len(VALUES)) == set(VALUES)
    assert query(addresses.database, "select value from kept") == 42


def test_kill_9_keeps_every_acknowledged_record_and_committed_row(cluster: Cluster) -> None:
    addresses = cluster.start()
    topic = new_topic(addresses.kafka)
    acknowledged = send(addresses.kafka, topic, VALUES)
    query(
        addresses.database, "create table committed (value int)", "insert into committed values (7)"
    )
    cluster.supervisor.kill("kafka")
    cluster.supervisor.kill("postgres")
    assert not cluster.kafka.is_ready()
    assert not cluster.postgres.is_ready()
    assert cluster.start() == addresses
    assert acknowledged == set(VALUES)
    assert read(addresses.kafka, topic, len(acknowledged)) == acknowledged
    assert query(addresses.database, "select value from committed") == 7


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_a_store_that_ends_by_itself_is_started_again(cluster: Cluster, name: str) -> None:
    cluster.start()
    before = pids(cluster)
    psutil.Process(before[name]).kill()
    assert wait_until(lambda: pids(cluster).get(name) not in {None, before[name]}, 30)
    store = cluster.kafka if name == "kafka" else cluster.postgres
    assert wait_until(store.is_ready, 60)


def test_starting_what_runs_changes_nothing(cluster: Cluster) -> None:
    addresses = cluster.start()
    before = pids(cluster)
    assert cluster.start() == addresses
    assert pids(cluster) == before
    assert set(before) == {"kafka", "postgres"}


def test_topics_are_not_created_by_being_asked_for(cluster: Cluster) -> None:
    addresses = cluster.start()
    name = f"test.{uuid.uuid4().hex}"

    async def ask() -> set[str]:
        async with kafka.admin(addresses.kafka) as admin:
            (asked,) = await admin.describe_topics([name])
            assert asked["error_code"] != 0
            return {one["topic"] for one in await admin.describe_topics()}

    assert name not in asyncio.run(ask())


def test_a_start_interrupted_while_making_the_data_folders_heals(
    new_cluster: Callable[..., Cluster],
) -> None:
    broken = new_cluster()
    data = broken.folder.kafka / "data-1"
    data.mkdir(parents=True)
    (data / "bootstrap.checkpoint").write_bytes(b"half")
    broken.postgres.data.mkdir(parents=True)
    (broken.postgres.data / "postgresql.conf").write_text("half")
    with broken.folder.locked():
        for name in ("ports.json", "postgres.json", "supervisor.json"):
            (broken.folder.local / name).write_text('{"hal')
    broken.start()
    assert broken.kafka.is_ready()
    assert broken.postgres.is_ready()


def test_a_taken_port_is_said_with_its_holder_and_another_is_used(cluster: Cluster) -> None:
    before = cluster.start()
    cluster.stop()
    port = int(before.kafka.rpartition(":")[2])
    listen = (
        f"import socket; s = socket.create_server(('127.0.0.1', {port}));"
        "print('listening', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"listening\n"
        assert not is_free(port)
        after = cluster.start()
        holder.kill()
    (taken,) = cluster.ports.taken
    assert taken["wanted"] == port
    assert str(taken["holder"]).startswith(f"pid {holder.pid} ({sys.executable}")
    assert after.kafka == f"127.0.0.1:{taken['used']}"
    assert after.database == before.database


def test_two_that_want_it_at_once_get_the_same_one(cluster: Cluster) -> None:
    cluster.stop()
    folder = cluster.folder.path
    ask = (
        "from pathlib import Path; from brobyg_local.cluster import ensure;"
        f"print(ensure(Path({str(folder)!r}), environment={{}}).kafka)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in both]
    assert answers == [cluster.kafka.address] * 2
    assert ensure(folder, environment={}) == cluster.addresses


def test_nothing_is_started_where_the_environment_names_a_broker_and_a_database(
    tmp_path: Path,
) -> None:
    given = {
        "BROBYG_KAFKA": "kafka.example.org:9092",
        "BROBYG_DATABASE": "postgresql://db.example.org",
    }
    assert ensure(tmp_path / "unused", environment=given) == Addresses(
        given["BROBYG_KAFKA"], given["BROBYG_DATABASE"]
    )
    assert not (tmp_path / "unused").exists()


def test_the_database_wants_a_password_and_listens_on_this_machine_only(cluster: Cluster) -> None:
    url = cluster.start().database
    host_and_port = url.rpartition("@")[2]
    with pytest.raises(asyncpg.PostgresError, match="password"):
        query(f"postgresql://brobyg:wrong@{host_and_port}", "select 1")
    assert query(url, "show listen_addresses") == "127.0.0.1"
    assert query(url, "show fsync") == "on"
    secret = cluster.folder.local / "postgres.json"
    assert secret.stat().st_mode & 0o077 == 0
    assert json.loads(secret.read_text())["password"] in url


def test_a_database_that_need_not_last_does_not_sync_to_disk(
    new_cluster: Callable[..., Cluster],
) -> None:
    url = new_cluster(durable=False).start(kafka=False).database
    assert query(url, "show fsync") == "off"
    assert query(url, "show full_page_writes") == "off"


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can keep PostgreSQL's user out of a folder"
)
def test_a_folder_that_only_root_enters_is_no_obstacle(
    new_cluster: Callable[..., Cluster], tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    closed = new_cluster()
    closed.start(kafka=False)
    assert closed.postgres.is_ready()
    assert closed.postgres.data.is_relative_to("/var/tmp")
    closed.reset()
    assert not closed.postgres.data.parent.exists()
