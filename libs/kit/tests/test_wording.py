"""Times and distances as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from brobyg_kit import wording


def test_a_time_is_written_in_the_readers_language_and_zone() -> None:
    moment = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
    assert wording.day_and_time(moment, "da") == "tirsdag den 1. december kl. 10.15"
    assert wording.day_and_time(moment, "en") == "Tuesday 1 December, 10:15"
    assert wording.time_of_day(moment, "da") == "kl. 10.15"
    assert wording.time_of_day(moment, "en") == "10:15"


def test_an_end_is_told_with_its_day_where_that_is_another() -> None:
    begins = datetime(2026, 12, 1, 22, 30, tzinfo=UTC)
    assert wording.until(datetime(2026, 12, 1, 22, 50, tzinfo=UTC), begins, "da") == "kl. 23.50"
    assert (
        wording.until(datetime(2026, 12, 1, 23, 10, tzinfo=UTC), begins, "da")
        == "onsdag den 2. december kl. 0.10"
    )


def test_summer_time_is_two_hours_ahead_of_utc() -> None:
    assert (
        wording.day_and_time(datetime(2026, 7, 1, 7, 5, tzinfo=UTC), "da")
        == "onsdag den 1. juli kl. 9.05"
    )


@pytest.mark.parametrize(
    ("metres", "danish", "english"),
    [
        (4210, "cirka 4,2 km", "about 4.2 km"),
        (12_300, "cirka 12 km", "about 12 km"),
        (0, "under 1 km", "less than 1 km"),
        (40, "under 1 km", "less than 1 km"),
        (999, "under 1 km", "less than 1 km"),
        (1000, "cirka 1 km", "about 1 km"),
        (2000, "cirka 2 km", "about 2 km"),
    ],
)
def test_distances_are_as_exact_as_one_needs(metres: int, danish: str, english: str) -> None:
    assert (wording.distance(metres, "da"), wording.distance(metres, "en")) == (danish, english)


def test_durations_are_told_in_hours_and_minutes() -> None:
    assert wording.duration(timedelta(minutes=150), "da") == "2 timer og 30 minutter"
    assert wording.duration(timedelta(minutes=60), "en") == "1 hour"
    assert wording.duration(timedelta(minutes=1), "en") == "1 minute"


def test_what_is_kept_says_its_year() -> None:
    moment = datetime(2026, 12, 1, 8, 5, tzinfo=UTC)
    assert wording.date_and_time(moment, "da") == "1. december 2026 kl. 09.05"
    assert wording.date_and_time(moment, "en") == "1 December 2026 at 09:05"
