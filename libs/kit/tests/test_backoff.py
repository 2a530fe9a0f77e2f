"""Pauses grow while it fails, up to a longest, and are short again after it went well."""

import pytest
from brobyg_kit import backoff as module
from brobyg_kit import parking, timers
from brobyg_kit.backoff import Backoff


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which the test sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_pauses_double_up_to_the_longest(clock: list[float]) -> None:
    backoff = Backoff(first=0.1, longest=0.5)
    assert [backoff.next() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_they_are_short_again_when_told_so_or_when_it_ran_for_long(clock: list[float]) -> None:
    backoff = Backoff(first=1.0, longest=8.0, well_after=10.0)
    assert [backoff.next(), backoff.next()] == [1.0, 2.0]
    clock[0] += 2.0 + 9.0
    assert backoff.next() == 4.0
    clock[0] += 4.0 + 10.1
    assert backoff.next() == 1.0
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1.0


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        (parking.PAUSES, [0.5, 2, 8, 32, 128, 512]),
        (timers._PAUSES, [1, 4, 16, 64, 256, 1024, 3600, 3600]),
    ],
    ids=["parked events", "timers"],
)
def test_pauses_after_counted_failures_grow_fourfold(
    pauses: Backoff, expected: list[float]
) -> None:
    assert [pauses.after(failures) for failures in range(1, len(expected) + 1)] == expected
    assert pauses.after(10_000) == pauses.after(1_000)
