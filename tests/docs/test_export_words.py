"""What an export says is said in Danish too, and every service that keeps something is asked."""

from itertools import chain
from typing import get_args

import pytest
from brobyg_contracts import EVENTS
from brobyg_contracts.domain import EXPORT_TEXTS, PEOPLE, ROLES
from brobyg_contracts.events import Gender, Meeting, Mobility
from brobyg_contracts.pathways import Means
from brobyg_contracts.words import WORDS
from brobyg_kit.catalogues import catalogue
from brobyg_kit.cli import load_service, service_entry_points
from brobyg_kit.export import Held, Holdings
from brobyg_kit.export_words import Words, label, word
from brobyg_matching.adapters.holdings import holdings as of_matching
from brobyg_notification.adapters.holdings import HOLDINGS as OF_NOTIFICATION
from brobyg_portal.adapters.holdings import HOLDINGS as OF_PORTAL
from brobyg_referral.holdings import holdings as of_referral
from brobyg_reporting.adapters.holdings import HOLDINGS as OF_REPORTING
from msgspec import structs

ALL: dict[str, Holdings] = {
    "matching": of_matching(None),  # type: ignore[arg-type]  # nothing is opened
    "notification": OF_NOTIFICATION,
    "portal": OF_PORTAL,
    "referral": of_referral(None),  # type: ignore[arg-type]
    "reporting": OF_REPORTING,
}
HELD: list[Held] = [
    one for held in ALL.values() for one in chain.from_iterable(held.sections.values())
]


def test_every_service_that_keeps_something_says_what() -> None:
    keeping = {name for name in service_entry_points() if load_service(name).metadata is not None}
    assert keeping == ALL.keys()
    people = set(chain.from_iterable(one.sections for one in ALL.values()))
    assert people == {*PEOPLE.values()}


@pytest.mark.parametrize("word", sorted({one.heading for one in HELD}))
def test_every_heading_is_said_in_danish(word: str) -> None:
    assert catalogue(EXPORT_TEXTS, "da").gettext(word) != word


def test_every_field_is_said_in_danish() -> None:
    said = catalogue(EXPORT_TEXTS, "da")._catalog  # type: ignore[attr-defined]
    fields = {label(name) for one in HELD for name in one.fields}
    assert sorted(fields - said.keys()) == []


#: What no export of a person holds: reference data, about nobody.
REFERENCE = {"calendar", "department", "organisation", "place", "pool", "postcode"}


def test_every_code_that_the_schemas_know_is_said_in_danish() -> None:
    da = catalogue(EXPORT_TEXTS, "da")
    known = {one for words in WORDS.values() for found in words.values() for one in found}
    known |= {*get_args(Mobility), *get_args(Meeting), *get_args(Gender), *get_args(Means), *ROLES}
    said = {one: da.pgettext("word", word(one)) for one in {*known, *EVENTS}}
    same = {"digital", "hospital", "portal", "session", "video"}  # the same word in Danish
    assert sorted(one for one, text in said.items() if text == word(one) and one not in same) == []


def test_every_field_of_the_history_is_said_in_danish() -> None:
    said = catalogue(EXPORT_TEXTS, "da")._catalog  # type: ignore[attr-defined]
    told = [kind for name, kind in EVENTS.items() if name.split(".")[2] not in REFERENCE]
    fields = {label(one.name) for kind in told for one in structs.fields(kind)}
    assert sorted(fields - said.keys()) == []


def test_codes_json_and_minutes_are_said_in_words() -> None:
    row = {
        "type": "dk.brobyg.consent.given",
        "purpose": "export",
        "mobility": "walking_aid",
        "languages": ["da", "en"],
        "template": "offer",
        "way": "offer",
        "another": "some_new_code",
        "crew": '[{"role": "companion", "least": 1, "wanted": 2}]',
        "availability": [{"weekday": 2, "since": 420, "until": 1205}],
        "data": {"given_at": "2026-11-30T08:00:00+00:00", "by_guardian": False},
        "nothing": None,
    }
    assert Words(catalogue(EXPORT_TEXTS, "da"), "da").row(row) == [
        "  - Type: samtykke givet",
        "    Formål: for at samle alt, hvad vi har om dig",
        "    Gangfunktion: bruger rollator eller stok",
        "    Sprog: dansk, engelsk",
        "    Skabelon: spørgsmål, om du kan hjælpe",
        "    Hvordan hjælperen fik pladsen: sagde ja til et tilbud",
        "    Another: some new code",
        "    Antal hjælpere: Rolle ledsager, Mindst 1, Ønsket 2",
        "    Hvornår du kan: tirsdag 07:00-20:05",
        "    Oplysninger:",
        "      Givet den: 2026-11-30 09:00",
        "      Givet af en værge: nej",
    ]
    english = Words(catalogue(EXPORT_TEXTS, "en"), "en").row(row)
    assert english[:3] == [
        "  - Type: consent given",
        "    Purpose: to collect all that is held of you",
        "    Mobility: walking aid",
    ]
    assert "    Availability: Tuesday 07:00-20:05" in english


def test_no_helper_is_told_which_referral_of_a_citizen_it_was() -> None:
    told = [one for held in ALL.values() for one in held.sections.get("volunteers", ())]
    assert len(told) > 10
    assert [one.heading for one in told if "referral_id" in one.fields] == []


def test_control_a_word_without_danish_is_found() -> None:
    assert catalogue(EXPORT_TEXTS, "da").gettext(label("diary_page")) == "Diary page"
