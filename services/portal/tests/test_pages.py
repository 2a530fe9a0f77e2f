"""Every page can be read by everybody: structure, language, contrast; and in both languages."""

import hashlib
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
from brobyg_portal.adapters.assets import FOLDER as STATIC
from brobyg_portal.adapters.assets import assets
from brobyg_portal.adapters.pages import Help, Pages
from brobyg_portal.adapters.passkeys import OwnPasskey
from brobyg_portal.domain.address import Address
from brobyg_portal.domain.listing import Column, listing
from brobyg_portal.domain.operations import Letter, Overview, ServiceState, Trouble
from brobyg_portal.domain.page import PageName
from brobyg_portal.domain.session import Session
from brobyg_portal.domain.wording import choose_language
from brobyg_portal.entrypoints.web import PAGE_OF_REPLY, PAGE_OF_STATE, TAKEN
from brobyg_portal.ports import Offer, OfferState, Reply
from brobyg_portal.settings import PortalSettings
from brobyg_portal.texts import FOLDER
from fastapi import Request
from pydantic import ValidationError

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
LETTER = Letter(1, "e", "s", "t", "hospital.appointment.v1", 0, 5, "dead", "x", 7, NOON, NOON)
OVERVIEW = Overview([
    ServiceState("matching", "silent", None, (Trouble("down", "", "brobyg local start matching"),))
])  # fmt: skip
FACTS: dict[str, Any] = {
    "next": "/", "staff": True, "subject": "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11",
    "options": "{}", "refused": True, "done": "added", "own": [OwnPasskey(b"id", NOON, NOON)],
    "available": True, "all_pages": True, "email": "", "state": "used",
    "onward": "http://127.0.0.1/out", "told": True, "typed": "", "ended": 1,
    "sent": [("form", "x"), ("subject", "y")],
    "form": lambda path: f"nonce.{path}",
    "names": {"departments": {}, "organisations": {}}, "overview": OVERVIEW,
    "services": listing(
        [Column("name", sortable=False)], [{"name": "matching", "rejections": 2}], "", ""
    ),
    "letters": listing(
        [Column("type")], [{"type": "t", "service": "matching", "id": 1, "reason": "x"}], "", ""
    ),
    "now": NOON, "letter": LETTER, "chosen": "",
    "reasons": ["mistaken"],
    "person_id": "p", "before": None, "older": 7, "emergencies": 1,
    "accesses": listing([Column("read_at")], [{"read_at": NOON}], "", ""),
    "session": Session(
        "s", "staff", "p", frozenset({"coordinator"}), None, None, NOON, administrator=True
    ),
    "listing": listing([Column("subject", sortable=False)], [{"subject": "p"}], "", ""),
    "token": "a.b", "withdrawable": True, "here": Address("/answer/a.b"), "help": Help(),
    "languages": [("da", "Dansk"), ("en", "English")],
    "offer": Offer(
        "open", None, "escort", NOON, NOON, "Regionshospitalet Randers", "home", NOON, NOON, 4210,
        "da", NOON, withdrawable=False,
    ),
}  # fmt: skip
#: What is wrong on pages with a form.
ERRORS = {"sessions": {"subject": "not_an_id"}, "link_ask": {"email": "not_an_address"}}
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

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A part of a drawing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.words[self.open[-1]] = self.words.get(self.open[-1], "") + data


def written(
    name: PageName, language: str, pathway: str | None, facts: dict[str, Any] = FACTS
) -> str:
    templates = [f"{pathway}/{name}.html", f"default/{name}.html"]
    return pages.written(templates, language, **facts | {"errors": ERRORS.get(name, {})})


@pytest.mark.parametrize("pathway", ["escort", "toy", None])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", get_args(PageName))
def test_every_page_has_a_language_a_title_one_heading_and_landmarks(
    name: PageName, language: str, pathway: str | None
) -> None:
    html = written(name, language, pathway)
    outline = Outline(html)
    assert f'<html lang="{language}" dir="ltr">' in html
    assert outline.words["title"].strip().endswith("Brobyg")
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        step <= 1
        for step in (b - a for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    )
    assert [outline.tags[one] for one in ("main", "header", "footer", "nav")] == [1, 1, 1, 2]
    assert outline.tags["script"] == {"operations": 2, "passkeys": 1, "passkey_sign_in": 1}.get(
        name, 0
    )
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
    html = written(name, language, pathway, {**FACTS, "session": None})
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
    assert html.index('class="skipnav"') < html.index("<header"), (
        "the way to the content comes first for a keyboard"
    )


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_are_far_enough_apart(scheme: int) -> None:
    style = (STATIC / "portal.css").read_text()
    blocks = re.findall(r":root \{([^}]+)\}", style)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    papers = [name for name in colours if name == "raised" or name.endswith("paper")]
    assert len(papers) == 6
    for paper in papers:
        assert contrast(colours["ink"], colours[paper]) >= 4.5, paper
    for paper in ("paper", "raised"):
        for name in ("quiet", "link", "wrong", "focus"):
            assert contrast(colours[name], colours[paper]) >= 4.5, (name, paper)
        for edge in ("edge", "action", "warn-edge", "good", "info-edge", "wrong"):
            assert contrast(colours[edge], colours[paper]) >= 3, (edge, paper)
    for action in ("action", "action-over"):
        assert contrast(colours["on-action"], colours[action]) >= 4.5, action


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
        message.id
        for message in catalogue
        if message.id and (not all(_forms(message.string)) or message.fuzzy)
    ]


