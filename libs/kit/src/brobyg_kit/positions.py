"""Where in the event stream a request's effects are, for whoever asks about them next.

A command's answer has them in a header, as `topic:subject:sequence`; reporting, asked with
`after=` and the same, waits until it has them.
"""

from collections.abc import Mapping
from contextvars import ContextVar

from brobyg_kit.domain import domain

HEADER = "Brobyg-Position"
#: A command that changes more subjects tells the last of them only.
MOST = 20

#: The last sequence of each (topic, subject) that the current request has committed; None outside
#: of a request.
committed: ContextVar[dict[tuple[str, str], int] | None] = ContextVar("committed", default=None)


def note(last: Mapping[tuple[str, str], int]) -> None:
    """Add what a transaction has committed to the history. No effect outside of a request."""
    if (positions := committed.get()) is not None:
        positions |= {at: n for at, n in last.items() if at[0] not in domain().COMPACTED}


def header_value(positions: Mapping[tuple[str, str], int]) -> str:
    """The positions as the header has them, and `after=` takes them."""
    last = list(positions.items())[-MOST:]
    return ",".join(f"{topic}:{subject}:{sequence}" for (topic, subject), sequence in last)
