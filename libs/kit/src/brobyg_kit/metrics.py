"""Every metric of the kit, in one list. Services have a `metrics.py` of their own.

Labels never hold an id.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The kit's metrics, on a registry of their own: two services can run in one process."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = CollectorRegistry()
        r = self.registry
        # Sending
        self.outbox_rows = Gauge(
            "brobyg_outbox_rows", "Committed records not yet acknowledged by the broker", registry=r
        )
        self.outbox_age = Gauge(
            "brobyg_outbox_age_seconds", "Age of the oldest unsent record", registry=r
        )
        self.relay_sent = Counter(
            "brobyg_relay_sent", "Records acknowledged by the broker", ["topic"], registry=r
        )
        self.relay_leader = Gauge(
            "brobyg_relay_leader", "1 where this process holds the relay's lock", registry=r
        )
        # Receiving
        self.events_handled = Counter(
            "brobyg_events_handled", "Events whose effects are committed", ["type"], registry=r
        )
        self.events_repeated = Counter(
            "brobyg_events_repeated", "Events that had been handled before", registry=r
        )
        self.batch_seconds = Histogram(
            "brobyg_batch_seconds", "Time to handle one batch", buckets=_LATENCY, registry=r
        )
        self.batch_events = Histogram(
            "brobyg_batch_events",
            "Events in one batch",
            buckets=(1, 5, 20, 100, 500, 2000),
            registry=r,
        )
        self.consumer_lag = Gauge(
            "brobyg_consumer_lag_records",
            "Records between the committed offset and the end",
            ["topic"],
            registry=r,
        )
        self.events_passed_over = Counter(
            "brobyg_events_passed_over",
            "Events without effect here: they hold a word of a later version",
            ["type"],
            registry=r,
        )
        self.unknown = Counter(
            "brobyg_unknown",
            "Events of a type, or with a word, that this code does not know",
            ["topic", "type"],
            registry=r,
        )
        self.consumer_retries = Counter(
            "brobyg_consumer_retries",
            "Batches tried again because of the database or the broker",
            registry=r,
        )
        self.parked = Gauge(
            "brobyg_parked_events", "Events that wait, retry or are dead", ["state"], registry=r
        )
        # What needs a human
        self.attention_open = Gauge(
            "brobyg_attention_open", "Items that no human has settled", ["kind"], registry=r
        )
        # Timers
        self.timers_fired = Counter(
            "brobyg_timers_fired", "Timers carried out", ["kind"], registry=r
        )
        self.timer_delay = Histogram(
            "brobyg_timer_delay_seconds",
            "Clock time from due to done",
            buckets=(0.1, 1, 5, 15, 60, 300, 3600),
            registry=r,
        )
        self.timers_overdue = Gauge(
            "brobyg_timers_overdue",
            "Timers whose time has come and that are not carried out",
            registry=r,
        )
        self.timers_failing = Gauge(
            "brobyg_timers_failing",
            "Timers that have failed and are tried again after a pause",
            registry=r,
        )
        self.retention_ended = Counter(
            "brobyg_retention_ended",
            "Records that were deleted, and people who were erased, because their time was over",
            ["kind"],
            registry=r,
        )
        # HTTP
        self.http_requests = Counter(
            "brobyg_http_requests", "Requests answered", ["method", "route", "status"], registry=r
        )
        self.http_seconds = Histogram(
            "brobyg_http_seconds", "Time to answer", ["route"], buckets=_LATENCY, registry=r
        )
