"""How long to wait before trying again. Nothing is ever given up here."""

from datetime import timedelta

_FIRST = timedelta(seconds=1)
_LONGEST = timedelta(minutes=15)


def pause_after(attempts: int) -> timedelta:
    """The pause after the `attempts`-th attempt (from 1), by the service's clock.

    One second, doubled each time, 15 minutes at most.
    """
    doublings = min(max(attempts - 1, 0), 20)
    return min(_LONGEST, _FIRST * (1 << doublings))
