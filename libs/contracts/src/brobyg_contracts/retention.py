"""How long each kind of record is kept, and why: schemas/retention.yaml, each kind one row."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from brobyg_contracts.documents import line_of, read, refused
from brobyg_contracts.errors import InvalidDocument

Service = Literal["referral", "matching", "notification", "reporting", "portal", "hospital"]
Whose = Literal["citizens", "volunteers", "staff", "nobody"]
Sentence = Annotated[str, Meta(min_length=1, max_length=400)]
Name = Annotated[str, Meta(pattern=r"^[a-z_]+$")]

#: Until somebody is erased whom it is about; by the transaction that erases them.
UNTIL_ERASED = "until erased"
#: Until what it is there for is done; by the transaction that does it.
UNTIL_DONE = "until done"
FOR_EVER = "for ever, about nobody"
#: By ids that can be led back to somebody as long as their owner knows whose they are.
FOR_EVER_BY_ID = "for ever, about nobody once erased"
_KEEP = re.compile(
    rf"([1-9]\d{{0,4}}) days|{UNTIL_ERASED}|{UNTIL_DONE}|{FOR_EVER}|{FOR_EVER_BY_ID}"
)


class Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of record. It is in `tables`, on a `topic`, or `elsewhere`."""

    kind: Annotated[str, Meta(pattern=r"^[a-z]+([_-][a-z]+)*$")]
    #: Who keeps it.
    services: Annotated[tuple[Service, ...], Meta(min_length=1)]
    tables: tuple[Name, ...] = ()
    topic: str = ""
    elsewhere: str = ""
    #: Whom it is about.
    whose: Annotated[tuple[Whose, ...], Meta(min_length=1)]
    #: What it says.
    what: Sentence
    #: The time from which `keep` counts; empty where it is no number of days.
    counted_from: str = ""
    #: A number of days, UNTIL_ERASED, UNTIL_DONE, FOR_EVER or FOR_EVER_BY_ID.
    keep: str
    #: What is done after those days: the record is deleted, or the person is erased.
    action: Literal["", "delete", "erase"] = ""
    #: What it is kept for, and why so long.
    why: Sentence
    #: The law that allows or demands it.
    basis: Sentence

    @property
    def days(self) -> int | None:
        """How many days it is kept; None without an end in days."""
        found = _KEEP.fullmatch(self.keep)
        return int(found[1]) if found and found[1] else None

    @property
    def place(self) -> str:
        """Where it is kept, in words."""
        if self.tables:
            return f"table{'s' * (len(self.tables) > 1)} {', '.join(self.tables)}"
        return f"topic {self.topic}" if self.topic else self.elsewhere

    @property
    def by(self) -> Literal["timer", "broker", "operator", "erasure", "use", "nobody"]:
        """Who ends it."""
        if self.keep in _ENDS:
            return _ENDS[self.keep]
        return "timer" if self.tables else "broker" if self.topic else "operator"


_ENDS: Mapping[str, Literal["erasure", "use", "nobody"]] = {
    UNTIL_ERASED: "erasure",
    UNTIL_DONE: "use",
    FOR_EVER: "nobody",
    FOR_EVER_BY_ID: "nobody",
}


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    kinds: Annotated[tuple[Kept, ...], Meta(min_length=1)]


@lru_cache
def kinds() -> Mapping[str, Kept]:
    """All rows by kind, in the file's order."""
    return load(files(__package__).joinpath("data", "retention.yaml"))


def load(file: Traversable) -> Mapping[str, Kept]:
    """The rows of such a file. Raises InvalidDocument with the line and the reason."""
    found: dict[str, Kept] = {}
    for row in read(file, _File).kinds:
        if row.kind in found:
            raise _refused(file, row, "there is another row of this kind")
        for reason, wrong in _faults(row).items():
            if wrong:
                raise _refused(file, row, reason)
        found[row.kind] = row
    return found


def _faults(row: Kept) -> Mapping[str, bool]:
    """What may be wrong, and whether it is."""
    has_days, has_action = row.days is not None, bool(row.action)
    about_nobody = row.whose == ("nobody",)
    return {
        "it is kept in one of `tables`, `topic` and `elsewhere`": sum(
            map(bool, (row.tables, row.topic, row.elsewhere))
        )
        != 1,
        f"`keep` is a number of days, '{UNTIL_ERASED}', '{UNTIL_DONE}', '{FOR_EVER}' or"
        f" '{FOR_EVER_BY_ID}', not {row.keep!r}": not _KEEP.fullmatch(row.keep),
        "days count from something: say `counted_from`": has_days and not row.counted_from,
        "without days nothing is `counted_from`": bool(row.counted_from) and not has_days,
        "say the `action` after these days": has_days and not has_action,
        "without days there is no `action`": has_action and not has_days,
        "to erase somebody is a service's work: say its `tables`": row.action == "erase"
        and not row.tables,
        "nobody can be erased whom it is not about": about_nobody
        and (row.action == "erase" or row.keep in (UNTIL_ERASED, FOR_EVER_BY_ID)),
        "what is about somebody can't be kept for ever": row.keep == FOR_EVER and not about_nobody,
        "`nobody` stands alone in `whose`": "nobody" in row.whose and not about_nobody,
    }


def _refused(file: Traversable, row: Kept, reason: str) -> InvalidDocument:
    return refused(file, line_of(file, f"kind: {row.kind}"), f"{row.kind}: {reason}")
