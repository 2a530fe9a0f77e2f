"""Growing pauses between tries of what failed."""

import time


class Backoff:
    """Each pause is `factor` times the one before, up to a longest.

    `next` counts the failures itself, for a loop; `after` is a pure function of their number, for
    failures that are counted elsewhere, such as in a row.
    """

    def __init__(
        self,
        first: float = 0.1,
        longest: float = 5.0,
        *,
        factor: float = 2.0,
        well_after: float = 10.0,
    ) -> None:
        """All but `factor` in seconds; `next` measures wall time.

        What ran for `well_after` seconds after a pause before it failed again went well.
        """
        self._first, self._longest, self._factor = first, longest, factor
        self._well_after = well_after
        self._failures = 0
        self._resumed_at = 0.0

    def after(self, failures: int) -> float:
        """The seconds to pause after so many failures in a row, one or more."""
        # Bounded, as a power beyond a float's range raises OverflowError.
        return min(self._first * self._factor ** min(failures - 1, 100), self._longest)

    def next(self) -> float:
        """The seconds to pause now, after one more failure."""
        now = time.monotonic()
        if now - self._resumed_at > self._well_after:
            self._failures = 0
        self._failures += 1
        pause = self.after(self._failures)
        self._resumed_at = now + pause
        return pause

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self._failures = 0
