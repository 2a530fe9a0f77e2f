"""Who may do what on whose data: schemas/access.yaml, in which each act is one row."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from brobyg_contracts.documents import line_of, read, refused
from brobyg_contracts.domain import ROLES
from brobyg_contracts.errors import UnknownAct

#: Everybody's; what a department of the caller's has (without a department in the token: all);
#: what the caller's own organisation has referred.
Whose = Literal["all", "department", "organisation"]
Sentence = Annotated[str, Meta(min_length=1, max_length=300)]


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is done with a person's data."""

    act: Annotated[str, Meta(pattern=r"^[a-z]+(-[a-z]+)*$")]
    #: What it is.
    what: Sentence
    #: Role to those on whose data it may.
    who: Annotated[dict[str, Whose], Meta(min_length=1)]
    #: Why it is allowed, and by which rule.
    why: Sentence


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    acts: Annotated[tuple[Act, ...], Meta(min_length=1)]


def act(name: str) -> Act:
    """The row of this act. Raises UnknownAct."""
    found = acts().get(name)
    if found is None:
        raise UnknownAct(f"{name!r} is no act of schemas/access.yaml")
    return found


@lru_cache
def acts() -> Mapping[str, Act]:
    """All rows by act, in the file's order."""
    return load(files(__package__).joinpath("data", "access.yaml"))


def load(file: Traversable) -> Mapping[str, Act]:
    """The rows of such a file. Raises InvalidDocument with the line and the reason."""
    found: dict[str, Act] = {}
    for row in read(file, _Table).acts:
        line = line_of(file, f"act: {row.act}")
        if row.act in found:
            raise refused(file, line, f"there is another row of the act {row.act!r}")
        if unknown := row.who.keys() - ROLES:
            known = ", ".join(sorted(ROLES))
            raise refused(
                file, line, f"{row.act}: no roles are {sorted(unknown)}; there are {known}"
            )
        found[row.act] = row
    return found
