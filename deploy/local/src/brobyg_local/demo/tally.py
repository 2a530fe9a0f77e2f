"""What the players have done so far, counted for the screen and the summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Tally"]


@dataclass
class Tally:
    """Counters of one play; written by the players, read by the screen."""

    delivered: Counter[str] = field(default_factory=Counter)
    """Messages through a door, by what the hospital was told: kept, dropped, rejected, or `kafka` where nothing is told."""
    again: int = 0
    """Requests sent a second time after an outage: the first may have been counted although its answer was lost."""
    keys: set[str] = field(default_factory=set)
    """The hospital's numbers of all appointments told of in messages that are not broken."""
    surprises: list[str] = field(default_factory=list)
    """Answers other than expected, and what was never delivered; without anything personal."""
    mails: Counter[str] = field(default_factory=Counter)
    """Mails read, by the kind of reader: volunteer or other."""
    answers: Counter[str] = field(default_factory=Counter)
    """What became of each offer mail: accepted, declined, silent, late (somebody else has it, or it was withdrawn or expired)."""
