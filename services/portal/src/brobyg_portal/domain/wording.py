"""Times, distances and languages as a reader in Denmark meets them. Pure."""

from datetime import datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal
from babel.units import format_unit

Language = Literal["da", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOCAL = ZoneInfo("Europe/Copenhagen")

_DAY_AND_TIME: dict[Language, str] = {"da": "EEEE 'den' d. MMMM 'kl.' H.mm", "en": "EEEE d MMMM, HH:mm"}
_TIME: dict[Language, str] = {"da": "'kl.' H.mm", "en": "HH:mm"}


def choose(asked: str | None, own: str | None, accepted: str) -> Language:
    """The page's language: what the switch asks for, else the volunteer's own, else the first the browser accepts, else Danish."""
    browser = [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    for wish in (asked, own, *browser):
        if wish == "da":
            return "da"
        if wish == "en":
            return "en"
    return "da"


def day_and_time(moment: datetime, language: Language) -> str:
    """`tirsdag den 1. december kl. 10.15` / `Tuesday 1 December, 10:15`, local time."""
    return format_datetime(moment.astimezone(LOCAL), _DAY_AND_TIME[language], locale=language)


def time_of_day(moment: datetime, language: Language) -> str:
    """`kl. 10.15` / `10:15`, local time."""
    return format_datetime(moment.astimezone(LOCAL), _TIME[language], locale=language)


def machine_time(moment: datetime) -> str:
    """For the `datetime` attribute of HTML's `time`: local, with its offset."""
    return moment.astimezone(LOCAL).isoformat(timespec="minutes")


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
