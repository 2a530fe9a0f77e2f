"""How a reader is addressed, and how long to wait before trying again."""

from datetime import timedelta

from brobyg_notification.domain.contact import given_name
from brobyg_notification.domain.retry import pause_after


def test_only_the_first_name_is_kept() -> None:
    assert given_name("Ellen Louise Test Lauridsen") == "Ellen"
    assert given_name("  ") == ""


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, 40)]
    assert pauses[0] == timedelta(seconds=1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(minutes=15)
