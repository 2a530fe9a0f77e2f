"""What citizens are found by when their CPR number is not at hand: names, phone, date of birth.

A name is looked for as it is written, as it sounds, and by its first letters. A rule that makes two
spellings one is applied to what is stored and to what is typed alike: too much is found rather than
too little, and the coordinator chooses.

Other rules are a version of their own, put first in `RULES`. What is stored is made anew by the
first (`adapters.name_rebuild`), and what is typed is looked for by all, until the older is deleted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple
from unicodedata import category, normalize

from brobyg_referral.people.domain.contact import Contact

Kind = Literal["given_name", "family_name", "phone", "birth_date"]
#: From the best to the weakest.
How = Literal["exact", "alike", "begins"]
HOWS: tuple[How, ...] = ("exact", "alike", "begins")
SHORTEST_WORD = 2
#: First letters that are looked for without anything longer beside them.
SHORTEST_ALONE = 3
#: First letters, as they sound, beyond which no more are looked at.
LONGEST_BEGINNING = 8
PHONE_DIGITS = 8


class Rules(NamedTuple):
    """By what two spellings are one."""

    #: Counts up.
    version: int
    #: Letters that Unicode does not take apart, and those that Danish writes in two ways.
    letters: Mapping[int, str]
    #: In this order. What stands before others is longer, or makes room for them.
    sounds: Sequence[tuple[re.Pattern[str], str]]


_LETTERS_1 = str.maketrans(
    {
        "æ": "ae", "ä": "ae", "ø": "oe", "ö": "oe", "å": "aa", "œ": "oe", "ð": "d", "þ": "th",
        "đ": "d", "ł": "l", "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)  # fmt: skip
_SOUNDS_1 = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"sch", "s"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"^h(?=[jvw]|i[aeou])", ""),
        (r"c(?=[eiy]|ae|oe)", "s"),
        (r"qu", "kv"),
        (r"ch|ck|c|q", "k"),
        (r"ie", "i"),
        (r"x", "ks"),
        (r"[wv]", "v"),
        (r"z", "s"),
        (r"d(?=s)", "t"),
        (r"[yj]", "i"),
        (r"ae", "e"),
        (r"oe", "o"),
        (r"(.)\1+", r"\1"),
        (r"(?<=.)d?[dt]$", "t"),
        (r"(.)\1+", r"\1"),
    )
]
#: The newest first. Those of before stay beside them until every process has the newest and nobody
#: is left to make anew. A process that has only those of before does not find by sound who is of
#: the newest already: for as long as a rolling upgrade takes. Version 2 makes the same of names as
#: version 1, which it stands for; with it came the mail address (`Hasher.email`).
RULES: tuple[Rules, ...] = (Rules(2, _LETTERS_1, _SOUNDS_1),)


class Term(NamedTuple):
    """One thing that a citizen is found by, before it is hashed."""

    kind: Kind
    how: How
    text: str


def terms_of(contact: Contact, born: date | None) -> frozenset[Term]:
    """All that a citizen is found by, by the newest rules."""
    found = {*_of_name("given_name", contact.given_name)}
    found.update(_of_name("family_name", contact.family_name))
    if contact.phone is not None:
        found.add(_of_phone(contact.phone))
    if born is not None:
        found.add(_of_birth(born))
    return frozenset(found)


def wanted(name: str, phone: str | None, born: date | None) -> list[frozenset[Term]]:
    """What is looked for: of each part one term must be found. Empty when nothing is left to ask.

    Each word of the name may be of the given or of the family name. Words of one letter are passed
    over.
    """
    words = {written(one): one for one in re.split(r"\W+", normalize("NFC", name))}
    asked = {one: typed for one, typed in words.items() if len(one) >= SHORTEST_WORD}
    # Two letters alone begin the names of too many: they are a name, or nothing.
    is_short = phone is None and born is None and max(map(len, asked), default=0) < SHORTEST_ALONE
    parts = [
        frozenset(
            Term(kind, how, text)
            for kind in ("given_name", "family_name")
            for rules in RULES
            for how, text in _forms(written(typed, rules), rules)
            if not (is_short and how == "begins")
        )
        for typed in asked.values()
    ]
    if phone is not None:
        parts.append(frozenset({_of_phone(phone)}))
    if born is not None:
        parts.append(frozenset({_of_birth(born)}))
    return parts


def written(text: str, rules: Rules | None = None) -> str:
    """A word as it is compared: case, accents and the ways to write a Danish letter do not count.

    Letters are taken apart and put together the same, whatever the keyboard made of them.
    """
    letters = (rules or RULES[0]).letters
    folded = normalize("NFC", text).casefold().translate(letters)
    return "".join(one for one in normalize("NFKD", folded) if category(one)[0] == "L")


def sounding(word: str, rules: Rules | None = None) -> str:
    """A word of `written` as it sounds, roughly, to a Dane."""
    for pattern, sound in (rules or RULES[0]).sounds:
        word = pattern.sub(sound, word)
    return word


def _words(text: str) -> list[str]:
    parts = map(written, re.split(r"\W+", normalize("NFC", text)))
    return list(dict.fromkeys(one for one in parts if len(one) >= SHORTEST_WORD))


def _forms(word: str, rules: Rules) -> Sequence[tuple[How, str]]:
    """How a typed word is looked for."""
    sound = sounding(word, rules)
    return (
        ("exact", word),
        ("alike", sound),
        ("begins", word[:LONGEST_BEGINNING]),
        ("begins", sound[:LONGEST_BEGINNING]),
    )


def _of_name(kind: Kind, name: str) -> Iterable[Term]:
    # Hans-Jørgen is found as hansjørgen too, and O'Brien as obrien.
    joined = map(written, name.split())
    for word in dict.fromkeys([*_words(name), *joined]):
        yield Term(kind, "exact", word)
        yield Term(kind, "alike", sounding(word))
        for length in range(SHORTEST_WORD, len(word) + 1):
            beginning = word[:length]
            yield Term(kind, "begins", beginning[:LONGEST_BEGINNING])
            yield Term(kind, "begins", sounding(beginning)[:LONGEST_BEGINNING])


def _of_phone(phone: str) -> Term:
    digits = "".join(one for one in phone if "0" <= one <= "9")
    return Term("phone", "exact", digits[-PHONE_DIGITS:])


def _of_birth(born: date) -> Term:
    return Term("birth_date", "exact", born.isoformat())
