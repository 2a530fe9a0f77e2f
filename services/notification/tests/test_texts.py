"""What people read: complete in both languages, plain, and without what is nobody's business."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from brobyg_kit.catalogues import languages
from brobyg_kit.wording import day_and_time, time_of_day
from brobyg_notification.adapters import templates
from brobyg_notification.domain.notice import Template
from brobyg_notification.ports import Message
from brobyg_notification.texts import FOLDER
from jinja2 import UndefinedError

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
COPENHAGEN = ZoneInfo("Europe/Copenhagen")
LANGUAGES = languages(FOLDER)
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
    "department": "Randers og Norddjurs",
    "asked": 3,
    "excluded": {"x": 1},
    "need_id": "n-1",
    "referral_id": "r-1",
    "asked_before": True,
    "other_need_id": "n-2",
    "other_place": "Sundhedshus Grenaa",
    "other_starts_at": NOON,
    "other_ends_at": NOON,
    "role": "helper",
}
#: Of a need without a span, a place or a citizen.
BARE = dict.fromkeys(
    ("starts_at", "ends_at", "meet_at", "home_at", "minutes", "distance_metres", "meeting",
     "referral_id", "other_need_id", "other_starts_at", "other_ends_at")
) | {"other_place": "", "place": "", "other": "", "meeting_point": ""}  # fmt: skip
REASONS = [
    "appointment_cancelled", "appointment_rescheduled", "consent_withdrawn", "helper_withdrew",
    "of_a_later_version",
]  # fmt: skip

#: What is told of an escalation in the place of each.
_OF_ESCALATIONS = {"appointment_cancelled": "nobody_answered", "consent_withdrawn": "clash"}


def written(
    template: Template,
    language: str,
    facts: dict[str, object] = FACTS,
    pathway: str = "escort",
    seat_role: str | None = "companion",
) -> templates.Rendered:
    """The texts of a message that says these facts."""
    return templates.render(
        Message(
            notification_id="x",
            template=template,
            pathway=pathway,
            seat_role=seat_role,
            language=language,
            zone=COPENHAGEN,
            facts=facts,
            recipient="ellen@example.org",
            sent_at=NOON,
            entry=None,
        )
    )


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("pathway", "facts"), [("escort", FACTS), ("toy", FACTS), ("toy", FACTS | BARE)]
)
@pytest.mark.parametrize("template", get_args(Template))
def test_every_message_can_be_written_in_every_language_for_every_pathway(
    template: Template, pathway: str, facts: dict[str, object], language: str, reason: str
) -> None:
    told = _OF_ESCALATIONS.get(reason, reason) if template.startswith("escalated") else reason
    letter = written(template, language, facts | {"reason": told}, pathway)
    assert letter.subject
    assert len(letter.subject) < 120
    assert "\n" not in letter.subject
    assert f'<html lang="{language}">' in letter.html
    assert "<script" not in letter.html
    assert not re.search(r": None$|>None<", letter.text + letter.html, re.MULTILINE)
    assert bool(letter.calendar_summary) == (template.startswith(("matched", "released")))


def test_a_pathway_or_one_of_its_roles_may_have_words_of_its_own(tmp_path, monkeypatch) -> None:
    said = "{% block subject %}NAME{% endblock %}{% block summary %}{% endblock %}"
    for place in ("default", "toy", "toy/driver"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "offer.j2").write_text(said.replace("NAME", place))
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    templates._environment.cache_clear()
    asked = [("toy", "driver"), ("toy", "guide"), ("toy", None), ("another", "driver")]
    subjects = [written("offer", "en", {}, *one).subject for one in asked]
    templates._environment.cache_clear()
    assert subjects == ["toy/driver", "toy", "toy", "default"]


def test_only_a_pathways_own_texts_speak_of_its_kind_of_help() -> None:
    for template in get_args(Template):
        facts = FACTS | {"reason": "too_late", "place": "Toytown"}
        letter = written(template, "en", facts, "toy")
        told = letter.text.partition("\n-- \n")[0]
        assert not re.search("volunteer|accompan|appointment|hospital", told), template


@pytest.mark.parametrize("template", ["offer", "matched_citizen", "matched_helper", "escalated"])
def test_an_appointment_over_days_does_not_look_like_half_an_hour(template: Template) -> None:
    facts = FACTS | {"reason": "nobody_answered", "ends_at": NOON + timedelta(days=2)}
    letter = written(template, "da", facts)
    assert letter.text.count(day_and_time(NOON + timedelta(days=2), "da")) >= 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("meeting", ["home", "at_location"])
@pytest.mark.parametrize("template", ["offer", "matched_citizen", "matched_helper"])
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
    letter = written(template, language, facts)
    told = f"{letter.subject}\n{letter.text}\n{letter.calendar_summary}\n{letter.calendar_note}"
    assert day_and_time(facts["meet_at"], language) in told
    for moment in (facts[name] for name in ("ends_at", "meet_at", "home_at", "expires_at")):
        times, days = time_of_day(moment, language), day_and_time(moment, language)
        assert told.count(times) == told.count(days), times


def test_the_danish_catalogue_is_complete() -> None:
    with (FOLDER / "locale" / "da.po").open("rb") as file:
        catalogue = read_po(file, locale="da")
    assert messages_in_use() == {message.id for message in catalogue if message.id}
    assert not [message.id for message in catalogue if message.id and not message.string]
    assert not [message.id for message in catalogue if message.fuzzy]


def test_translations_keep_the_places_for_facts() -> None:
    with (FOLDER / "locale" / "da.po").open("rb") as file:
        for message in read_po(file, locale="da"):
            if message.id:
                names = re.compile(r"%\((\w+)\)s")
                assert set(names.findall(str(message.id))) == set(
                    names.findall(str(message.string))
                ), message.id


def messages_in_use() -> set[str]:
    options = {"extensions": "jinja2.ext.i18n", "silent": "false"}
    found = set()
    for file in FOLDER.rglob("*.j2"):
        found |= {
            text
            for _, text, _, _ in extract_from_file(
                "jinja2.ext.babel_extract", file, {"_": None}, options=options
            )
        }
    source = Path(templates.__file__)
    return found | {text for _, text, _, _ in extract_from_file("python", source, {"N_": None})}


def test_names_can_not_bring_markup_into_a_message() -> None:
    letter = written("matched_citizen", "en", FACTS | {"other": "<b>&Co"})
    assert "&lt;b&gt;&amp;Co" in letter.html
    assert "<b>&Co" in letter.text


def test_danish_letters_stay_whole_in_text_and_html() -> None:
    letter = written("offer", "da", FACTS)
    assert "Kan du følge med tirsdag den 1. december kl. 12.00?" in letter.subject
    assert "cirka 4,2 km" in letter.html
    assert "http://portal.example.org/answer/a.b" in letter.text.splitlines()


def test_a_missing_fact_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        written("offer", "da", {"reader": "Ellen"})


def test_rules_are_told_in_words_and_unknown_ones_by_name() -> None:
    assert templates.in_words("weekly_limit", "da") == "har nået sin grænse for ugen"
    assert templates.in_words("not_suitable", "da") == "ikke egnet til opgaven"
    assert templates.in_words("new_rule", "en") == "new rule"
