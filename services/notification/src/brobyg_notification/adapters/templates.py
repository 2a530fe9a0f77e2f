"""Renders messages as text, HTML and a calendar entry's texts, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

import jinja2
from brobyg_kit import texts, wording
from brobyg_kit.wording import Language

from brobyg_notification.domain.notice import Template

TEXTS = Path(__file__).parent.parent / "texts"
Format = Literal["text", "html"]


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark `message` for the catalogues."""
    return message


#: Why nobody was found, and matching's hard rules. A word that is missing here is shown as it is.
WORDS = {
    "nobody_available": N_("No volunteer met every requirement"),
    "nobody_answered": N_("None of those asked said yes in time"),
    "too_late": N_("The appointment became known too late to ask anyone"),
    "active": N_("not active"),
    "pool": N_("not in a pool for this kind of help"),
    "language": N_("no language in common"),
    "gender": N_("not of the gender asked for"),
    "competence": N_("lacks a competence"),
    "range": N_("too far away"),
    "blocked": N_("one of the two does not want it"),
    "notice": N_("too short notice for this volunteer"),
    "elsewhere": N_("is with somebody else at that time"),
    "weekly_limit": N_("has reached the weekly limit"),
    "availability": N_("not available for the whole time"),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message's texts."""

    subject: str
    text: str
    html: str
    #: Both empty for a message without a calendar file.
    calendar_summary: str
    calendar_note: str


def render(template: Template, language: Language, facts: Mapping[str, object]) -> Rendered:
    """The message in the language.

    Raises jinja2.UndefinedError when a fact the template needs is missing.
    """
    plain = _environment(language, "text").get_template(f"{template}.j2")
    rich = _environment(language, "html").get_template(f"{template}.j2")
    return Rendered(
        subject=_block(plain, "subject", facts),
        text=plain.render(facts, macros="text.j2").strip() + "\n",
        html=rich.render(facts, macros="html.j2"),
        calendar_summary=_block(plain, "summary", facts),
        calendar_note=_block(plain, "note", facts),
    )


def in_words(name: str, language: Language) -> str:
    """A reason's or rule's name (`weekly_limit`) as a coordinator reads it."""
    text = WORDS.get(name)
    return texts.catalogue(TEXTS, language).gettext(text) if text else name.replace("_", " ")


def _block(template: jinja2.Template, name: str, facts: Mapping[str, object]) -> str:
    block = template.blocks.get(name)
    return " ".join("".join(block(template.new_context(dict(facts)))).split()) if block else ""


@cache
def _environment(language: Language, format_: Format) -> jinja2.Environment:
    environment = texts.environment(TEXTS, language, html=format_ == "html")
    environment.filters |= {
        "minutes": lambda count: wording.duration(timedelta(minutes=count), language),
        "in_words": lambda name: in_words(name, language),
        "rules_in_words": lambda counts: [
            (in_words(rule, language), str(count)) for rule, count in sorted(counts.items())
        ],
    }
    return environment
