"""In an outage of the broker: ours after growing pauses, few of the libraries', all JSON."""

import io
import json
import logging
from collections import Counter
from datetime import datetime

from brobyg_kit import logs
from brobyg_kit.consumer import Consumer, Subscription
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.relay import Relay
from brobyg_kit.testing import eventually
from delivery_parts import Parts, going, record


async def test_without_a_broker_a_process_tells_so_with_growing_pauses_and_little_else(
    parts: Parts, written: io.StringIO
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    subscription = Subscription("test", [parts.topic], record)
    consumer = Consumer(
        nowhere, parts.database, subscription, Metrics(), Heartbeat("consumer"), lanes=2
    )
    relay = Relay(parts.database.url, nowhere, "test", Metrics(), Heartbeat("relay"))

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in written.getvalue().splitlines()]

    def pauses(event: str) -> list[object]:
        return [line["retry_seconds"] for line in lines() if line["event"] == event]

    async def tried() -> bool:
        return len(pauses("consumer.connect_failed")) > 3 and len(pauses("relay.interrupted")) > 3

    async with going(relay, consumer):
        await eventually(tried, "both have tried for some times")
    for event in ("consumer.connect_failed", "relay.interrupted"):
        assert pauses(event)[:4] == [0.1, 0.2, 0.4, 0.8]
        told_at = [
            datetime.fromisoformat(str(line["timestamp"]))
            for line in lines()
            if line["event"] == event
        ]
        for pause, before, after in zip(pauses(event), told_at, told_at[1:], strict=False):
            assert (after - before).total_seconds() >= float(str(pause))
    libraries = [line for line in lines() if not str(line["logger"]).startswith("brobyg_kit.")]
    assert len(libraries) < 5
    told = Counter(str(line["event"]) for line in lines() if line not in libraries)
    assert set(told) <= {"consumer.connect_failed", "relay.interrupted"}


def test_a_line_of_the_libraries_is_written_once_a_minute_and_ours_always() -> None:
    limited = logs.LimitedLogs()

    def line(name: str, level: int, text: str) -> bool:
        return limited.filter(logging.LogRecord(name, level, "", 0, text, (1,), None))

    assert not line("aiokafka.consumer", logging.INFO, "joined %s")
    assert [line("aiokafka.conn", logging.ERROR, "no %s") for _ in range(3)] == [True, False, False]
    assert line("aiokafka.conn", logging.ERROR, "another %s")
    assert all(line("brobyg_kit.relay", logging.INFO, "sent %s") for _ in range(3))
