"""What an export says is said in Danish too, and every service that keeps something is asked."""

from itertools import chain

import pytest
from brobyg_contracts.domain import EXPORT_TEXTS, PEOPLE
from brobyg_kit.catalogues import catalogue
from brobyg_kit.cli import load_service, service_entry_points
from brobyg_kit.export import Held, Holdings
from brobyg_kit.export_cli import label
from brobyg_matching.adapters.holdings import holdings as of_matching
from brobyg_notification.adapters.holdings import HOLDINGS as OF_NOTIFICATION
from brobyg_referral.holdings import holdings as of_referral
from brobyg_reporting.adapters.holdings import HOLDINGS as OF_REPORTING

ALL: dict[str, Holdings] = {
    "matching": of_matching(None),  # type: ignore[arg-type]  # nothing is opened
    "notification": OF_NOTIFICATION,
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


def test_no_helper_is_told_which_referral_of_a_citizen_it_was() -> None:
    told = [one for held in ALL.values() for one in held.sections.get("volunteers", ())]
    assert len(told) > 10
    assert [one.heading for one in told if "referral_id" in one.fields] == []


def test_control_a_word_without_danish_is_found() -> None:
    assert catalogue(EXPORT_TEXTS, "da").gettext(label("diary_page")) == "Diary page"
