"""Whoever types a name roughly right finds it; what is stored says nothing of it."""

from datetime import date

import pytest
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.domain.cpr import born
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import (
    HOWS,
    SHORTEST_ALONE,
    Term,
    sounding,
    terms_of,
    wanted,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

#: As it stands, and as it is typed.
TYPOS = {
    "Åge": ["aage", "Age", "ÅGE", "Aåge", "A\u030age"],
    "Kjær": ["kjaer", "Kiær", "Kjer", "KJÆR", "kjær"],
    "Søren": ["soeren", "Sören", "Soren", "søren", "SØREN", "Zøren"],
    "Jørgensen": ["joergensen", "Jørgenssen", "Jorgensen", "jörgensen", "Jørgenzen"],
    "Philip": ["Filip", "Phillip", "fillip", "filipp"],
    "Christian": ["Kristian", "kristjan", "Christjan", "chr"],
    "Christoffersen": ["Kristoffersen", "Christophersen", "Kristofersen", "kristofer"],
    "Thomas": ["Tomas", "Thommas", "tommas"],
    "Mathias": ["Matias", "Matthias", "Mattias"],
    "Erik": ["Erick", "Eric", "Erich", "Errik"],
    "Lauridsen": ["Lauritsen", "Lauritzen", "Lauridzen", "lauritz"],
    "Nielsen": ["Nilsen", "Nielzen", "nils"],
    "Sofie": ["Sophie", "Sofi", "Zofie"],
    "Lund": ["Lunt", "Lundt", "lun"],
    "Schmidt": ["Smidt", "Schmitt", "Smit", "Schmid", "sch"],
    "Wagner": ["Vagner", "wagnér", "Waggner"],
    "Zacharias": ["Sakarias", "Zakarias", "Sacharias", "sach"],
    "Yvonne": ["Ivonne", "Yvone", "ivone", "Yvonné"],
    "Einer": ["Ejner", "Eyner"],
    "Cecilie": ["Sesilie", "Cecillie", "Cesilie", "Zezilie"],
    "Carl": ["Karl", "Carll", "kar"],
    "Hjalmar": ["Jalmar", "Hjallmar", "Hialmar"],
    "Hvidberg": ["Vidberg", "Hwidberg", "hvidb", "widb"],
    "Quist": ["Kvist", "Qvist", "kvi"],
    "Alexander": ["Aleksander", "Alexandér", "alex", "aleks"],
    "Michael": ["Mikael", "Mikkael", "micha", "mika"],
    "Hans-Jørgen": ["hans jørgen", "Hansjørgen", "jørgen", "hans-jörgen", "Jørgen Hans"],
    "O'Brien": ["OBrien", "brien", "o\N{RIGHT SINGLE QUOTATION MARK}brien", "O Brien"],
    "René": ["Rene", "RENÉ", "Rene\u0301"],
    "Müller": ["Muller", "Muler", "müller"],
    "Đorđević": ["Dordevic", "dordevik", "dordevic"],
    "Anne Marie": ["anne", "marie anne", "Ane", "mar"],
}
OTHERS = ["Pedersen", "Hansen", "Ulla", "Ib", "Bo"]
NAMES = st.sampled_from(sorted(TYPOS))
LETTERS = st.text("abcdefghijklmnopqrstuvwxyzæøåéäöü", min_size=2, max_size=14)


def a_contact(given_name: str = "Ib", family_name: str = "Bo", phone: str | None = None) -> Contact:
    return Contact(given_name=given_name, family_name=family_name, language="da", phone=phone)


def finds(typed: str, stored: frozenset[Term]) -> bool:
    parts = wanted(typed, None, None)
    return bool(parts) and all(part & stored for part in parts)


@pytest.mark.parametrize(
    ("name", "typed"), [(name, typed) for name, many in TYPOS.items() for typed in many]
)
def test_a_name_is_found_however_it_is_typed(name: str, typed: str) -> None:
    assert finds(typed, terms_of(a_contact(given_name=name), None)), sounding(written(typed))
    assert finds(typed, terms_of(a_contact(family_name=name), None))


@pytest.mark.parametrize("name", sorted(TYPOS))
def test_a_name_is_not_found_by_others(name: str) -> None:
    stored = terms_of(a_contact(name, name), None)
    assert not [one for one in OTHERS if finds(one, stored)]


@given(NAMES, NAMES, st.data())
def test_words_of_the_whole_name_find_it_in_any_order(
    given_name: str, family_name: str, data: st.DataObject
) -> None:
    typed = [data.draw(st.sampled_from(TYPOS[one])) for one in (given_name, family_name)]
    stored = terms_of(a_contact(given_name, family_name), None)
    assert finds(" ".join(typed), stored)
    assert finds(" ".join(reversed(typed)), stored)


@given(LETTERS, st.integers(2, 14))
def test_its_first_letters_find_a_name(name: str, length: int) -> None:
    typed = name[:length]
    if len(written(typed)) >= 3:
        assert finds(typed, terms_of(a_contact(name), None))


@given(LETTERS)
def test_a_word_that_is_written_once_more_is_the_same(name: str) -> None:
    assert written(written(name)) == written(name) == written(name.upper())
    assert (
        finds(sounding(written(name)), terms_of(a_contact(name), None))
        or len(sounding(written(name))) < SHORTEST_ALONE
    )


@given(LETTERS)
def test_tokens_of_different_kinds_are_never_equal(word: str) -> None:
    hasher = Hasher(b"k" * 32)
    terms = [
        Term(kind, how, word)
        for kind in ("given_name", "family_name", "phone", "birth_date")
        for how in HOWS
    ]
    tokens = {hasher.term(one) for one in terms}
    assert len(tokens) == len(terms)
    assert {len(one) for one in tokens} == {16}
    others = (
        hasher.cpr(word)[:16],
        hasher.email(word),
        hasher.request(word.encode())[:16],
        word.encode(),
    )
    assert tokens.isdisjoint(others)
    assert tokens.isdisjoint({Hasher(b"j" * 32).term(one) for one in terms})


def test_a_phone_is_found_by_its_last_eight_digits() -> None:
    stored = terms_of(a_contact(phone="+4520304050"), None)
    for typed in ("+4520304050", "20304050", "20 30 40 50", "004520304050"):
        assert wanted("", typed, None)[0] & stored, typed
    assert not wanted("", "20304051", None)[0] & stored


@pytest.mark.parametrize(
    ("cpr", "day"),
    [
        ("0201609995", date(1960, 1, 2)),
        ("0101054000", date(2005, 1, 1)),
        ("0101374000", date(1937, 1, 1)),
        ("2902005000", date(2000, 2, 29)),
        ("010170AB12", None),
    ],
)
def test_the_date_of_birth_is_of_the_cpr_number(cpr: str, day: date | None) -> None:
    assert born(cpr) == day
    stored = terms_of(a_contact(), born(cpr))
    if day is not None:
        assert wanted("", None, day)[0] & stored
        assert not wanted("", None, date(1999, 9, 9))[0] & stored


def test_words_of_one_letter_and_signs_are_passed_over() -> None:
    assert wanted(" e - ! ", None, None) == []
    assert len(wanted("Einer T. Lauridsen", None, None)) == 2
