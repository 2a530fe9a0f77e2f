"""What people are told of how long is what is done, in both languages."""

import re
from pathlib import Path

import pytest
from brobyg_contracts.retention import kinds

FOLDER = Path(__file__).parents[2] / "docs/privacy"
#: By reader: what is told in Danish and in English, and the kinds and days it tells of.
TOLD = {
    "citizens": [
        ("Et halvt år", "Half a year", {"citizen_ended": 180}),
        ("i to år", "for two years", {"citizen_silent": 730}),
        ("syv dage", "seven days", {"hospital_messages": 7}),
        ("i fem år", "for five years", {"access_log": 1826}),
        ("**[UDFYLD: 30]** dage", "**[FILL IN: 30]** days", {"backups": 30}),
    ],
    "volunteers": [
        ("Et år efter", "A year after", {"helper_left": 365}),
        ("to år efter", "two years after", {"need": 730}),
        ("i fem år", "for five years", {"access_log": 1826}),
        ("**[UDFYLD: 30]** dage", "**[FILL IN: 30]** days", {"backups": 30}),
    ],
}


@pytest.mark.parametrize("reader", TOLD)
def test_a_notice_says_the_days_that_hold(reader: str) -> None:
    danish, english = (
        re.sub(r"\s+", " ", (FOLDER / f"{reader}.{language}.md").read_text("utf-8"))
        for language in ("da", "en")
    )
    for in_danish, in_english, days in TOLD[reader]:
        assert in_danish in danish
        assert in_english in english
        assert {kind: kinds()[kind].days for kind in days} == days


@pytest.mark.parametrize("reader", TOLD)
def test_a_notice_has_the_same_parts_in_both_languages_and_marks_what_is_to_be_filled_in(
    reader: str,
) -> None:
    texts = [(FOLDER / f"{reader}.{language}.md").read_text("utf-8") for language in ("da", "en")]
    assert len({text.count("\n\n") for text in texts}) == 1
    assert texts[0].count("[UDFYLD:") == texts[1].count("[FILL IN:") > 3
    assert all("datatilsynet.dk" in text for text in texts)
