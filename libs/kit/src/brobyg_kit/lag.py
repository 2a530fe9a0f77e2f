"""What a consumer has yet to handle in its partitions: from the committed offset to the end."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from brobyg_kit.backoff import Backoff
from brobyg_kit.health import Heartbeat
from brobyg_kit.kafka import Reader
from brobyg_kit.logs import get_logger
from brobyg_kit.metrics import Metrics
from brobyg_kit.subscribers import Lane

log = get_logger(__name__)

#: Records may wait this long without one being handled, seconds of wall time, before the process
#: is not ready.
STALL_LIMIT = 120.0
#: How often it is measured, seconds of wall time.
EVERY = 2.0


class Lag:
    """One consumer's part of its group's lag, kept in the gauge `consumer_lag`.

    It is measured by asking the broker, so it also tells whether one answers.
    """

    def __init__(
        self, topics: Sequence[str], lanes: Sequence[Lane], reader: Reader, metrics: Metrics
    ) -> None:
        """Nothing is measured yet, and the gauge has no value."""
        self._topics, self._lanes, self._reader = topics, lanes, reader
        self._gauge = metrics.consumer_lag
        self._answered = False
        #: When nothing was left to handle, by the monotonic clock.
        self._idle_at = 0.0
        self.heartbeat = Heartbeat("lag", trouble="")
        #: Whether a broker answered when it was last asked.
        self.reachable = True

    async def run(self) -> None:
        """Measure until cancelled; while no broker answers, after growing pauses."""
        backoff = Backoff(first=1.0)
        while True:
            await self.measure()
            if self.reachable:
                await asyncio.sleep(EVERY)
                continue
            pause = backoff.next()
            if self._answered:  # else the consumer logs it when it connects
                log.warning("consumer.no_broker", retry_seconds=pause)
            await asyncio.sleep(pause)

    async def measure(self) -> None:
        """Set the gauge. Out of its group a consumer has no lag, and the gauge no value.

        Takes up to `kafka.REQUEST_TIMEOUT`.
        """
        assigned = [one for lane in self._lanes for one in lane.assigned or ()]
        try:
            marks = await self._reader.watermarks(assigned)
        except (KafkaError, TimeoutError):
            self.reachable = False
            self.heartbeat.struggle("no broker answers")
            return
        self.reachable = self._answered = True
        records, now = self._set(marks), time.monotonic()
        if not records:
            self._idle_at = now
        waited = now - max(self._idle_at, *(lane.moved_at for lane in self._lanes))
        if waited > STALL_LIMIT:
            self.heartbeat.struggle(f"{records} records wait, none handled for {waited:.0f} s")
        else:
            self.heartbeat.beat()

    def _set(self, marks: dict[TopicPartition, tuple[int, int]]) -> int:
        """Set the gauge by topic; how many records wait in all."""
        if all(lane.assigned is None for lane in self._lanes):
            self._gauge.clear()
            return 0
        lag: Counter[str] = Counter(dict.fromkeys(self._topics, 0))
        for lane in self._lanes:
            for one in lane.assigned or ():
                if one in marks and one in lane.committed:
                    first, end = marks[one]
                    lag[one.topic] += max(0, end - max(first, lane.committed[one]))
        for topic, records in lag.items():
            self._gauge.labels(topic).set(records)
        return lag.total()
