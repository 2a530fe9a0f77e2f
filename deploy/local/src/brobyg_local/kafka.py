"""Apache Kafka in KRaft mode from its published jars: one broker, or three.

Each node is broker and controller at once, on ports and data of its own. What was acknowledged
survives kill -9: it is in the kernel's page cache. After a kill the port answers again as soon as
the broker's old session has timed out (3 s).
"""

import asyncio
import base64
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from .errors import ComponentFailed
from .jars import class_path
from .ports import Ports, is_answering
from .state import StateFolder, write_atomically
from .supervisor import Program
from .tools import Say, find_java

LOG_CONFIGURATION = Path(__file__).parent / "files" / "log4j2.properties"
JAVA_OPTIONS = (
    "-Xmx512m -Xms128m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true"
)


class Kafka:
    """The brokers of one state folder: what to run, and whether they are ready."""

    #: Seconds to wait for it; 3 is usual, more on a busy machine or after a kill.
    start_timeout = 90.0

    def __init__(self, folder: StateFolder, ports: Ports, brokers: int, say: Say) -> None:
        """`brokers` is 1 or 3, the same until the folder is reset."""
        self.names = ["kafka"] if brokers == 1 else [f"kafka-{n}" for n in range(1, brokers + 1)]
        self._folder = folder
        self._ports = ports
        self._say = say

    @property
    def address(self) -> str:
        """The bootstrap servers, `127.0.0.1:port[,...]`; empty before the first start."""
        ports = [self._ports.of(name) for name in self.names]
        return ",".join(f"127.0.0.1:{port}" for port in ports) if all(ports) else ""

    @property
    def identity(self) -> str:
        """What tells this cluster from the one before a reset; empty before the first start."""
        path = self._data(self.names[0]) / "meta.properties"
        return path.read_text() if path.exists() else ""

    def is_ready(self) -> bool:
        """Whether the brokers answer, know each other and have a controller. Blocks up to 2 s."""
        ports = [self._ports.of(name) for name in self.names]
        if not all(port and is_answering(port) for port in ports):
            return False
        return asyncio.run(_knows_brokers(self.address, len(self.names)))

    def prepare(self, down: Sequence[str]) -> list[Program]:
        """The programs of the brokers `down`, with ports and formatted data. Blocks for seconds."""
        java = [str(find_java(self._say)), *JAVA_OPTIONS.split()]
        java += [f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}", "-cp", class_path(self._say)]
        self._folder.kafka.mkdir(parents=True, exist_ok=True)
        for name in down:
            self._ports.choose(name)
        for name in self.names:
            if name in down or self._ports.of(f"{name}-controller") is None:
                self._ports.choose(f"{name}-controller")
        identity = _new_cluster_id()
        programs = []
        for name in down:
            configuration = self._configure(name)
            self._format(name, java, configuration, identity)
            self._say(f"{name}: starting on 127.0.0.1:{self._ports.of(name)}")
            command = [*java, "kafka.Kafka", str(configuration)]
            programs.append(Program(name, command, directory=self._folder.kafka, priority=100))
        return programs

    def _data(self, name: str) -> Path:
        return self._folder.kafka / f"data-{self.names.index(name) + 1}"

    def _configure(self, name: str) -> Path:
        ports = [
            (self._ports.of(one) or 0, self._ports.of(f"{one}-controller") or 0)
            for one in self.names
        ]
        settings = broker_settings(self.names.index(name) + 1, ports, self._data(name))
        path = self._folder.kafka / f"{name}.properties"
        write_atomically(path, "".join(f"{key}={value}\n" for key, value in settings.items()))
        return path

    def _format(self, name: str, java: list[str], configuration: Path, identity: str) -> None:
        """Give the data folder its identity, once; again where that was interrupted."""
        data = self._data(name)
        if (data / "meta.properties").exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        tool = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", identity]
        done = subprocess.run(
            [*tool, "--config", str(configuration)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise ComponentFailed(
                name,
                "its data folder could not be formatted",
                log=(done.stdout + done.stderr).splitlines()[-12:],
                source="the formatting",
                advice="brobyg local reset",
            )


async def _knows_brokers(address: str, count: int) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=2000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        return len(cluster["brokers"]) == count and cluster["controller_id"] >= 0
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


def broker_settings(number: int, ports: Sequence[tuple[int, int]], data: Path) -> dict[str, object]:
    """The configuration of node `number` (from 1) of as many as there are `ports`.

    Ports are (client, controller). docker-compose.yml has the same settings.
    """
    client, controller = ports[number - 1]
    copies = len(ports)
    return {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": ",".join(
            f"{node}@127.0.0.1:{port}" for node, (_, port) in enumerate(ports, start=1)
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": 1 if copies == 1 else 2,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": 1 if copies == 1 else 2,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": 1 if copies == 1 else 2,
        # A killed broker's port stays closed until its old session has ended; the default is 9 s.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 1000,
        # Consumers join one by one on one machine; waiting 3 s for more would slow every start.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # Nobody needs to see, twice a second, that the controller's log still moves.
        "metadata.max.idle.interval.ms": 5000,
        # The defaults are for a machine of its own: the cleaner alone reserves 128 MiB.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.cleaner.threads": 1,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        "log.index.size.max.bytes": 1024 * 1024,
    }


def _new_cluster_id() -> str:
    """A UUID as Kafka writes one. The first bit is 0: '-' at its start would begin an option."""
    first, *rest = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *rest])).decode().rstrip("=")
