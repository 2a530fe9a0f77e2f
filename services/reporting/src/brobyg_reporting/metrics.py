"""Reporting's own metrics, in one list. The mechanism's are in brobyg_kit.metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ReportingMetrics:
    """Registered on the service's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All at zero."""
        self.logged = Counter(
            "brobyg_reporting_events_logged", "Events added to the event log", registry=registry
        )
        self.known = Counter(
            "brobyg_reporting_events_known",
            "Events that were in the event log already",
            registry=registry,
        )
        self.attention_open = Gauge(
            "brobyg_reporting_attention_open",
            "Items of the worklist that nobody has settled",
            ["department", "kind"],
            registry=registry,
        )
