"""What people read: complete in both languages, plain, and without what is nobody's business."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from brobyg_kit.wording import LANGUAGES, day_and_time, time_of_day
from brobyg_notification.adapters import templates
from brobyg_notification.adapters.templates import TEXTS
from brobyg_notification.domain.notice import Template
from jinja2 import UndefinedError

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
FACTS: dict[str, object] = {
    "reader": "Ellen",
    "other": "Einer",
    "place": "Regionshospitalet Randers",
    "starts_at": NOON,
    "ends_at": NOON,
    "meet_at": NOON,
    "home_at": NOON,
    "minutes": 150,
    "meeting": "home",
    "meeting_point": "Testgrusgraven 3",
    "distance_metres": 4210,
    "expires_at": NOON,
    "link": "http://portal.example.org/answer/a.b",
    "changed": False,
    "reason": "appointment_cancelled",
    "department": "Randers",
    "asked": 3,
    "excluded": {"x": 1},
    "appointment_id": "a-1",
    "referral_id": "r-1",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", get_args(Template))
def test_every_message_can_be_written_in_every_language(template: Template, language) -> None:
    reason = "nobody_answered" if template.startswith("escalated") else "appointment_cancelled"
    letter = templates.render(template, language, FACTS | {"reason": reason})
    assert letter.subject
    assert len(letter.subject) < 120
    assert "\n" not in letter.subject
    assert f'<html lang="{language}">' in letter.html
    assert "<script" not in letter.html
    assert not re.search(r": None$|>None<", letter.text + letter.html, re.MULTILINE)
    assert bool(letter.calendar_summary) == (template.startswith(("matched", "released")))


@pytest.mark.parametrize("template", ["offer", "matched_citizen", "matched_volunteer", "escalated"])
def test_an_appointment_over_days_does_not_look_like_half_an_hour(template: Template) -> None:
    letter = templates.render(
        template, "da", FACTS | {"reason": "nobody_answered", "ends_at": NOON + timedelta(days=2)}
    )
    assert letter.text.count(day_and_time(NOON + timedelta(days=2), "da")) >= 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("meeting", ["home", "at_location"])
@pytest.mark.parametrize("template", ["offer", "matched_citizen", "matched_volunteer"])
def test_every_time_on_another_day_than_the_appointment_names_its_day(
    template: Template, meeting: str, language
) -> None:
    midnight = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)  # Tuesday 1 December, local time
    facts = FACTS | {
        "meeting": meeting,
        "starts_at": midnight + timedelta(minutes=20),
        "ends_at": midnight + timedelta(days=1, minutes=5),
        "meet_at": midnight - timedelta(minutes=25),
        "home_at": midnight + timedelta(days=1, minutes=50),
        "expires_at": midnight - timedelta(hours=8),
    }
    letter = templates.render(template, language, facts)
    told = f"{letter.subject}\n{letter.text}\n{letter.calendar_summary}\n{letter.calendar_note}"
    assert day_and_time(facts["meet_at"], language) in told
    for moment in (facts[name] for name in ("ends_at", "meet_at", "home_at", "expires_at")):
        times, days = time_of_day(moment, language), day_and_time(moment, language)
        assert told.count(times) == told.count(days), times


def test_the_danish_catalogue_is_complete() -> None:
    with (TEXTS / "locale" / "da.po").open("rb") as file:
        catalogue = read_po(file, locale="da")
    assert messages_in_use() == {message.id for message in catalogue if message.id}
    assert not [message.id for message in catalogue if message.id and not message.string]
    assert not [message.id for message in catalogue if message.fuzzy]


def test_translations_keep_the_places_for_facts() -> None:
    with (TEXTS / "locale" / "da.po").open("rb") as file:
        for message in read_po(file, locale="da"):
            if message.id:
                names = re.compile(r"%\((\w+)\)s")
                assert set(names.findall(str(message.id))) == set(
                    names.findall(str(message.string))
                ), message.id


def messages_in_use() -> set[str]:
    options = {"extensions": "jinja2.ext.i18n", "silent": "false"}
    found = set()
    for file in TEXTS.glob("*.j2"):
        found |= {
            text
            for _, text, _, _ in extract_from_file(
                "jinja2.ext.babel_extract", file, {"_": None}, options=options
            )
        }
    source = Path(templates.__file__)
    return found | {text for _, text, _, _ in extract_from_file("python", source, {"N_": None})}


def test_names_can_not_bring_markup_into_a_message() -> None:
    letter = templates.render("matched_citizen", "en", FACTS | {"other": "<b>&Co"})
    assert "&lt;b&gt;&amp;Co" in letter.html
    assert "<b>&Co" in letter.text


def test_danish_letters_stay_whole_in_text_and_html() -> None:
    letter = templates.render("offer", "da", FACTS)
    assert "Kan du følge med tirsdag den 1. december kl. 12.00?" in letter.subject
    assert "cirka 4,2 km" in letter.html
    assert "http://portal.example.org/answer/a.b" in letter.text.splitlines()


def test_a_missing_fact_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        templates.render("offer", "da", {"reader": "Ellen"})


def test_rules_are_told_in_words_and_unknown_ones_by_name() -> None:
    assert templates.in_words("weekly_limit", "da") == "har nået sin grænse for ugen"
    assert templates.in_words("new_rule", "en") == "new rule"
