"""Apache Kafka in KRaft mode from its published jars: one node, broker and controller at once.

What was acknowledged survives kill -9: it is in the kernel's page cache. After a kill the port
answers again as soon as the broker's old session has timed out (3 s).
"""

import asyncio
import secrets
import shutil
from pathlib import Path

from .jars import class_path
from .ports import Ports, is_answering
from .state import StateFolder, write_atomically
from .supervisor import Program
from .tools import Say, find_java, run

LOG_CONFIGURATION = Path(__file__).parent / "files" / "log4j2.properties"
#: Compiling its code once, not twice, halves the processor time that an idle broker takes.
JAVA_OPTIONS = (
    "-Xmx512m -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError"
    " -Djava.awt.headless=true"
)


class Kafka:
    """The broker of one state folder: what to run, and whether it is ready."""

    name = "kafka"
    #: Seconds to wait for it; 3 is usual, more on a busy machine or after a kill.
    start_timeout = 180.0

    def __init__(self, folder: StateFolder, ports: Ports, say: Say) -> None:
        """Nothing is started."""
        self._folder = folder
        self._ports = ports
        self._say = say
        self._data = folder.kafka / "data-1"

    @property
    def address(self) -> str:
        """The bootstrap server, `127.0.0.1:port`; empty before the first start."""
        port = self._ports.of("kafka")
        return f"127.0.0.1:{port}" if port else ""

    @property
    def identity(self) -> str:
        """What tells this cluster from the one before a reset; empty before the first start."""
        path = self._data / "meta.properties"
        return path.read_text() if path.exists() else ""

    def is_ready(self) -> bool:
        """Whether the broker answers and knows its controller. Blocks for at most 10 s."""
        port = self._ports.of("kafka")
        return bool(port and is_answering(port) and asyncio.run(_has_controller(self.address)))

    def prepare(self) -> Program:
        """Its program, with ports and a formatted data folder. Blocks for seconds."""
        java = [str(find_java(self._say)), *JAVA_OPTIONS.split()]
        java += [f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"]
        java += ["-cp", class_path("kafka", self._say)]
        self._folder.kafka.mkdir(parents=True, exist_ok=True)
        ports = self._ports.choose("kafka"), self._ports.choose("kafka-controller")
        path = self._folder.kafka / "kafka.properties"
        settings = broker_settings(*ports, self._data)
        write_atomically(path, "".join(f"{key}={value}\n" for key, value in settings.items()))
        if not self.identity:
            self._format(java, path)
        self._say(f"kafka: starting on {self.address}")
        command = [*java, "kafka.Kafka", str(path)]
        return Program("kafka", command, directory=self._folder.kafka, priority=100)

    def _format(self, java: list[str], configuration: Path) -> None:
        """Give the data folder its identity, once; again where that was interrupted."""
        shutil.rmtree(self._data, ignore_errors=True)
        # A UUID as Kafka writes one: 16 bytes in base64 for URLs.
        identity = f"--cluster-id={secrets.token_urlsafe(16)}"
        tool = [*java, "kafka.tools.StorageTool", "format"]
        command = [*tool, identity, "--config", str(configuration)]
        run("formatting Kafka's data folder", command, advice="brobyg local reset", timeout=60)


async def _has_controller(address: str) -> bool:
    from aiokafka.errors import KafkaError
    from brobyg_kit import kafka

    try:
        async with kafka.admin(address) as admin:
            return bool((await admin.describe_cluster())["controller_id"] >= 0)
    except (KafkaError, OSError):
        return False


def broker_settings(client: int, controller: int, data: Path) -> dict[str, object]:
    """The broker's configuration, on these two ports. docker-compose.yml has the same settings."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
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
