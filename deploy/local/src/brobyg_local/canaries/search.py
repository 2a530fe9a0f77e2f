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
    gathered: list[bytes] = []
    size, last = 0, ("", "")

    def look() -> None:
        nonlocal size
        if times := needles.count(b"\n".join(gathered)):
            found[last] += times
        gathered.clear()
        size = 0

    async for piece in places.pieces():
        here = (piece.kind, piece.where)
        if gathered and (here != last or size > _TOGETHER):
            look()
        last = here
        gathered.append(piece.content)
        size += len(piece.content)
        if times := needles.beside(piece.content):
            found[here] += times
    look()
    for piece in _files(places, needles):
        if times := needles.count(piece.content):
            found[piece.kind, piece.where] += times
    return [Finding(*here, times) for here, times in sorted(found.items())]


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
