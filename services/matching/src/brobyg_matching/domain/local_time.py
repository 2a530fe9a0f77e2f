"""Danish clock time against instants.

An instant is whole seconds since 1970 UTC; local time is Europe/Copenhagen. A window from 08:00 to
16:00 is that by the local clock also on the two days when the clock changes.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import msgspec
from brobyg_contracts.domain import LOCAL_ZONE

MINUTES_A_DAY = 24 * 60
_SECONDS = MINUTES_A_DAY * 60

Interval = tuple[int, int]


class Window(msgspec.Struct, frozen=True, order=True):
    """A weekly stretch of local clock time, in minutes after midnight."""

    #: ISO weekday: 1 is Monday.
    weekday: int
    since: int
    #: 1440 is the end of the day.
    until: int


def instant(seconds: int) -> datetime:
    """The instant as a zone-aware UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=4096)
def local_date(seconds_by_hour: int) -> date:
    """The local date of an hour counted since 1970 UTC.

    Copenhagen's offsets are whole hours, so the hour decides the date.
    """
    return datetime.fromtimestamp(seconds_by_hour * 3600, LOCAL_ZONE).date()


def date_of(seconds: int) -> date:
    """The local date of an instant."""
    return local_date(seconds // 3600)


def week_of(seconds: int) -> int:
    """The local ISO week of an instant, as year * 100 + week."""
    year, week, _ = date_of(seconds).isocalendar()
    return year * 100 + week


def clock_minute(day: date, minute: int) -> int:
    """The instant at which the local clock shows `minute` minutes after midnight on `day`.

    A time that the autumn repeats means its first occurrence; one that the spring skips means the
    moment of the change.
    """
    if minute == MINUTES_A_DAY:
        day, minute = day + timedelta(days=1), 0
    there = datetime(
        day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=LOCAL_ZONE
    ).timestamp()
    shown = datetime.fromtimestamp(there, LOCAL_ZONE)
    if (shown.hour, shown.minute) != (minute // 60, minute % 60):
        # The clock jumps on a whole hour, and `there` lies within the hour after it.
        return int(there) // 3600 * 3600
    return int(there)


def last_clock_minute(day: date, minute: int) -> int:
    """Like `clock_minute`, but of a time that the autumn repeats the last occurrence.

    For the end of a window.
    """
    first = clock_minute(day, minute)
    if minute == MINUTES_A_DAY:
        return first
    again = datetime(
        day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=LOCAL_ZONE, fold=1
    )
    last = int(again.timestamp())
    return max(first, last)


def free_intervals(
    windows: tuple[Window, ...], away: frozenset[date], day: date
) -> tuple[Interval, ...]:
    """When somebody with these weekly windows is free on the day before `day`, on it and after it.

    Dates in `away` have no free time. Sorted, half open, adjoining ones joined.
    """
    found: list[Interval] = []
    for offset in (-1, 0, 1):
        that = day + timedelta(days=offset)
        if that not in away:
            weekday = that.isoweekday()
            found += [
                (clock_minute(that, w.since), last_clock_minute(that, w.until))
                for w in windows
                if w.weekday == weekday
            ]
    return _joined(found)


class Day(msgspec.Struct, frozen=True, gc=False):
    """A local date, with what of it is the same for everybody."""

    local: date
    #: ISO weekday: 1 is Monday.
    weekday: int
    #: When it begins.
    midnight: int
    #: The day before it, it and the day after it.
    around: frozenset[date]
    #: Whether the clock does not change on any of them.
    ordinary: bool


@lru_cache(maxsize=4096)
def day_of(that: date) -> Day:
    """The local date as a `Day`."""
    around = [that + timedelta(days=offset) for offset in (-1, 0, 1, 2)]
    long = clock_minute(around[3], 0) - clock_minute(around[0], 0)
    return Day(
        that, that.isoweekday(), clock_minute(that, 0), frozenset(around[:3]), long == 3 * _SECONDS
    )


def ordinary_intervals(windows: tuple[Window, ...], weekday: int) -> tuple[Interval, ...]:
    """As `free_intervals` of an ordinary day without dates away, in seconds after its midnight."""
    return _joined(
        [
            (offset * _SECONDS + w.since * 60, offset * _SECONDS + w.until * 60)
            for offset in (-1, 0, 1)
            for w in windows
            if w.weekday == (weekday - 1 + offset) % 7 + 1
        ]
    )


def _joined(found: list[Interval]) -> tuple[Interval, ...]:
    found.sort()
    joined: list[Interval] = []
    for since, until in found:
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    return tuple(joined)


def covers(intervals: tuple[Interval, ...], since: int, until: int) -> bool:
    """True when one of the intervals holds all of [since, until)."""
    # any() takes twice as long, and this is called for every candidate of every appointment.
    for start, end in intervals:  # noqa: SIM110
        if start <= since and until <= end:
            return True
    return False
