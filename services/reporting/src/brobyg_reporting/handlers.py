"""What reporting consumes: every event of the system. It emits none."""

from collections.abc import Sequence

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData
from brobyg_kit.parking import Origin

from brobyg_reporting.adapters import store, versions
from brobyg_reporting.domain.log import LoggedEvent, place, read_event
from brobyg_reporting.metrics import ReportingMetrics

CONSUMES: tuple[str, ...] = ("brobyg.matching.v1", "brobyg.notification.v1", "brobyg.referral.v1")
EMITS: tuple[type[EventData], ...] = ()


def read_logged(origin: Origin, key: bytes | None, value: bytes) -> Event:
    """The record as an event that knows its place, for the event log. Raises UndecodableEvent."""
    return place(read_event(value), origin.topic, origin.partition, origin.offset)


class Live:
    """Keeps the active version up to date, a batch a transaction: event log, rows and offsets together."""

    def __init__(self, metrics: ReportingMetrics) -> None:
        """Counts on `metrics`."""
        self._metrics = metrics
        self._signed = False

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Log and fold the events. Waits while a rebuild is switching."""
        logged = [_logged(event) for event in events]
        version = await store.active_version(tx.driver)
        if not self._signed:
            await versions.sign(tx.driver, version)
            self._signed = True
        new = await store.apply(tx.driver, version, logged)
        await store.store_offsets(tx.driver, store.after(logged))
        self._metrics.logged.inc(new)
        self._metrics.known.inc(len(logged) - new)


def _logged(event: Event) -> LoggedEvent:
    if not isinstance(event, LoggedEvent):
        raise TypeError(
            "an event came without its place; `read_logged` must decode every topic reporting consumes"
        )
    return event
