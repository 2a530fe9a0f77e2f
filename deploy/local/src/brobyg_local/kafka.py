"""Apache Kafka in KRaft mode from its published jars: one broker, or three for fault tests.

Each node is broker and controller at once, on ports and data of its own. What was acknowledged survives `kill`: it lies in the
kernel's page cache. After a kill the port answers again as soon as the broker's old session has timed out (3 s).
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from .errors import ComponentFailed
from .jars import class_path
from .places import Places, read_json, write_atomically
from .ports import Taken, choose_port, is_answering, is_free
from .processes import Component, tail, wait_until
from .tools import Say, find_java

__all__ = ["Kafka", "broker_settings"]

START_TIMEOUT = 90.0  # seconds; 3 is usual, more on a busy machine or after a kill
HEAP = "512m"
LOG_CONFIGURATION = Path(__file__).parent / "files" / "log4j2.properties"


class Kafka:
    """The brokers of one state folder. Not thread-safe; across processes `Cluster` holds the folder's lock."""

    def __init__(
        self, places: Places, brokers: int = 1, *, port: int | None = None, say: Say
    ) -> None:
        """`brokers` is 1 or 3 (a folder keeps the number it began with until reset); `port` is the first broker's wish."""
        if brokers not in (1, 3):
            raise ValueError("one broker or three")
        self.places = places
        self.taken: list[Taken] = []
        self._say = say
        self._wish = port
        self._state_file = places.kafka / "cluster.json"
        self.brokers = self._kept_brokers() or brokers

    @property
    def address(self) -> str:
        """The bootstrap servers, `127.0.0.1:port[,...]`; empty before the first start."""
        return ",".join(f"127.0.0.1:{port}" for port, _ in self._ports())

    @property
    def identity(self) -> str:
        """The cluster's id, another after each reset; empty before the first start."""
        return str(read_json(self._state_file).get("cluster_id", ""))

    def is_running(self) -> bool:
        """Whether every broker's process is there."""
        return all(self._component(number).find() is not None for number in self._numbers())

    def is_ready(self) -> bool:
        """Whether the brokers answer, know each other and have a controller. Blocks for at most 2 s."""
        ports = self._ports()
        if not ports or not all(is_answering(port) for port, _ in ports):
            return False
        try:
            metadata = AdminClient(
                {"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2000}
            ).list_topics(timeout=2)
        except KafkaException:
            return False
        return len(metadata.brokers) == self.brokers and metadata.controller_id >= 0

    def start(self) -> None:
        """Bring up whatever is not up, with the data kept, and wait until all answer. Raises `ComponentFailed`. Blocks for seconds."""
        down = [number for number in self._numbers() if self._component(number).find() is None]
        if down:
            self._launch(down)
        if (
            not wait_until(
                lambda: self.is_ready() or self._fallen() is not None, START_TIMEOUT, every=0.1
            )
            or self._fallen() is not None
        ):
            self._explain_failure()

    def stop(self) -> None:
        """End every broker cleanly (20 s each at most, then kill), data kept. Blocks."""
        components = [self._component(number) for number in self._numbers()]
        for component in components:
            if (process := component.find()) is not None:
                process.terminate()  # all at once: the last controller can't end cleanly while it looks for a quorum
        for component in components:
            component.stop()

    def kill(self, broker: int | None = None) -> None:
        """End with kill -9 every broker, or only number `broker` (from 1). Blocks until gone."""
        for number in self._numbers() if broker is None else [broker]:
            self._component(number).kill()

    def pids(self) -> list[int]:
        """Pids of the running brokers."""
        found = (self._component(number).find() for number in self._numbers())
        return [process.pid for process in found if process is not None]

    def reset(self) -> None:
        """Stop and remove all data."""
        self.stop()
        shutil.rmtree(self.places.kafka, ignore_errors=True)

    def _numbers(self) -> Iterable[int]:
        return range(1, self.brokers + 1)

    def _component(self, number: int) -> Component:
        return Component(self.places, "kafka" if self.brokers == 1 else f"kafka-{number}")

    def _kept_brokers(self) -> int | None:
        kept = read_json(self._state_file).get("ports")
        return len(kept) if isinstance(kept, list) and kept else None

    def _ports(self) -> list[tuple[int, int]]:
        """Each broker's client and controller port, as kept from its first start."""
        kept = read_json(self._state_file).get("ports")
        if not isinstance(kept, list):
            return []
        return [(int(client), int(controller)) for client, controller in kept]

    def _launch(self, down: list[int]) -> None:
        java = find_java(self._say)
        jars = class_path(self._say)
        self.places.make()
        self.places.kafka.mkdir(parents=True, exist_ok=True)
        self._settle_ports(down)
        for number in down:
            self._configure(number)
            self._format(number, java, jars)
        for number in down:
            self._say(
                f"Kafka: starting broker {number} on 127.0.0.1:{self._ports()[number - 1][0]}"
            )
            self._component(number).spawn(
                self._command(number, java, jars, "kafka.Kafka"),
                log=self.places.log(f"{self._component(number).name}.out"),
            )

    def _settle_ports(self, down: list[int]) -> None:
        """Keep the ports of the last start, so that an address handed out stays true; choose anew those that others hold by now."""
        kept = read_json(self._state_file)
        ports = self._ports() or [(0, 0)] * self.brokers
        self.taken.clear()
        for number in down:
            client, controller = ports[number - 1]
            client_wish = client or (self._wish if number == 1 else None)
            new_client, taken = choose_port(client_wish)
            if taken is not None:
                self.taken.append(taken)
                self._say(f"Kafka: {taken}")
            ports[number - 1] = (
                new_client,
                controller if controller and is_free(controller) else choose_port(None)[0],
            )
        identity = kept.get("cluster_id") or _new_cluster_id()
        write_atomically(self._state_file, json.dumps({"cluster_id": identity, "ports": ports}))

    def _data(self, number: int) -> Path:
        return self.places.kafka / f"data-{number}"

    def _configuration(self, number: int) -> Path:
        return self.places.kafka / f"server-{number}.properties"

    def _configure(self, number: int) -> None:
        settings = broker_settings(number, self._ports(), self._data(number))
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        write_atomically(self._configuration(number), text)

    def _format(self, number: int, java: Path, jars: str) -> None:
        """Give the data folder its identity, once. An interrupted formatting is done again: there is no data yet."""
        if (self._data(number) / "meta.properties").exists():
            return
        identity = str(read_json(self._state_file)["cluster_id"])
        shutil.rmtree(self._data(number), ignore_errors=True)
        arguments = [
            "format",
            "--cluster-id",
            identity,
            "--config",
            str(self._configuration(number)),
        ]
        command = [*self._command(number, java, jars, "kafka.tools.StorageTool")[:-1], *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if answer.returncode != 0:
            lines = (answer.stdout + answer.stderr).splitlines()[-12:]
            raise ComponentFailed(
                f"kafka {number}",
                "its data folder could not be formatted",
                log=lines,
                log_path="the formatting",
                advice="brobyg local reset",
            )

    def _command(self, number: int, java: Path, jars: str, main: str) -> list[str]:
        name = self._component(number).name
        options = [
            f"-Xmx{HEAP}",
            "-Xms128m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
        ]
        logging = [
            f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}",
            f"-Dbrobyg.log={self.places.log(name)}",
        ]
        return [str(java), *options, *logging, "-cp", jars, main, str(self._configuration(number))]

    def _fallen(self) -> int | None:
        """The number of a broker whose process is gone, if any."""
        return next(
            (number for number in self._numbers() if self._component(number).find() is None), None
        )

    def _explain_failure(self) -> None:
        """Raise `ComponentFailed` saying which broker, why as far as its log tells, and what to do."""
        fallen = self._fallen()
        name = self._component(fallen or 1).name
        log = self.places.log(name)
        lines = tail(log) + tail(self.places.log(f"{name}.out"), 5)
        text = "\n".join(lines)
        if "Address already in use" in text:
            cause, advice = (
                "its port was taken while it started",
                "run the same command again: it chooses another port",
            )
        elif "OutOfMemory" in text or "Cannot allocate memory" in text:
            cause, advice = (
                f"there was too little memory ({HEAP} of heap is needed)",
                "end something else, then run the same command again",
            )
        elif "No space left" in text:
            cause, advice = "the disk is full", f"make room on the disk of {self.places.kafka}"
        elif fallen is None:
            cause, advice = (
                f"it did not answer within {START_TIMEOUT:.0f} s",
                f"read {log}; the machine may be very busy: run the same command again",
            )
        else:
            cause, advice = (
                "its process ended",
                f"read {log}; brobyg local reset starts from nothing (and removes what was there)",
            )
        raise ComponentFailed(name, cause, log=lines, log_path=str(log), advice=advice)


def broker_settings(number: int, ports: Sequence[tuple[int, int]], data: Path) -> dict[str, object]:
    """The configuration of node `number` (from 1) of as many as there are `ports` (client, controller). docker-compose.yml has the same."""
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
        # Consumers join one by one on one machine; waiting 3 s for more of them would only slow every start.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # With one or three nodes nobody needs to see, twice a second, that the controller's log still moves.
        "metadata.max.idle.interval.ms": 5000,
        # Modest memory and few threads: the defaults are for a machine of its own (the cleaner alone reserves 128 MiB).
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.cleaner.threads": 1,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        "log.index.size.max.bytes": 1024 * 1024,
    }


def _new_cluster_id() -> str:
    """A UUID as Kafka writes one. The first bit is cleared: an id that began with '-' would be taken for an option."""
    first, *rest = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *rest])).decode().rstrip("=")
