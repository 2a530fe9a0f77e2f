"""Danish clock time on ordinary days and on the two that are 23 and 25 hours long."""

from datetime import UTC, date, datetime, timedelta

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_matching.domain.helper import Profile
from brobyg_matching.domain.local_time import (
    Window,
    clock_minute,
    covers,
    day_of,
    free_intervals,
    last_clock_minute,
    week_of,
)
from hypothesis import given
from hypothesis import strategies as st
from matching_samples import a_helper

SPRING, AUTUMN = date(2027, 3, 28), date(2026, 10, 25)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_a_window_on_the_day_the_clock_goes_forward_keeps_its_clock_times() -> None:
    windows = (Window(7, 8 * 60, 16 * 60),)
    assert free_intervals(windows, frozenset(), SPRING) == (
        (_seconds("2027-03-28T08:00:00+02:00"), _seconds("2027-03-28T16:00:00+02:00")),
    )


def test_a_window_on_the_day_the_clock_goes_back_keeps_its_clock_times() -> None:
    windows = (Window(7, 8 * 60, 16 * 60),)
    assert free_intervals(windows, frozenset(), AUTUMN) == (
        (_seconds("2026-10-25T08:00:00+01:00"), _seconds("2026-10-25T16:00:00+01:00")),
    )


def test_an_hour_the_spring_skips_is_the_moment_of_the_change() -> None:
    assert (
        clock_minute(SPRING, 2 * 60 + 30)
        == last_clock_minute(SPRING, 2 * 60 + 30)
        == _seconds("2027-03-28T01:00:00Z")
    )


def test_an_hour_the_autumn_repeats_begins_at_its_first_and_ends_at_its_last_showing() -> None:
    assert clock_minute(AUTUMN, 150) == _seconds("2026-10-25T02:30:00+02:00")
    assert last_clock_minute(AUTUMN, 150) == _seconds("2026-10-25T02:30:00+01:00")


def test_somebody_free_all_week_is_free_across_midnight_and_across_the_change() -> None:
    always = tuple(Window(day, 0, 1440) for day in range(1, 8))
    for day in (SPRING, AUTUMN):
        free = free_intervals(always, frozenset(), day)
        assert len(free) == 1
        midnight = clock_minute(day, 0)
        assert covers(free, midnight - 3600, midnight + 20 * 3600)


def test_a_date_away_has_no_free_time() -> None:
    always = tuple(Window(day, 0, 1440) for day in range(1, 8))
    free = free_intervals(always, frozenset({AUTUMN}), AUTUMN)
    noon = clock_minute(AUTUMN, 12 * 60)
    assert not covers(free, noon, noon + 60)


def test_a_week_begins_on_monday_in_denmark_not_in_utc() -> None:
    assert week_of(_seconds("2026-11-29T23:30:00Z")) == 202649
    assert week_of(_seconds("2026-11-29T22:30:00Z")) == 202648


@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.integers(0, 1439), st.integers(1, 1440))
def test_an_instant_is_free_exactly_when_the_local_clock_says_so(
    day: date, since: int, until: int
) -> None:
    """Checked against the plain reading of the clock, at every quarter of an hour shown once."""
    if until <= since:
        return
    free = free_intervals((Window(day.isoweekday(), since, until),), frozenset(), day)
    midnight = clock_minute(day, 0)
    for quarter in range(25 * 4):
        at = midnight + quarter * 900
        local = datetime.fromtimestamp(at, UTC).astimezone(LOCAL_ZONE)
        if (
            local.date() == day
            and not (local.hour == 2 and day in (SPRING, AUTUMN))
            and local.replace(fold=1) == local
        ):
            if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
                continue
            minute = local.hour * 60 + local.minute
            assert covers(free, at, at + 1) == (since <= minute < until)


def _windows(draw: st.DrawFn) -> tuple[Window, ...]:
    minutes = st.integers(0, 1440)
    drawn = draw(st.lists(st.tuples(st.integers(1, 7), minutes, minutes), max_size=6))
    return tuple(sorted(Window(day, min(a, b), max(a, b)) for day, a, b in drawn if a != b))


@given(
    st.composite(_windows)(),
    st.dates(date(2026, 10, 1), date(2027, 4, 30)),
    st.booleans(),
    st.integers(-86_400, 2 * 86_400),
    st.integers(1, 86_400),
)
def test_what_is_remembered_of_a_weekday_says_the_same_as_the_day_itself(
    windows: tuple[Window, ...], day: date, is_away: bool, begins: int, lasts: int
) -> None:
    away = frozenset({day + timedelta(days=1)}) if is_away else frozenset()
    since = clock_minute(day, 0) + begins
    profile = Profile(a_helper("v", availability=windows, away=away))
    assert profile.is_free(day_of(day), since, since + lasts) == covers(
        free_intervals(windows, away, day), since, since + lasts
    )
