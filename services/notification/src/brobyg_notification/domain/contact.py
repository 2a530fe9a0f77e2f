"""How a person is reached and addressed. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as their owner describes them at the moment of use.

    Never stored, logged or published here.
    """

    given_name: str
    email: str | None
    #: The language they wish to be written to in (ISO 639-1); there may be no catalogue for it.
    language: str
    #: The citizen's address line, where it may be told.
    meeting_point: str | None = None


def given_name(name: str) -> str:
    """The first word of a full name; empty when there is none."""
    return next(iter(name.split()), "")
