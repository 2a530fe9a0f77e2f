"""Texts for people, in their language: Jinja templates and gettext catalogues of one folder."""

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from brobyg_kit import wording
from brobyg_kit.catalogues import Language, catalogue


def environment(
    folder: Path, language: Language, *, html: bool, zone: ZoneInfo | None = None
) -> jinja2.Environment:
    """The templates of `folder` in `language`. With `html` every value is escaped.

    `_()` translates, times and distances have filters, and a missing value raises
    jinja2.UndefinedError. Times are written in `zone`; None for the installation's own.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=html,  # noqa: S701 - the other half is plain text
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        keep_trailing_newline=True,
    )
    translations = catalogue(folder, language)
    # The i18n extension adds this method to the environment, which its types do not say.
    install: Callable[..., None] = vars(made)["install_gettext_callables"]
    install(translations.gettext, translations.ngettext, newstyle=True)
    made.filters |= {
        "day_and_time": lambda moment: wording.day_and_time(moment, language, zone),
        "date_and_time": lambda moment: wording.date_and_time(moment, language, zone),
        "time_of_day": lambda moment: wording.time_of_day(moment, language, zone),
        "until": lambda moment, since: wording.until(moment, since, language, zone),
        "distance": lambda metres: wording.distance(metres, language),
        "duration": lambda length: wording.duration(length, language),
    }
    made.globals["language"] = language
    return made
