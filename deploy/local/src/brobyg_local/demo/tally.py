"""What the players have done so far, counted for the screen and the summary."""

from collections import Counter
from dataclasses import dataclass, field

from brobyg_local.canaries import Canary, Searched

#: Wall seconds from which on a message that is late is told of: by then, at the demo's speed, an
#: offer's lifetime is half over.
BEHIND = 3.0


@dataclass
class Tally:
    """Counters of one play; written by the players, read by the screen."""

    #: Messages sent, by what the hospital was told: kept, dropped, rejected, or `kafka`, where
    #: nothing is told.
    delivered: Counter[str] = field(default_factory=Counter)
    #: Requests sent again after an outage: the first may have been counted though its answer was
    #: lost.
    again: int = 0
    #: The hospital's numbers of all appointments in messages that are not broken.
    keys: set[str] = field(default_factory=set)
    #: Answers other than expected, and what was never delivered; without anything personal.
    surprises: list[str] = field(default_factory=list)
    #: What came of each offer mail: accepted, declined, silent, late (another has it, or it was
    #: withdrawn or expired).
    answers: Counter[str] = field(default_factory=Counter)
    #: Citizens who were erased, as they are searched for afterwards.
    canaries: list[Canary] = field(default_factory=list)
    #: Where they were found before.
    before: Searched = field(default_factory=Searched)
    #: Wall seconds after its time at which the latest of the hospital's messages was taken.
    late_seconds: float = 0.0

    def was_late(self, seconds: float) -> None:
        """Note that a message was taken so many wall seconds after its time."""
        self.late_seconds = max(self.late_seconds, seconds)
