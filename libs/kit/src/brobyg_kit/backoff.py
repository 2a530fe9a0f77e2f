"""Growing pauses between tries of what failed."""

import time


class Backoff:
    """The next pause is twice the last, up to a longest; after it went well it is short again."""

    def __init__(
        self, first: float = 0.1, longest: float = 5.0, *, well_after: float = 10.0
    ) -> None:
        """All in seconds of wall time.

        What ran for `well_after` seconds after a pause before it failed again went well.
        """
        self._first, self._longest, self._well_after = first, longest, well_after
        self._pause = 0.0
        self._resumed_at = 0.0

    def next(self) -> float:
        """The seconds to pause now."""
        now = time.monotonic()
        if not self._pause or now - self._resumed_at > self._well_after:
            self._pause = self._first
        else:
            self._pause = min(self._pause * 2, self._longest)
        self._resumed_at = now + self._pause
        return self._pause

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self._pause = 0.0
