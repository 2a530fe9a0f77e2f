"""What consent can be given to, what follows from it, and the texts that people agree to.

`schemas/consent/scopes.yaml` is the table of scopes; every other file there is one text with its
versions. Code asks the table what a scope allows and ends, and knows no scope by name.

An installation that has texts of its own has a folder with all of these files, named in the
setting `BROBYG_CONSENT`.
"""

import os
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, UnsetType, field

from brobyg_contracts.documents import line_of, read, refused
from brobyg_contracts.errors import InvalidDocument
from brobyg_contracts.events import ConsentGiven, ConsentWithdrawn

#: The file of the scopes; all others are texts.
SCOPES_FILE = "scopes.yaml"
#: The reason for which a citizen is sent nothing, in events; and the type of the problem by which
#: the owner refuses to tell how they are written to.
CONTACT_NOT_CONSENTED: Final = "contact_not_consented"

#: The scope of consent from before there were scopes: it must be the one that allows the help.
HELP_SCOPE: Final = "processing"
#: The scope by which the history tells who agreed to research: it must be the one that allows it,
#: as what is in the history is kept for good.
RESEARCH_SCOPE: Final = "research"

#: What may be done: the referral's help; writing to the citizen; use in research; telling the
#: general practitioner.
Consequence = Literal["help", "messages", "research", "gp"]
#: Whether somebody with the right to decide for the citizen gives it.
Guardian = Literal["must", "may", "never"]
#: In what form it was given.
Form = Literal["written", "oral", "digital"]
Age = Annotated[int, Meta(ge=0, le=120)]
Words = Annotated[str, Meta(min_length=1, max_length=2000)]