def _forms(said: str | tuple[str, ...]) -> tuple[str, ...]:
    """A text in the singular and the plural, or the one that it has."""
    return (said,) if isinstance(said, str) else said


def test_what_comes_from_outside_can_not_bring_markup() -> None:
    offer = replace(FACTS["offer"], location_name="<b>x</b>")
    here = Address('/answer/"><script>', [("x", '"><script>')])
    html = written("offer", "da", "escort", {**FACTS, "offer": offer, "here": here})
    assert "<b>x" not in html
    assert "<script" not in html


def test_every_state_and_every_reply_has_a_page() -> None:
    assert set(PAGE_OF_STATE) == set(get_args(OfferState))
    assert set(PAGE_OF_REPLY) | TAKEN == set(get_args(Reply))
    assert not TAKEN & set(PAGE_OF_REPLY)


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


@pytest.mark.parametrize("secure", [True, False])
def test_cookies_are_secure_by_the_portals_address_whatever_a_proxy_says(secure: bool) -> None:
    scope = {
        "type": "http", "method": "GET", "path": "/was", "query_string": b"language=en",
        "headers": [], "scheme": "http", "server": ("inside", 8000),
    }  # fmt: skip
    page = Pages("da", secure=secure).render(Request(scope), "statement.html")
    assert ("Secure" in page.headers["set-cookie"]) == secure
    assert "form-action 'self';" in page.headers["content-security-policy"]


def test_the_default_language_has_a_catalogue() -> None:
    with pytest.raises(ValidationError, match="known are da, en"):
        PortalSettings(default_language="so")


def test_what_others_made_is_here_unchanged_with_its_licence() -> None:
    told = (STATIC / "vendor" / "README.md").read_text()
    hashes = {
        name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", told, re.MULTILINE)
    }
    files = [path for path in (STATIC / "vendor").rglob("*") if path.is_file()]
    names = {str(path.relative_to(STATIC / "vendor")): path for path in files}
    assert set(hashes) == set(names) - {"README.md"}
    for name, digest in hashes.items():
        assert hashlib.sha256(names[name].read_bytes()).hexdigest() == digest, name


def test_a_page_weighs_no_more_than_150_kb_with_all_it_may_need() -> None:
    """Every script, style and font at once, as they are sent; a page has less."""
    sent = {name: len(one.gzipped or one.body) for name, one in assets().files.items()}
    assert sum(sent.values()) <= 150_000, sent


def test_a_link_changes_what_it_names_and_keeps_the_rest_of_the_address() -> None:
    here = Address("/lists/æ b", [("q", "Å & x"), ("page", "3")])
    assert here.but(page=None, sort="-when") == "/lists/%C3%A6%20b?q=%C3%85+%26+x&sort=-when"
    assert str(here) == "/lists/%C3%A6%20b?q=%C3%85+%26+x&page=3"
    assert (here.value("q"), here.value("none")) == ("Å & x", "")


def test_a_table_is_sorted_and_paged_by_any_words_of_an_address() -> None:
    columns = [Column("name"), Column("metres"), Column("state", sortable=False)]
    rows = [{"name": f"n{n % 4}", "metres": n * 7 % 23, "state": n} for n in range(23)]
    first = listing(columns, rows, "metres", "1")
    assert [row["metres"] for row in first.rows] == list(range(10))
    assert (first.of, first.total, first.numbers) == (3, 23, [1, 2, 3])
    assert [row["metres"] for row in listing(columns, rows, "-metres", "3").rows] == [2, 1, 0]
    assert first.turned("metres") == "-metres"
    assert first.turned("name") == "name"
    for sort in ("state", "-state", "none", "-", "", "x" * 5000):
        assert listing(columns, rows, sort, "1").rows == rows[:10]
    for page, number in (("99", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 5000, 1), ("²", 1)):
        assert listing(columns, rows, "", page).number == number
    assert listing(columns, [], "metres", "1").numbers == [1]
    assert listing(columns, rows * 20, "", "20").numbers == [1, None, 19, 20, 21, None, 46]
