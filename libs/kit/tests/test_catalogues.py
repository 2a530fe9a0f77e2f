"""A language is added by adding a catalogue."""

from datetime import UTC, datetime
from pathlib import Path

from brobyg_kit import texts, wording
from brobyg_kit.catalogues import catalogue, languages

CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "Hello"
msgstr "Moin"
"""


def test_a_folder_speaks_the_sources_language_and_that_of_each_catalogue(tmp_path: Path) -> None:
    (tmp_path / "locale").mkdir()
    (tmp_path / "locale" / "de.po").write_text(CATALOGUE)
    (tmp_path / "hello.j2").write_text("{{ _('Hello') }}")
    assert languages(tmp_path) == ("de", "en")
    written = {
        language: texts.environment(tmp_path, language, html=False)
        .get_template("hello.j2")
        .render()
        for language in ("de", "en", "da")
    }
    assert written == {"de": "Moin", "en": "Hello", "da": "Hello"}
    assert catalogue(tmp_path, "de").gettext("Bye") == "Bye"


def test_a_language_without_patterns_of_its_own_still_names_its_days_and_months() -> None:
    moment = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
    assert wording.day_and_time(moment, "de") == "Dienstag 1 Dezember, 10:15"
