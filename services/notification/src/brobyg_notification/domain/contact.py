"""How a person is reached and addressed. Pure."""

from dataclasses import dataclass

from brobyg_contracts import Meeting


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as their owner describes them at the moment of use.

    Never stored, logged or published here.
    """

    given_name: str
    email: str | None
    #: The language they wish to be written to in (ISO 639-1); there may be no catalogue for it.
    #: None where none is known.
    language: str | None
    #: Where the citizen wishes to meet a helper, and the address line, where it may be told.
    meeting: Meeting | None = None
    meeting_point: str | None = None


def given_name(name: str) -> str:
    """The first word of a full name; empty when there is none."""
    return next(iter(name.split()), "")
