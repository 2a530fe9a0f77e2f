"""What a consumer has yet to handle: of the partitions it has, the records between what its group has committed and their ends."""

import time
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import TopicPartition

from brobyg_kit.metrics import Metrics

#: Records may wait this long without one being handled, seconds of wall time, before the process is not ready.
STALL_LIMIT = 120.0


class Lag:
    """One consumer's part of its group's lag, kept in the gauge `consumer_lag`."""

    def __init__(self, topics: Sequence[str], metrics: Metrics) -> None:
        """Nothing is known, so the gauge tells nothing."""
        self._topics, self._gauge = topics, metrics.consumer_lag
        self._committed: dict[tuple[str, int], int] = {}
        self._records = 0
        self._moved_at = time.monotonic()
        self._measured_at = 0.0

    def begin(self, committed: Sequence[TopicPartition]) -> None:
        """These partitions were assigned; so far the group has come in them."""
        for one in committed:
            self._committed[one.topic, one.partition] = max(0, one.offset)

    def move(self, committed: Sequence[TopicPartition]) -> None:
        """The group has come this far by a commit of ours; nowhere, if the broker refused it."""
        if committed:
            self.begin(committed)
            self._moved_at = time.monotonic()

    def measure(self, client: KafkaConsumer, *, joined: bool) -> None:
        """Set the gauge from what the client knows already, at most every two seconds; out of its group a consumer knows of none."""
        if time.monotonic() - self._measured_at < 2.0:
            return
        self._measured_at = time.monotonic()
        if not joined:
            self._records = 0
            self._gauge.clear()
            return
        lag: Counter[str] = Counter(dict.fromkeys(self._topics, 0))
        for one in client.assignment():
            first, end = client.get_watermark_offsets(one, cached=True)
            lag[one.topic] += max(
                0, end - max(first, self._committed.get((one.topic, one.partition), end))
            )
        for topic, records in lag.items():
            self._gauge.labels(topic).set(records)
        self._records = lag.total()
        if not self._records:
            self._moved_at = time.monotonic()

    def stalled(self) -> str:
        """Why this consumer does not get on though there is something to read, in words; empty when it does."""
        waited = time.monotonic() - self._moved_at
        stands = self._records and waited > STALL_LIMIT
        return f"{self._records} records wait, none handled for {waited:.0f} s" if stands else ""
