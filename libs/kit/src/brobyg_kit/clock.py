"""Time, injected: nothing else in the project reads the machine's clock."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a service gets its time from. All times are zone-aware UTC."""

    def now(self) -> datetime:
        """The current time, zone-aware UTC. Never blocks."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return when `duration` has passed on this clock. Negative durations return at once."""
        ...


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The machine's time, zone-aware UTC."""
        return datetime.now(UTC)

    async def sleep(self, duration: timedelta) -> None:
        """Sleep in real time."""
        await asyncio.sleep(max(0.0, duration.total_seconds()))


class ManualClock:
    """Time that changes only when a test moves it."""

    def __init__(self, start: datetime) -> None:
        """Begin at `start`, which must be zone-aware."""
        if start.tzinfo is None:
            raise ValueError("a clock needs a zone-aware start")
        self._now = start.astimezone(UTC)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The time last set."""
        return self._now

    def advance(self, duration: timedelta) -> None:
        """Move forward and wake those whose sleep has ended."""
        self._now += duration
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, duration: timedelta) -> None:
        """Return when the clock has been moved past the end of `duration`."""
        await asyncio.sleep(0)  # as any sleep, it lets others run, however short it is
        end = self._now + duration
        while self._now < end:
            await self._moved.wait()


class AcceleratedClock:
    """Runs `factor` times faster than the wall, from `start` at the wall time `anchor`.

    Before the anchor it is `start`. Processes given the same three values agree on the time.
    """

    def __init__(
        self,
        start: datetime,
        factor: float,
        anchor: datetime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Both times must be zone-aware and `factor` positive; raises ValueError otherwise."""
        if start.tzinfo is None or anchor.tzinfo is None:
            raise ValueError("an accelerated clock needs a zone-aware start and anchor")
        if factor <= 0:
            raise ValueError("an accelerated clock needs a factor above 0")
        self._start = start.astimezone(UTC)
        self.factor = factor
        self._anchor = anchor.timestamp()
        self._wall = wall

    def now(self) -> datetime:
        """The simulated time, zone-aware UTC."""
        return self._start + timedelta(seconds=max(0.0, self._wall() - self._anchor) * self.factor)

    async def sleep(self, duration: timedelta) -> None:
        """Sleep `duration` of simulated time."""
        await asyncio.sleep(max(0.0, duration.total_seconds()) / self.factor)


def parse_clock(text: str) -> Clock:
    """The clock that `BROBYG_CLOCK` describes.

    Empty for the wall clock, else `<ISO start>;<factor>;<ISO anchor on the wall>`. Raises
    ValueError that says what was expected.
    """
    if not text:
        return WallClock()
    try:
        start, factor, anchor = text.split(";")
        return AcceleratedClock(
            datetime.fromisoformat(start), float(factor), datetime.fromisoformat(anchor)
        )
    except ValueError as error:
        raise ValueError(
            f"BROBYG_CLOCK is {text!r}; expected nothing, or '<ISO start>;<factor>;<ISO anchor>'"
            f" such as '2026-11-30T00:00:00+01:00;5040;2026-11-23T20:00:00+00:00' ({error})"
        ) from error
