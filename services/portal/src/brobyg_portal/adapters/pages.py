"""Pages as HTML, in the reader's language."""

import gettext
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

import jinja2
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from brobyg_portal.domain import wording
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import Language

TEXTS = Path(__file__).parent.parent / "texts"


def render(page: PageName, language: Language, facts: Mapping[str, object]) -> str:
    """The page. Raises jinja2.UndefinedError when a fact it needs is missing."""
    return _environment(language).get_template(f"{page}.html").render(facts)


@cache
def _catalogue(language: Language) -> gettext.NullTranslations:
    """The `.po` file, compiled in memory: nobody has a compile step to forget. English is the source and has no file."""
    if language == "en":
        return gettext.NullTranslations()
    compiled = BytesIO()
    with (TEXTS / "locale" / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _environment(language: Language) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEXTS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tongue = _catalogue(language)
    # The i18n extension adds this method to the environment; through getattr because its types don't know it.
    getattr(environment, "install_gettext_callables")(tongue.gettext, tongue.ngettext, newstyle=True)  # noqa: B009
    environment.filters |= {
        "day_and_time": lambda moment: wording.day_and_time(moment, language),
        "time_of_day": lambda moment: wording.time_of_day(moment, language),
        "machine_time": wording.machine_time,
        "distance": lambda metres: wording.distance(metres, language),
        "duration": lambda length: wording.duration(length, language),
    }
    environment.globals |= {"language": language, "other_language": "en" if language == "da" else "da"}
    return environment
