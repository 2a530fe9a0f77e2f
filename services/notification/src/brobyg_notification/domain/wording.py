"""How a reader is addressed. Pure."""

from brobyg_kit.wording import Language


def reader_language(wish: str) -> Language:
    """The catalogue for somebody who wishes `wish`: Danish for Danish, English for everybody else."""
    return "da" if wish == "da" else "en"


def given_name(name: str) -> str:
    """The first word of a full name; empty when there is none."""
    return next(iter(name.split()), "")
