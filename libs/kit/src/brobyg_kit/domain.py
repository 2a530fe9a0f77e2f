"""The words of the domain, which the kit does not know and is given.

One installed package names a module with them by an entry point of the group `brobyg.domain`, so
that every process has them and its log lines are redacted from the first on.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo


class Kept(Protocol):
    """How long one kind of record is kept, and why."""

    @property
    def kind(self) -> str:
        """Its name."""

    @property
    def services(self) -> Sequence[str]:
        """Who keeps it."""

    @property
    def place(self) -> str:
        """Where it is kept."""

    @property
    def counted_from(self) -> str:
        """The time from which its days count; empty where it has none."""

    @property
    def keep(self) -> str:
        """How long, in words."""

    @property
    def days(self) -> int | None:
        """How long; None without an end in days."""

    @property
    def by(self) -> str:
        """Who ends it. `timer`: a timer of each of its services."""

    @property
    def why(self) -> str:
        """What it is kept for."""

    @property
    def basis(self) -> str:
        """What allows or demands that."""


class Domain(Protocol):
    """What the module behind the entry point holds."""

    #: What a token's bearer may be.
    ROLES: frozenset[str]
    #: Local time: what people read and write, and what a day is.
    LOCAL_ZONE: ZoneInfo
    #: The language of people of whom none is known (ISO 639-1), unless a setting says another.
    DEFAULT_LANGUAGE: str
    #: Who may ask what is held of them: in a word, and as routes call them.
    PEOPLE: Mapping[str, str]
    #: The service that knows who each of them is, by what routes call them.
    OWNERS: Mapping[str, str]
    #: Folder of the catalogues with the words of an export.
    EXPORT_TEXTS: Path
    #: Facts that log lines may hold beside the kit's own (`logs.FACTS`).
    LOGGED_FACTS: frozenset[str]
    #: What is hidden wherever it stands in a log line.
    PERSONAL_PATTERNS: tuple[re.Pattern[str], ...]
    #: Event type to Struct, and topic to the event types it carries.
    EVENTS: Mapping[str, type[Any]]
    TOPICS: Mapping[str, tuple[str, ...]]
    #: Those of them that hold how things are, not what happened: of each key the last record.
    COMPACTED: frozenset[str]
    #: The major version of events whose `dataschema` names none, unless a setting says another.
    UNVERSIONED: int
    #: The major version in a `dataschema`.
    major_of: Callable[[str], int]
    #: What tells an event of this type and `dataschema` as those of today, from its data; the
    #: third is the major version of a `dataschema` that names none.
    upcaster_of: Callable[[str, str, int], Callable[[Mapping[str, Any]], Sequence[Any]] | None]
    #: The properties of a Struct that hold a word of a later version.
    unknown_words: Callable[[Any], Iterable[str]]

    def roles_for(self, act: str) -> frozenset[str]:
        """The roles that may do this. Raises for an act that the domain does not have."""

    def services_with(self, method: str, path: str) -> frozenset[str]:
        """The services that have this endpoint."""

    def retention(self) -> Sequence[Kept]:
        """How long each kind of record is kept."""

    def purposes(self) -> Sequence[str]:
        """What a caller may say that an identity is opened for."""

    def emergencies(self) -> Sequence[str]:
        """Why a caller may say that one is opened which is not theirs to see."""

    def purpose_text(self, word: str, language: str) -> str:
        """A purpose or emergency in words (da, en); one that is unknown as it is."""


@cache
def domain() -> Domain:
    """The domain's words. Raises RuntimeError unless exactly one package declares them."""
    found = list(entry_points(group="brobyg.domain"))
    if len(found) != 1:
        raise RuntimeError(f"expected one entry point of the group brobyg.domain, not {len(found)}")
    words: Domain = found[0].load()
    return words
