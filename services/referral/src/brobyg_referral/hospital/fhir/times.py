"""FHIR's instants and dateTimes. The schema has checked their form before."""

from calendar import monthrange
from datetime import UTC, date, datetime, time

from brobyg_contracts.domain import LOCAL_ZONE

_YEARS = range(1900, 2200)


def instant(text: str) -> datetime | None:
    """A FHIR instant in UTC.

    None when it has no zone, is not in the calendar, or lies outside the years 1900 to 2199.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or moment.year not in _YEARS:
        return None
    return moment.astimezone(UTC)


def span(text: str) -> tuple[datetime, datetime] | None:
    """The first and the last moment of a FHIR dateTime (a year, month, day, or a time).

    None when it is not in the calendar. A date is a Danish day.
    """
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return (moment, moment) if moment.tzinfo else None
        year, *rest = map(int, text.split("-"))
        first = date(year, *(*rest, 1, 1)[:2])
        last = first.replace(month=first.month if rest else 12)
        if len(rest) < 2:
            last = last.replace(day=monthrange(last.year, last.month)[1])
    except ValueError:
        return None
    return (
        datetime.combine(first, time.min, tzinfo=LOCAL_ZONE),
        datetime.combine(last, time.max, tzinfo=LOCAL_ZONE),
    )
