"""Pages as HTML, in the reader's language."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2
from brobyg_kit import texts
from brobyg_kit.wording import Language

from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.wording import machine_time

TEXTS = Path(__file__).parent.parent / "texts"


def render(page: PageName, language: Language, facts: Mapping[str, object]) -> str:
    """The page. Raises jinja2.UndefinedError when a fact it needs is missing."""
    return _environment(language).get_template(f"{page}.html").render(facts)


@cache
def _environment(language: Language) -> jinja2.Environment:
    environment = texts.environment(TEXTS, language, html=True)
    environment.filters["machine_time"] = machine_time
    environment.globals["other_language"] = "en" if language == "da" else "da"
    return environment
