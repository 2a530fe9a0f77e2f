"""The search itself: how often something of the canaries is found, and in which places.

It tells where, never what.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brobyg_local.errors import PlaceUnreadable
from brobyg_local.mail import recipient_hash

from .needles import Canary, Needles
from .places import MAIL_BODY, KeptFile, Places

#: Bytes that are searched together.
_TOGETHER = 4_000_000
#: Files that are searched together.
_FILES = 200
#: What the hospital itself wrote; for seven days.
HOSPITAL = "hospital.appointment.v1"
#: Whose mail it is: the person's own, or of somebody who was to meet them, with what such a mail
#: tells; anything else is another's.
OWN, TOLD, OTHERS = "their own", "of who was to meet them", "another's"
#: What is kept of people until they are erased, beside the id: the record that says what helpers
#: must know, with its one copy, and the register of helpers.
RECORD = "brobyg.citizen.v1"
TABLES = (
    "brobyg_referral.public.citizen",
    "brobyg_matching.public.citizen",
    "brobyg_matching.public.helper",
)
#: The database's own way to what it keeps; what waits to be sent has been there.
_ON_THE_WAY = ("brobyg_referral.public.outbox",)


@dataclass(frozen=True)
class Finding:
    """One place in which something was found: of which canary, by its number, and how often."""

    whose: int
    kind: str
    where: str
    times: int

    @property
    def is_with_its_owner(self) -> bool:
        """The hospital's own topic, their own mails, and those that say whom to meet."""
        return self.where == HOSPITAL or (self.kind == MAIL_BODY and self.where != OTHERS)

    @property
    def is_a_record(self) -> bool:
        """What is kept of somebody until they are erased."""
        if self.kind in {"topic", "segment"}:
            return self.where == RECORD
        if self.kind == "data file":
            return self.where in TABLES + _ON_THE_WAY
        return self.kind in {"table", "dump"} and self.where in TABLES


@dataclass(frozen=True)
class Searched:
    """What was found, and how many pieces of each kind were searched."""

    findings: tuple[Finding, ...] = ()
    pieces: Mapping[str, int] = field(default_factory=dict)


async def search(places: Places, canaries: Sequence[Canary]) -> Searched:
    """Where the canaries stand. Blocks for seconds.

    Raises where a place can't be read, and where there is nothing to read of a kind of place.
    """
    needles, found = Needles(canaries), Counter[tuple[int, str, str]]()
    pieces: Counter[str] = Counter()
    gathered: dict[tuple[str, str], list[bytes]] = {}
    size = 0
    async for piece in places.pieces():
        pieces[piece.kind] += 1
        gathered.setdefault((piece.kind, piece.where), []).append(piece.content)
        if piece.kind != MAIL_BODY:
            for whose in range(len(canaries)):
                times = needles.beside(piece.content, whose)
                found[whose, piece.kind, piece.where] += times
        size += len(piece.content)
        if size > _TOGETHER:
            found += _counted(gathered, needles)
            size = 0
    found += _counted(gathered, needles)
    files = await places.files()
    pieces.update(one.kind for one in files)
    found += _in_files(files, needles)
    if missing := sorted(places.kinds - set(pieces)):
        raise PlaceUnreadable(f"nothing was there to be searched: {', '.join(missing)}")
    findings = [Finding(*here, times) for here, times in sorted(found.items()) if times]
    return Searched(tuple(findings), dict(pieces))


def _counted(
    gathered: dict[tuple[str, str], list[bytes]], needles: Needles
) -> Counter[tuple[int, str, str]]:
    """What is found in what was gathered, which is let go of."""
    found: Counter[tuple[int, str, str]] = Counter()
    whole = {here: b"\n".join(contents) for here, contents in gathered.items()}
    gathered.clear()
    if not needles.may_be_in(b"\n".join(whole.values())):
        return found
    for (kind, where), content in whole.items():
        forms = needles.in_content(content)
        for whose, canary in enumerate(needles.canaries):
            if kind == MAIL_BODY:
                for mail, times in _in_mails(forms, where, whose, canary, needles):
                    found[whose, kind, mail] += times
            else:
                found[whose, kind, where] += needles.count(forms, whose)
    return found


def _in_mails(
    forms: Mapping[bytes, int], reader: str, whose: int, canary: Canary, needles: Needles
) -> Iterator[tuple[str, int]]:
    """How often in one reader's mails, by whose they are to the canary."""
    if canary.mailbox and reader == recipient_hash(canary.mailbox):
        yield OWN, needles.count(forms, whose)
    elif reader in map(recipient_hash, canary.readers):
        yield TOLD, needles.count_told(forms, whose)
        yield OTHERS, needles.count_untold(forms, whose)
    else:
        yield OTHERS, needles.count(forms, whose)


def _in_files(files: Sequence[KeptFile], needles: Needles) -> Counter[tuple[int, str, str]]:
    """What stands in the files as they are."""
    found: Counter[tuple[int, str, str]] = Counter()
    known = {one.path: one for one in files}
    as_they_are = [one.path for one in files if one.as_it_is]
    for path in _in_batches(list(known), needles.files):
        forms = needles.in_file(path)
        for whose in range(len(needles.canaries)):
            here = (whose, known[path].kind, known[path].where)
            found[here] += needles.count(forms, whose)
    for path in _in_batches(as_they_are, needles.files_with_id):
        content = _read(path)
        for whose in range(len(needles.canaries)):
            here = (whose, known[path].kind, known[path].where)
            found[here] += needles.beside_within(content, whose)
    return found


def _in_batches(
    names: Sequence[str], wanted: Callable[[Sequence[str]], list[str]]
) -> Iterator[str]:
    for at in range(0, len(names), _FILES):
        yield from wanted(names[at : at + _FILES])


def _read(path: str) -> bytes:
    """Empty where it is gone since."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
