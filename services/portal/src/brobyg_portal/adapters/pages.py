"""Pages as HTML, in the reader's language."""

from collections.abc import Mapping
from functools import cache

import jinja2
from babel import Locale
from brobyg_kit import texts
from brobyg_kit.catalogues import Language, languages

from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import machine_time
from brobyg_portal.texts import FOLDER


def render(
    page: PageName, language: Language, pathway: str | None, facts: Mapping[str, object]
) -> str:
    """The page, with the pathway's own text where it has one.

    Raises jinja2.UndefinedError when a fact it needs is missing.
    """
    names = [f"{place}/{page}.html" for place in (pathway, "default")]
    return _environment(language).select_template(names).render(facts)


@cache
def _environment(language: Language) -> jinja2.Environment:
    environment = texts.environment(FOLDER, language, html=True)
    environment.filters["machine_time"] = machine_time
    environment.globals["other_languages"] = [
        (one, str(Locale.parse(one).get_display_name(one)).capitalize())
        for one in languages(FOLDER)
        if one != language
    ]
    return environment
