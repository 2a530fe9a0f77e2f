"""The broker and the database of one folder: what is kept, what heals, what is said."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from brobyg_local.cluster import Addresses, Cluster, ensure
from brobyg_local.ports import is_free
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, to be stopped, killed and broken."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start()
        yield made
    finally:
        made.reset()


def new_topic(address: str, replicas: int = 1) -> str:
    name = f"test.{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": address})
    for answer in admin.create_topics([NewTopic(name, 3, replicas)]).values():
        answer.result(20)
    return name


def send(address: str, topic: str, values: list[bytes]) -> set[bytes]:
    """Send and return what was acknowledged."""
    acknowledged: set[bytes] = set()

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is None:
            acknowledged.add(message.value() or b"")

    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "acks": "all"})
    for value in values:
        producer.produce(topic, value, on_delivery=on_delivery)
    producer.flush(30)
    return acknowledged


def read(address: str, topic: str, count: int) -> set[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
    found: set[bytes] = set()
    try:
        while len(found) < count:
            messages = consumer.consume(count, timeout=20)
            if not messages:
                break
            found |= {message.value() or b"" for message in messages if message.error() is None}
    finally:
        consumer.close()
    return found


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
    topic = new_topic(cluster.kafka_address)
    assert send(cluster.kafka_address, topic, VALUES) == set(VALUES)
    query(cluster.database_url, "create table kept (value int)", "insert into kept values (42)")
    cluster.stop()
    assert not cluster.kafka.is_running()
    assert not cluster.postgres.is_running()
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
    cluster.kafka.kill()
    cluster.postgres.kill()
    assert not cluster.kafka.is_ready()
    assert not cluster.postgres.is_ready()
    assert cluster.start() == addresses
    assert acknowledged == set(VALUES)
    assert read(addresses.kafka, topic, len(acknowledged)) == acknowledged
    assert query(addresses.database, "select value from committed") == 7


def test_starting_what_runs_changes_nothing(cluster: Cluster) -> None:
    addresses = cluster.start()
    before = cluster.kafka.pids() + cluster.postgres.pids()
    assert cluster.start() == addresses
    assert cluster.kafka.pids() + cluster.postgres.pids() == before


def test_topics_are_not_created_by_being_asked_for(cluster: Cluster) -> None:
    cluster.start()
    name = f"test.{uuid.uuid4().hex}"
    metadata = AdminClient({"bootstrap.servers": cluster.kafka_address}).list_topics(
        name, timeout=10
    )
    assert metadata.topics[name].error is not None
    assert (
        name
        not in AdminClient({"bootstrap.servers": cluster.kafka_address})
        .list_topics(timeout=10)
        .topics
    )


def test_a_process_whose_pid_file_was_never_written_is_found_again(cluster: Cluster) -> None:
    cluster.start()
    before = cluster.kafka.pids() + cluster.postgres.pids()
    for name in ("kafka", "postgres"):
        cluster.places.pid(name).unlink()
    cluster.start()
    assert cluster.kafka.pids() + cluster.postgres.pids() == before


def test_a_pid_that_went_to_another_process_is_not_mistaken_for_ours(cluster: Cluster) -> None:
    cluster.start()
    cluster.postgres.stop()
    cluster.places.pid("postgres").write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))
    assert not cluster.postgres.is_running()
    cluster.postgres.stop()
    assert psutil.pid_exists(os.getpid())
    cluster.start()
    assert cluster.postgres.is_ready()


def test_a_start_interrupted_while_making_the_data_folders_heals(tmp_path: Path) -> None:
    broken = Cluster(tmp_path)
    try:
        broken.places.make()
        broken.places.kafka.mkdir()
        (broken.places.kafka / "cluster.json").write_text('{"cluster_id": "hal')
        (broken.places.kafka / "data-1").mkdir()
        (broken.places.kafka / "data-1" / "bootstrap.checkpoint").write_bytes(b"half")
        broken.places.postgres.mkdir()
        (broken.places.postgres / "data").mkdir()
        (broken.places.postgres / "data" / "postgresql.conf").write_text("half")
        (broken.places.local / "postgres.json").write_text("{")
        broken.start()
        assert broken.kafka.is_ready()
        assert broken.postgres.is_ready()
    finally:
        broken.reset()


def test_a_taken_port_is_said_with_its_holder_and_another_is_used(cluster: Cluster) -> None:
    before = cluster.start()
    cluster.stop()
    port = int(before.kafka.rpartition(":")[2])
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print('listening', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"listening\n"
        assert not is_free(port)
        after = cluster.start()
        holder.kill()
    (taken,) = cluster.kafka.taken
    assert taken.wanted == port
    assert taken.holder is not None
    assert taken.holder.pid == holder.pid
    assert f"pid {holder.pid} ({sys.executable}" in str(taken)
    assert after.kafka == f"127.0.0.1:{taken.used}"
    assert after.database == before.database


def test_two_that_want_it_at_once_get_the_same_one(cluster: Cluster) -> None:
    cluster.stop()
    folder = cluster.places.folder
    ask = f"from pathlib import Path; from brobyg_local.cluster import ensure; print(ensure(Path({str(folder)!r}), environment={{}}).kafka)"
    both = [
        subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in both]
    assert answers == [cluster.kafka_address] * 2
    assert ensure(folder, environment={}) == Addresses(cluster.kafka_address, cluster.database_url)


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
    assert cluster.places.local.joinpath("postgres.json").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can keep PostgreSQL's user out of a folder"
)
def test_a_folder_that_only_root_enters_is_no_obstacle(tmp_path: Path) -> None:
    said: list[str] = []
    tmp_path.chmod(0o700)
    closed = Cluster(tmp_path, say=said.append)
    try:
        closed.postgres.start()
        data = closed.postgres.data
        assert closed.postgres.is_ready()
        assert data is not None
        assert data.is_relative_to("/var/tmp")
        assert any("/var/tmp/brobyg-" in text for text in said)
    finally:
        closed.postgres.reset()
    assert not data.parent.exists()


def test_three_brokers_go_on_without_one_and_take_it_back(tmp_path: Path) -> None:
    three = Cluster(tmp_path, brokers=3)
    try:
        three.kafka.start()
        topic = new_topic(three.kafka_address, replicas=3)
        assert send(three.kafka_address, topic, VALUES[:1000]) == set(VALUES[:1000])
        three.kafka.kill(broker=1)
        assert send(three.kafka_address, topic, VALUES[1000:]) == set(VALUES[1000:])
        three.kafka.start()
        assert read(three.kafka_address, topic, len(VALUES)) == set(VALUES)
        assert len(Cluster(tmp_path).kafka.pids()) == 3
    finally:
        three.kafka.reset()
