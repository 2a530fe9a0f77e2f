"""All metrics of matching. Labels never hold an id."""

from collections import Counter as PlainCounter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from brobyg_matching.domain.change import Change

_HOURS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 24, 48, 96, 168)


class MatchingMetrics:
    """Counts what was decided, once it is committed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all at zero on `registry`."""
        self.offers = Counter("brobyg_offers", "Offers by outcome", ["outcome"], registry=registry)
        self.matches = Counter(
            "brobyg_matches", "Searches by outcome", ["outcome"], registry=registry
        )
        self.hours_to_match = Histogram(
            "brobyg_hours_to_match",
            "Hours by the clock from a search's opening to its match",
            buckets=_HOURS,
            registry=registry,
        )
        self.refusals = Counter(
            "brobyg_answers_refused", "Answers that could not be taken", ["why"], registry=registry
        )

    def observe(self, changes: Iterable[Change]) -> None:
        """Count what these changes did."""
        offers: PlainCounter[str] = PlainCounter()
        matches: PlainCounter[str] = PlainCounter()
        for change in changes:
            offers.update(
                "made" if offer.state == "open" else offer.state for offer in change.offers.values()
            )
            state, before = change.match.state, change.before
            found = state == "matched" and (
                before is None or before.match_id != change.match.match_id
            )
            if found or state not in (before.state if before else None, "searching", "matched"):
                matches[state] += 1
            if found:
                self.hours_to_match.observe(
                    (change.context.now - change.match.opened_at).total_seconds() / 3600
                )
        for outcome, number in offers.items():
            self.offers.labels(outcome).inc(number)
        for outcome, number in matches.items():
            self.matches.labels(outcome).inc(number)
