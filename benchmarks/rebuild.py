"""rebuild: all of reporting made anew from the topics, against a bare read of the same topics.

Ours: `use_cases.rebuild` from its start to the switched views: starting the workers, reading,
folding, event log, indexes and switch, in as many processes as it takes by itself. There is no
version before it, so there is nothing to compare with (`brobyg reporting verify` does that).
Bare: aiokafka's `getmany` of everything, nothing decoded and nothing kept.
"""

import random
import time

from brobyg_kit.event import encode
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.handlers import TOPICS
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.testing import interleave, make_history
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

from benchmarks import bare, ground
from benchmarks.ground import Ground
from benchmarks.records import load
from benchmarks.results import BenchmarkResult, Goal, Say, in_turns

GOAL = Goal("rebuild", 0.25, "a bare aiokafka read of the same topics")
_NUMBER = 300_000
_EVENTS_A_REFERRAL = 15


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    topics = [ground.unique(topic.split(".")[1]) for topic in TOPICS]
    request = RebuildRequest()
    async with ground.topics(on.kafka, topics):
        say("rebuild: writing the history", 0, 1)
        number = await _write(on, dict(zip(TOPICS, topics, strict=True)))

        async def ours() -> float:
            async with ground.database(on.database, SERVICE.name, SERVICE) as database:
                ports = rebuild_ports(on.kafka, database.url, topics)
                outcome = await rebuild(ports, request, lambda *_: None)
            if outcome.events != number or outcome.skipped or not outcome.switched:
                raise AssertionError(f"expected {number} events, switched: {outcome}")
            return number / outcome.seconds

        async def theirs() -> float:
            return await bare.read_whole(on.kafka, topics, number)

        value, base = await in_turns(GOAL.name, on.rounds, on.seed, ours, theirs, say)
    how = (
        f"{number} events in three topics of 12 partitions, uncompressed,"
        f" {request.processes} processes, medians of {on.rounds} rounds in turns, seed {on.seed}"
    )
    return GOAL.result(value, base, how)


async def _write(on: Ground, names: dict[str, str]) -> int:
    """Put a made-up history on the topics, in an order that keeps each key's; how many events."""
    began, written = time.monotonic(), 0
    chance = random.Random(on.seed)
    number = on.sized(_NUMBER)
    while written < number:
        history = make_history(chance, min(2_000, -(-(number - written) // _EVENTS_A_REFERRAL)))
        by_topic: dict[str, list[tuple[str, bytes]]] = {}
        for topic, event in interleave(chance, history):
            by_topic.setdefault(names[topic], []).append((event.subject, encode(event)))
        for topic, records in by_topic.items():
            written += await load(on.kafka, topic, records)
        if time.monotonic() - began > 300:
            raise TimeoutError(f"only {written} of {number} events were written in five minutes")
    return written
