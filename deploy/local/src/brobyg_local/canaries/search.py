"""The search itself: how often something of the canaries is found, and in which places.

It tells where, never what.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .needles import Canary, Needles
from .places import Piece, Places, topic_of_folder

#: Bytes that are searched together.
_TOGETHER = 4_000_000
#: Files that are searched together.
_FILES = 200
#: What the hospital itself wrote; for seven days.
HOSPITAL = "hospital.appointment.v1"


@dataclass(frozen=True)
class Finding:
    """One place in which something was found."""

    kind: str
    where: str
    times: int

    @property
    def is_with_its_owner(self) -> bool:
        """The hospital's own topic, and mails in the boxes of those to whom they were written."""
        return self.where == HOSPITAL or self.kind == "mail body"


async def search(places: Places, canaries: Sequence[Canary]) -> list[Finding]:
    """Where the canaries stand. Blocks for seconds; raises where a place can't be read."""
    if not canaries:
        return []
    needles, found = Needles(canaries), Counter[tuple[str, str]]()
    gathered: dict[tuple[str, str], list[bytes]] = {}
    size = 0
    async for piece in places.pieces():
        here = (piece.kind, piece.where)
        gathered.setdefault(here, []).append(piece.content)
        found[here] += needles.beside(piece.content)
        size += len(piece.content)
        if size > _TOGETHER:
            found += _counted(gathered, needles)
            size = 0
    found += _counted(gathered, needles)
    for piece in _files(places, needles):
        found[piece.kind, piece.where] += needles.count(piece.content)
    return [Finding(*here, times) for here, times in sorted(found.items()) if times]


def _counted(
    gathered: dict[tuple[str, str], list[bytes]], needles: Needles
) -> Counter[tuple[str, str]]:
    """What is found in what was gathered, which is let go of."""
    whole = {here: b"\n".join(contents) for here, contents in gathered.items()}
    gathered.clear()
    if not needles.may_be_in(b"\n".join(whole.values())):
        return Counter()
    return Counter({here: needles.count(content) for here, content in whole.items()})


def _files(places: Places, needles: Needles) -> list[Piece]:
    """The files that may hold something, each named by its path in the folder."""
    names = list(places.files())
    held = [
        name
        for at in range(0, len(names), _FILES)
        for name in needles.files(names[at : at + _FILES])
    ]
    return [
        Piece("file", _named(places, Path(name)), Path(name).read_bytes())
        for name in held
        if Path(name).exists()
    ]


def _named(places: Places, path: Path) -> str:
    if path.parent.parent.parent == places.folder / "kafka":
        return topic_of_folder(path.parent.name)
    top = next(one for one in (places.folder, *places.others) if path.is_relative_to(one))
    return str(path.relative_to(top))
