"""What identities are opened for: schemas/purposes.yaml."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from brobyg_contracts.documents import line_of, read, refused

Word = Annotated[str, Meta(pattern=r"^[a-z]+(_[a-z]+)*$", max_length=64)]
#: By language.
Text = Annotated[dict[str, str], Meta(min_length=2)]


class Purpose(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an identity is opened for."""

    purpose: Word
    #: Who says it: a member of staff, a service, or nobody, as it is what the call does.
    by: Literal["person", "service", "system"]
    #: By language.
    text: Text


class Emergency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody opens the identity of a person who is not theirs to see."""

    emergency: Word
    text: Text


class Purposes(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    purposes: tuple[Purpose, ...]
    emergencies: tuple[Emergency, ...]

    def text(self, word: str, language: str) -> str:
        """A purpose or emergency in words; one of an earlier version as it is kept."""
        return self.texts().get(word, {}).get(language, word)

    def said_by(self, by: Literal["person", "service"]) -> Sequence[str]:
        """What a member of staff may say that an identity is opened for, or a service."""
        return tuple(one.purpose for one in self.purposes if one.by == by)

    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """Word to its text by language."""
        return {one.purpose: one.text for one in self.purposes} | {
            one.emergency: one.text for one in self.emergencies
        }


@lru_cache
def purposes() -> Purposes:
    """What schemas/purposes.yaml says."""
    return load(files(__package__).joinpath("data", "purposes.yaml"))


def load(file: Traversable) -> Purposes:
    """Such a file. Raises InvalidDocument with the line and the reason."""
    found = read(file, Purposes)
    words = [one.purpose for one in found.purposes] + [one.emergency for one in found.emergencies]
    for word in words:
        if words.count(word) > 1:
            raise refused(file, line_of(file, f"purpose: {word}"), f"{word!r} stands there twice")
    return found