class _Data(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a file."""


class Wording(_Data, frozen=True, kw_only=True):
    """In the languages that texts are written in."""

    da: Words
    en: Words


class Scope(_Data, frozen=True, kw_only=True):
    """What consent can be given to, and what follows from it."""

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    label: Wording
    #: The one referral it was recorded at, or the citizen whichever it was recorded at.
    holds_for: Literal["referral", "citizen"]
    #: What may be done while it stands.
    allows: Annotated[tuple[Consequence, ...], Meta(min_length=1)]
    #: What ends when it is withdrawn.
    ends: tuple[Consequence, ...]
    #: From this age the citizen may give it.
    minimum_age: Age
    #: Below this age a guardian may give it; below `minimum_age` one must.
    guardian_below: Age
    #: Of a citizen with a recorded guardian, at any age.
    with_guardian: Literal["must", "may"]
    why: Words

    def __post_init__(self) -> None:
        """Check one part against another. Raises ValueError."""
        if self.guardian_below < self.minimum_age:
            raise ValueError(
                "`guardian_below` is less than `minimum_age`: between the two nobody could give it"
            )

    def guardian(self, age: int | None, *, has_guardian: bool) -> Guardian:
        """Who gives it for a citizen of this age, of whom a guardian is recorded or not.

        An age that is not known is no reason to refuse anybody.
        """
        if age is not None and age < self.minimum_age:
            return "must"
        if has_guardian:
            return self.with_guardian
        if age is None:
            return "may"
        return "may" if age < self.guardian_below else "never"


class Version(_Data, frozen=True, kw_only=True):
    """A text as it was or is read out or shown."""

    version: Annotated[int, Meta(ge=1)]
    #: The first day of its use, local time; it ends with the next version's.
    valid_from: date = field(name="from")
    title: Wording
    text: Wording
    #: What the consent is for, in a sentence.
    purpose: Wording
    #: How it is withdrawn.
    withdrawal: Wording


class Text(_Data, frozen=True, kw_only=True):
    """What people agree to, in all its versions."""

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
    #: Id of a scope.
    scope: str
    #: The only pathway it is used for; None for any.
    pathway: str | None = None
    #: From the oldest on.
    versions: Annotated[tuple[Version, ...], Meta(min_length=1)]

    def in_use(self, day: date) -> Version | None:
        """The version in use on a day, local time; None before the first."""
        return next((one for one in reversed(self.versions) if one.valid_from <= day), None)


class Catalogue:
    """All scopes and texts, each by its id."""

    def __init__(self, scopes: Mapping[str, Scope], texts: Mapping[str, Text]) -> None:
        """Of each consequence there is exactly one scope that allows it."""
        self.scopes, self.texts = scopes, texts
        self._allowing = {what: one for one in scopes.values() for what in one.allows}

    def allowing(self, what: Consequence) -> Scope:
        """The scope without which this may not be done."""
        return self._allowing[what]

    def allows(self, scope: str, what: Consequence) -> bool:
        """Whether it may be done with this scope. A scope that is not known allows nothing."""
        return scope in self.scopes and what in self.scopes[scope].allows

    def ends(self, scope: str, what: Consequence) -> bool:
        """Whether it ends with this scope. With one that is not known nothing ends."""
        return scope in self.scopes and what in self.scopes[scope].ends


def scope_of(event: ConsentGiven | ConsentWithdrawn) -> str:
    """The scope that an event is about; one from before there were scopes names none."""
    return HELP_SCOPE if isinstance(event.scope, UnsetType) else event.scope


def catalogue() -> Catalogue:
    """The scopes and texts of the folder in BROBYG_CONSENT, else those of the package.

    Read once for each value of that setting. Raises InvalidDocument.
    """
    return _catalogue(os.environ.get("BROBYG_CONSENT", ""))


@lru_cache
def _catalogue(folder: str) -> Catalogue:
    return load(Path(folder) if folder else files(__package__).joinpath("data", "consent"))


def load(folder: Traversable) -> Catalogue:
    """The files of a folder. Raises InvalidDocument with file, line and reason."""
    if not folder.joinpath(SCOPES_FILE).is_file():
        raise InvalidDocument(f"{folder}: there is no {SCOPES_FILE}")
    scopes = _scopes(folder.joinpath(SCOPES_FILE))
    texts: dict[str, Text] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml") and file.name != SCOPES_FILE:
            text = _text(file, scopes)
            texts[text.id] = text
    if missing := scopes.keys() - {one.scope for one in texts.values() if one.pathway is None}:
        raise InvalidDocument(
            f"{SCOPES_FILE}: no text for any pathway is of the scopes {', '.join(sorted(missing))}"
        )
    return Catalogue(scopes, texts)


class _Table(_Data, frozen=True, kw_only=True):
    """The file of the scopes."""

    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]


def _scopes(file: Traversable) -> Mapping[str, Scope]:
    found: dict[str, Scope] = {}
    allowed: dict[Consequence, str] = {}
    for scope in read(file, _Table).scopes:
        line = line_of(file, f"id: {scope.id}")
        if scope.id in found:
            raise refused(file, line, f"there is another scope {scope.id!r}")
        found[scope.id] = scope
        for what in scope.allows:
            if other := allowed.get(what):
                raise refused(file, line, f"{scope.id}: {what!r} is allowed by {other!r} already")
            allowed[what] = scope.id
    wanted: tuple[Consequence, ...] = ("help", "messages", "research", "gp")
    if missing := [what for what in wanted if what not in allowed]:
        raise refused(file, 1, f"no scope allows {', '.join(missing)}")
    fixed: dict[Consequence, str] = {"help": HELP_SCOPE, "research": RESEARCH_SCOPE}
    for what, only in fixed.items():
        if (scope_id := allowed[what]) != only:
            line = line_of(file, f"id: {scope_id}")
            raise refused(file, line, f"{scope_id}: only {only!r} may allow {what!r}")
    return found


def _text(file: Traversable, scopes: Mapping[str, Scope]) -> Text:
    """A text, checked against the scopes and version by version."""
    text = read(file, Text)
    if f"{text.id}.yaml" != file.name:
        raise refused(
            file, line_of(file, "id:"), f"`id` is {text.id!r}, which is another file's name"
        )
    if text.scope not in scopes:
        raise refused(
            file,
            line_of(file, "scope:"),
            f"`scope` is {text.scope!r}; there are {', '.join(scopes)}",
        )
    for number, version in enumerate(text.versions, start=1):
        line = line_of(file, f"version: {version.version}")
        if version.version != number:
            raise refused(
                file, line, f"expected version {number}: they are counted from 1, oldest first"
            )
        if number > 1 and version.valid_from <= text.versions[number - 2].valid_from:
            raise refused(file, line, f"version {number}: `from` is not after the version before")
    return text
