"""All metrics of matching. Labels never hold an id."""

from collections import Counter as PlainCounter
from datetime import datetime

from brobyg_contracts import MatchEscalated, StaffMatched, VolunteerMatched
from prometheus_client import CollectorRegistry, Counter, Histogram

from brobyg_matching.domain.board import Board

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

    def observe(self, board: Board) -> None:
        """Count what was done on this board."""
        offers = PlainCounter(
            "made" if one.state == "open" else one.state for one in board.offers.values()
        )
        matches: PlainCounter[str] = PlainCounter()
        for emission in board.emissions:
            data = emission.data
            if isinstance(data, VolunteerMatched | StaffMatched):
                matches["matched"] += 1
                self._observe_time(board, data.need_id, data.seat, board.now)
            elif isinstance(data, MatchEscalated):
                matches["escalated"] += 1
        for outcome, number in offers.items():
            self.offers.labels(outcome).inc(number)
        for outcome, number in matches.items():
            self.matches.labels(outcome).inc(number)

    def _observe_time(self, board: Board, need_id: str, no: int, now: datetime) -> None:
        seat = board.needs[need_id].seat(no)
        if seat is not None and seat.searched_at is not None:
            self.hours_to_match.observe((now - seat.searched_at).total_seconds() / 3600)
