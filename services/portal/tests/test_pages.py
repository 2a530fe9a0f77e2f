"""Every page can be read by everybody: structure, language, contrast; and in both languages."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from brobyg_kit.catalogues import languages
from brobyg_portal.adapters import pages
from brobyg_portal.adapters.sessions import OpenSession
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.session import Session
from brobyg_portal.domain.wording import choose_language
from brobyg_portal.entrypoints.web import PAGE_OF_REPLY, PAGE_OF_STATE, STYLE
from brobyg_portal.ports import Offer, OfferState, Reply
from brobyg_portal.settings import PortalSettings
from brobyg_portal.texts import FOLDER
from pydantic import ValidationError

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "here": "/", "next": "/", "staff": True, "subject": "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11",
    "onward": "http://127.0.0.1/out", "told": True, "typed": "", "wrong": True, "ended": 1,
    "form": lambda path: f"nonce.{path}",
    "session": Session(
        "s", "staff", "p", frozenset({"coordinator"}), None, None, NOON, administrator=True
    ),
    "sessions": [OpenSession("p", "staff", ["coordinator"], None, None, NOON, NOON)],
    "token": "a.b", "asked_language": False, "withdrawable": True,
    "offer": Offer(
        "open", None, "escort", NOON, NOON, "Regionshospitalet Randers", "home", NOON, NOON, 4210,
        "da", NOON, withdrawable=False,
    ),
}  # fmt: skip
LANGUAGES = languages(FOLDER)
VOID = {"meta", "link", "br", "input", "img"}


class Outline(HTMLParser):
    """What a screen reader goes by."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.headings: list[int] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: dict[str, str] = {}
        self.feed(html)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.words[self.open[-1]] = self.words.get(self.open[-1], "") + data


@pytest.mark.parametrize("pathway", ["escort", "toy", None])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", get_args(PageName))
def test_every_page_has_a_language_a_title_one_heading_and_landmarks(
    name: PageName, language: str, pathway: str | None
) -> None:
    html = pages.render(name, language, pathway, FACTS)
    outline = Outline(html)
    assert f'<html lang="{language}">' in html
    assert outline.words["title"].strip().endswith("Brobyg")
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        step <= 1
        for step in (b - a for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    )
    assert [outline.tags[one] for one in ("main", "header", "footer", "nav")] == [1, 1, 1, 1]
    assert outline.tags["script"] == 0
    assert not [
        tag
        for tag, attributes in outline.attributes
        if "style" in attributes or any(a.startswith("on") for a in attributes)
    ]
    identifiers = [attributes["id"] for _, attributes in outline.attributes if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("pathway", ["escort", "toy"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "buttons"), [("offer", 2), ("choose", 2), ("accepted", 1)])
def test_the_buttons_say_what_they_do_in_one_named_group(
    name: PageName, buttons: int, language: str, pathway: str
) -> None:
    html = pages.render(name, language, pathway, FACTS)
    outline = Outline(html)
    assert (
        outline.tags["form"],
        outline.tags["fieldset"],
        outline.tags["legend"],
        outline.tags["button"],
    ) == (
        1,
        1,
        1,
        buttons,
    )
    assert len(outline.words["button"]) > 12
    assert html.index('class="skip"') < html.index("<header>"), (
        "the way to the content comes first for a keyboard"
    )


def test_colours_are_far_enough_apart() -> None:
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", STYLE.read_text()))
    for name in ("ink", "quiet", "yes", "yes-dark", "focus"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    assert contrast(colours["line"], colours["paper"]) >= 3
    assert contrast(colours["yes"], "#eaf1f7") >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.1: relative luminances, the lighter over the darker."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_danish_catalogue_is_complete() -> None:
    options = {"extensions": "jinja2.ext.i18n", "silent": "false"}
    used = {
        text
        for file in FOLDER.rglob("*.html")
        for _, text, _, _ in extract_from_file(
            "jinja2.ext.babel_extract", file, {"_": None, "ngettext": (1, 2)}, options=options
        )
    }
    with (FOLDER / "locale" / "da.po").open("rb") as file:
        catalogue = read_po(file, locale="da")
    assert used == {message.id for message in catalogue if message.id}
    assert not [
        message.id for message in catalogue if message.id and (not message.string or message.fuzzy)
    ]


def test_what_comes_from_outside_can_not_bring_markup() -> None:
    offer = replace(FACTS["offer"], location_name="<b>x</b>")
    html = pages.render("offer", "da", "escort", {**FACTS, "offer": offer, "token": '"><script>'})
    assert "<b>x" not in html
    assert "<script" not in html


def test_every_state_and_every_reply_has_a_page() -> None:
    assert set(PAGE_OF_STATE) == set(get_args(OfferState))
    assert set(PAGE_OF_REPLY) == set(get_args(Reply))


@pytest.mark.parametrize(
    ("asked", "own", "accepted", "language"),
    [
        ("en", "da", "da", "en"),
        ("xx", "en", "da", "en"),
        (None, None, "de, en;q=0.5", "en"),
        (None, None, "", "da"),
    ],
)
def test_the_switch_wins_then_the_helper_then_the_browser_then_the_default(
    asked: str | None, own: str | None, accepted: str, language: str
) -> None:
    assert choose_language(asked, own, accepted, ("da", "en"), "da") == language


def test_the_default_language_has_a_catalogue() -> None:
    with pytest.raises(ValidationError, match="known are da, en"):
        PortalSettings(default_language="so")
