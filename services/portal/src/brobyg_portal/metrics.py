"""All metrics of the portal. Labels never hold an id."""

from prometheus_client import CollectorRegistry, Counter


class PortalMetrics:
    """Counts what an operator should look into."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all at zero on `registry`."""
        self.sessions_stolen = Counter(
            "brobyg_portal_sessions_stolen",
            "Sessions that were ended as a former cookie came after the new one was used",
            registry=registry,
        )
