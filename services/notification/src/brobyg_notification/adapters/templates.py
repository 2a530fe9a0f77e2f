"""Renders messages as text, HTML and a calendar entry's texts, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

import jinja2
from brobyg_kit import texts, wording
from brobyg_kit.catalogues import Language, catalogue

from brobyg_notification.ports import Message
from brobyg_notification.texts import FOLDER

Format = Literal["text", "html"]


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark `message` for the catalogues."""
    return message


#: Why nobody was found, and matching's hard rules by the names that events tell. A word that is
#: missing here is shown as it is.
WORDS = {
    "nobody_available": N_("Nobody met every requirement"),
    "nobody_answered": N_("None of those asked said yes in time"),
    "too_late": N_("It became known too late to ask anyone"),
    "no_room": N_("No room is free"),
    "clash": N_("The citizen is somewhere else at that time"),
    "part_of_way": N_(
        "Whoever has the citizen's other appointment on the same way does not have this one"
    ),
    "active": N_("not active"),
    "pool": N_("not in a pool for this kind of help"),
    "paper": N_("lacks a paper that is required"),
    "not_suitable": N_("not suitable for this task"),
    "competence": N_("lacks a competence"),
    "range": N_("too far away"),
    "blocked": N_("one of the two does not want it"),
    "elsewhere": N_("is with somebody else at that time"),
    "weekly_limit": N_("has reached the weekly limit"),
    "caseload": N_("has no room for another case"),
    "availability": N_("not available for the whole time"),
    "notice": N_("too short notice for this helper"),
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


def render(message: Message) -> Rendered:
    """The message in its language.

    A template is looked for among those of the pathway's role (`<pathway>/<role>/`), then of the
    pathway (`<pathway>/`), then in `default/`. Raises jinja2.UndefinedError when a fact that the
    template needs is missing.
    """
    places = (f"{message.pathway}/{message.seat_role}", message.pathway, "default")
    names = [f"{place}/{message.template}.j2" for place in places]
    plain = _environment(message.language, message.zone, "text").select_template(names)
    rich = _environment(message.language, message.zone, "html").select_template(names)
    return Rendered(
        subject=_block(plain, "subject", message.facts),
        text=plain.render(message.facts, macros="text.j2").strip() + "\n",
        html=rich.render(message.facts, macros="html.j2"),
        calendar_summary=_block(plain, "summary", message.facts),
        calendar_note=_block(plain, "note", message.facts),
    )


def in_words(name: str, language: Language) -> str:
    """A reason's or rule's name (`weekly_limit`) as a coordinator reads it."""
    text = WORDS.get(name)
    return catalogue(FOLDER, language).gettext(text) if text else name.replace("_", " ")


def _block(template: jinja2.Template, name: str, facts: Mapping[str, object]) -> str:
    block = template.blocks.get(name)
    return " ".join("".join(block(template.new_context(dict(facts)))).split()) if block else ""


@cache
def _environment(language: Language, zone: ZoneInfo, format_: Format) -> jinja2.Environment:
    environment = texts.environment(FOLDER, language, html=format_ == "html", zone=zone)
    environment.filters |= {
        "minutes": lambda count: wording.duration(timedelta(minutes=count), language),
        "in_words": lambda name: in_words(name, language),
        "rules_in_words": lambda counts: [
            (in_words(rule, language), str(count)) for rule, count in sorted(counts.items())
        ],
    }
    return environment
