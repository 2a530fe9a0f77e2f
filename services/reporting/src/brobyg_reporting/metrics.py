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
        self.not_folded = Counter(
            "brobyg_reporting_events_not_folded",
            "Events logged but not folded: their type, or a word in them, is unknown to this code",
            ["type"],
            registry=registry,
        )
        self.unknown_words = Counter(
            "brobyg_reporting_unknown_words",
            "Events logged with a word that this code has no text for",
            ["type", "property"],
            registry=registry,
        )
        self.attention_open = Gauge(
            "brobyg_reporting_attention_open",
            "Items of the worklist that nobody has settled",
            ["department", "kind"],
            registry=registry,
        )
