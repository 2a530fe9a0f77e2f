"""Times, distances and durations as a local reader writes them, in each language there is."""

from datetime import datetime, timedelta
from typing import Literal, get_args

from babel.dates import format_datetime
from babel.numbers import format_decimal
from babel.units import format_unit

from brobyg_kit.domain import domain

Language = Literal["da", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_DAY_AND_TIME: dict[Language, str] = {
    "da": "EEEE 'den' d. MMMM 'kl.' H.mm",
    "en": "EEEE d MMMM, HH:mm",
}
_DATE_AND_TIME: dict[Language, str] = {"da": "d. MMMM y 'kl.' HH.mm", "en": "d MMMM y 'at' HH:mm"}
_TIME: dict[Language, str] = {"da": "'kl.' H.mm", "en": "HH:mm"}


def day_and_time(moment: datetime, language: Language) -> str:
    """For what is near: `tirsdag den 1. december kl. 10.15` / `Tuesday 1 December, 10:15`."""
    return format_datetime(_local(moment), _DAY_AND_TIME[language], locale=language)


def date_and_time(moment: datetime, language: Language) -> str:
    """For what is kept: `1. december 2026 kl. 10.15` / `1 December 2026 at 10:15`."""
    return format_datetime(_local(moment), _DATE_AND_TIME[language], locale=language)


def time_of_day(moment: datetime, language: Language) -> str:
    """`kl. 10.15` / `10:15`."""
    return format_datetime(_local(moment), _TIME[language], locale=language)


def until(moment: datetime, since: datetime, language: Language) -> str:
    """When what began at `since` ends: the time of day, with the day if it is another."""
    same_day = _local(moment).date() == _local(since).date()
    return time_of_day(moment, language) if same_day else day_and_time(moment, language)


def _local(moment: datetime) -> datetime:
    return moment.astimezone(domain().LOCAL_ZONE)


def distance(metres: int, language: Language) -> str:
    """Kilometres with one decimal below ten: `4,2 km` / `4.2 km`, `12 km`."""
    kilometres = metres / 1000
    rounded = round(kilometres, 1) if kilometres < 10 else round(kilometres)
    return f"{format_decimal(rounded, locale=language)} km"


def duration(length: timedelta, language: Language) -> str:
    """To the minute: `2 timer og 15 minutter` / `2 hours and 15 minutes`."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    parts = []
    if hours:
        parts.append(format_unit(hours, "duration-hour", "long", locale=language))
    if minutes or not hours:
        parts.append(format_unit(minutes, "duration-minute", "long", locale=language))
    return (" og " if language == "da" else " and ").join(parts)
