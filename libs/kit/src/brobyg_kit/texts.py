"""Texts for people, in their language: Jinja templates and gettext catalogues of one folder."""

import gettext
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import jinja2
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from brobyg_kit import wording
from brobyg_kit.wording import Language


@cache
def catalogue(folder: Path, language: Language) -> gettext.NullTranslations:
    """`folder/locale/<language>.po`, compiled in memory. English is the source and has no file.

    Blocks while it is read the first time.
    """
    if language == "en":
        return gettext.NullTranslations()
    compiled = BytesIO()
    with (folder / "locale" / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def environment(folder: Path, language: Language, *, html: bool) -> jinja2.Environment:
    """The templates of `folder` in `language`. With `html` every value is escaped.

    `_()` translates, times and distances have filters, and a missing value raises
    jinja2.UndefinedError.
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
        "day_and_time": lambda moment: wording.day_and_time(moment, language),
        "time_of_day": lambda moment: wording.time_of_day(moment, language),
        "until": lambda moment, since: wording.until(moment, since, language),
        "distance": lambda metres: wording.distance(metres, language),
        "duration": lambda length: wording.duration(length, language),
    }
    made.globals["language"] = language
    return made
