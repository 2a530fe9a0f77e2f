"""Messages as people read them: templates set in the reader's language, as plain text, as HTML and as a calendar entry's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import jinja2
from brobyg_kit import texts, wording
from brobyg_kit.wording import Language

from brobyg_notification.domain.notice import Template

TEXTS = Path(__file__).parent.parent / "texts"
Look = Literal["text", "html"]


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "to be translated where it is used"
    """Mark `message` for the catalogues."""
    return message


ESCALATION_REASONS = {
    "nobody_available": N_("No volunteer met all that is needed"),
    "nobody_answered": N_("None of those asked said yes in time"),
    "too_late": N_("The appointment was known too late to ask"),
}
#: Matching's hard rules. A rule added there and not here is shown by its name.
RULES = {
    "active": N_("not active"),
    "pool": N_("not in a pool for this help"),
    "language": N_("no language in common"),
    "gender": N_("not of the gender asked for"),
    "competence": N_("lacks a competence"),
    "range": N_("too far away"),
    "blocked": N_("one of the two does not wish it"),
    "notice": N_("asked too late for this volunteer"),
    "elsewhere": N_("is with somebody else at the time"),
    "weekly_limit": N_("has the week's escorts already"),
    "availability": N_("not available for the whole time"),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, written."""

    subject: str
    text: str
    html: str
    calendar_summary: str
    calendar_note: str


def write(template: Template, language: Language, facts: Mapping[str, object]) -> Letter:
    """The message in the reader's language. Raises jinja2.UndefinedError when a fact the template needs is missing."""
    plain = _environment(language, "text").get_template(f"{template}.j2")
    rich = _environment(language, "html").get_template(f"{template}.j2")
    tongue = texts.catalogue(TEXTS, language)
    given = {
        **facts,
        "reasons": {key: tongue.gettext(text) for key, text in ESCALATION_REASONS.items()},
    }
    return Letter(
        subject=_block(plain, "subject", given),
        text=plain.render(given, look="text.j2").strip() + "\n",
        html=rich.render(given, look="html.j2"),
        calendar_summary=_block(plain, "summary", given),
        calendar_note=_block(plain, "note", given),
    )


def prepare() -> None:
    """Read templates, catalogues and the languages' calendars, so that the first message is as quick as the others. Blocks for some 100 ms."""
    for language in wording.LANGUAGES:
        wording.day_and_time(datetime(2026, 1, 1, tzinfo=UTC), language)
        for template in get_args(Template):
            for look in get_args(Look):
                _environment(language, look).get_template(f"{template}.j2")


def rule_in_words(rule: str, language: Language) -> str:
    """A hard rule's name (`weekly_limit`) as a coordinator reads it; a rule we have no words for is shown as it is called."""
    text = RULES.get(rule)
    return texts.catalogue(TEXTS, language).gettext(text) if text else rule.replace("_", " ")


def _block(template: jinja2.Template, name: str, facts: Mapping[str, object]) -> str:
    block = template.blocks.get(name)
    return " ".join("".join(block(template.new_context(dict(facts)))).split()) if block else ""


@cache
def _environment(language: Language, look: Look) -> jinja2.Environment:
    environment = texts.environment(TEXTS, language, html=look == "html")
    environment.filters["minutes"] = lambda count: wording.duration(
        timedelta(minutes=count), language
    )
    return environment
