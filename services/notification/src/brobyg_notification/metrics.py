"""Every metric of this service, in one list. Labels never hold an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200)


class NotificationMetrics:
    """The metrics of planning and delivering."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All at zero, on the service's registry."""
        r = registry
        self.planned = Counter(
            "brobyg_notification_planned",
            "Notices planned, repeats included",
            ["template"],
            registry=r,
        )
        self.ended = Counter(
            "brobyg_notification_ended",
            "Notices that were sent, failed or superseded",
            ["template", "outcome"],
            registry=r,
        )
        self.postponed = Counter(
            "brobyg_notification_postponed",
            "Attempts to be made again, by what was in the way",
            ["cause"],
            registry=r,
        )
        self.unknown_language = Counter(
            "brobyg_notification_unknown_language",
            "Messages in another language than the reader's, for want of a catalogue",
            registry=r,
        )
        self.seconds = Histogram(
            "brobyg_notification_seconds",
            "Clock time from cause kept to message sent",
            buckets=_BUCKETS,
            registry=r,
        )
        self.waiting = Gauge(
            "brobyg_notification_waiting", "Notices that wait to be sent", registry=r
        )
        self.oldest = Gauge(
            "brobyg_notification_oldest_seconds",
            "Age of the oldest waiting notice, wall time",
            registry=r,
        )
        self.server_up = Gauge(
            "brobyg_notification_mail_server_up", "1 while the mail server answers", registry=r
        )
