"""Times, distances and durations as a local reader writes them.

The patterns of a language stand in its catalogue (`locale/`); one without a catalogue has the
sources' patterns with names of days and months of its own.
"""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal
from babel.units import format_unit

from brobyg_kit.catalogues import Language, catalogue
from brobyg_kit.domain import domain

_FOLDER = Path(__file__).parent


def day_and_time(moment: datetime, language: Language, zone: ZoneInfo | None = None) -> str:
    """For what is near: `tirsdag den 1. december kl. 10.15` / `Tuesday 1 December, 10:15`.

    In `zone`; None for the installation's own.
    """
    return _written(moment, "EEEE d MMMM, HH:mm", language, zone)


def date_and_time(moment: datetime, language: Language, zone: ZoneInfo | None = None) -> str:
    """For what is kept: `1. december 2026 kl. 10.15` / `1 December 2026 at 10:15`."""
    return _written(moment, "d MMMM y 'at' HH:mm", language, zone)


def time_of_day(moment: datetime, language: Language, zone: ZoneInfo | None = None) -> str:
    """`kl. 10.15` / `10:15`."""
    return _written(moment, "HH:mm", language, zone)


def until(
    moment: datetime, since: datetime, language: Language, zone: ZoneInfo | None = None
) -> str:
    """When what began at `since` ends: the time of day, with the day if it is another."""
    same_day = _local(moment, zone).date() == _local(since, zone).date()
    written = time_of_day if same_day else day_and_time
    return written(moment, language, zone)


def _written(moment: datetime, pattern: str, language: Language, zone: ZoneInfo | None) -> str:
    own = catalogue(_FOLDER, language).gettext(pattern)
    return format_datetime(_local(moment, zone), own, locale=language)


def _local(moment: datetime, zone: ZoneInfo | None) -> datetime:
    return moment.astimezone(zone or domain().LOCAL_ZONE)


def distance(metres: int, language: Language) -> str:
    """In kilometres, with one decimal below ten: `cirka 4,2 km` / `about 4.2 km`, `about 12 km`.

    `under 1 km` / `less than 1 km` for all that is less: homes are known by their postcode only.
    """
    if metres < 1000:
        return catalogue(_FOLDER, language).gettext("less than 1 km")
    kilometres = metres / 1000
    rounded = round(kilometres, 1) if kilometres < 10 else round(kilometres)
    about = catalogue(_FOLDER, language).gettext("about %(kilometres)s km")
    return about % {"kilometres": format_decimal(rounded, locale=language)}


def duration(length: timedelta, language: Language) -> str:
    """To the minute: `2 timer og 15 minutter` / `2 hours and 15 minutes`."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    in_hours = format_unit(hours, "duration-hour", "long", locale=language)
    in_minutes = format_unit(minutes, "duration-minute", "long", locale=language)
    if not hours:
        return in_minutes
    if not minutes:
        return in_hours
    both = catalogue(_FOLDER, language).gettext("%(hours)s and %(minutes)s")
    return both % {"hours": in_hours, "minutes": in_minutes}
