"""Languages and times as the page needs them. Pure."""

from datetime import datetime

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.wording import LANGUAGES, Language


def choose_language(asked: str | None, own: str | None, accepted: str) -> Language:
    """The page's language.

    `asked` is what the switch asks for, else `own` is the volunteer's, else the first of `accepted`
    (the browser's Accept-Language) that there is, else Danish.
    """
    browser = [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    wishes = (asked, own, *browser)
    return next((known for wish in wishes for known in LANGUAGES if known == wish), "da")


def machine_time(moment: datetime) -> str:
    """For the `datetime` attribute of HTML's `time`: local time with its offset."""
    return moment.astimezone(LOCAL_ZONE).isoformat(timespec="minutes")
