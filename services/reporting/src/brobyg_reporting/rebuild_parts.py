"""Puts a rebuild together, without what only the running service needs."""

from collections.abc import Sequence
from functools import partial

from brobyg_reporting.adapters.processes import WorkerProcesses
from brobyg_reporting.adapters.topics import reading
from brobyg_reporting.adapters.versions import opened
from brobyg_reporting.handlers import TOPICS
from brobyg_reporting.ports import RebuildPorts


def rebuild_ports(kafka: str, database: str, topics: Sequence[str] = TOPICS) -> RebuildPorts:
    """What a rebuild works with: broker address, database address, topics that are read whole."""
    return RebuildPorts(
        partial(opened, database), partial(reading, kafka, topics), WorkerProcesses(kafka, database)
    )
