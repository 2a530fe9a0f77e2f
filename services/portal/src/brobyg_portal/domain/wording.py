"""Languages and times as the page needs them. Pure."""

from collections.abc import Collection
from datetime import datetime

from brobyg_contracts.domain import LOCAL_ZONE


def choose_language(
    asked: str | None, own: str | None, accepted: str, known: Collection[str], default: str
) -> str:
    """The page's language, one of `known`.

    `asked` is what the switch asks for, else `own` is the helper's, else the first of `accepted`
    (the browser's Accept-Language) that there is, else `default`.
    """
    browser = [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    return next((wish for wish in (asked, own, *browser) if wish and wish in known), default)


def machine_time(moment: datetime) -> str:
    """For the `datetime` attribute of HTML's `time`: local time with its offset."""
    return moment.astimezone(LOCAL_ZONE).isoformat(timespec="minutes")
