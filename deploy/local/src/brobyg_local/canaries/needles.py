"""What is searched for: every value of a canary in every form in which it could have been kept."""

import base64
import contextlib
import errno
import hashlib
import html
import json
import os
import quopri
import re
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus
from uuid import UUID

from brobyg_local.errors import PlaceUnreadable, ProgramMissing

#: Shorter forms stand in random data by chance.
_SHORTEST, _SHORTEST_ENCODED = 5, 8
#: Letters of a name that is searched for by itself.
_LONG = 6
_HASHES = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")
#: Bytes around an id in a file in which what stands there is taken to be said of the person.
_BESIDE = 512
#: Of a file that is gone since it was listed, which is nowhere any more.
_GONE = b"No such file or directory"
#: grep then looks at bytes.
_ENVIRONMENT = {**os.environ, "LC_ALL": "C"}
_FOLDED = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa"})


@dataclass(frozen=True)
class Canary:
    """A person to search for."""

    #: What names or finds the person, wherever it stands.
    values: tuple[str, ...]
    cpr: str = ""
    #: The person's id, and what says something of them only beside it, such as the postcode.
    person_id: str = ""
    beside_id: tuple[str, ...] = ()
    #: The person's own address.
    mailbox: str = ""
    #: What whoever was to meet the person was told in a mail, and the addresses of those.
    told: tuple[str, ...] = ()
    readers: frozenset[str] = frozenset()

    @classmethod
    def of_citizen(
        cls, citizen: Mapping[str, Any], citizen_id: str, readers: Iterable[str] = ()
    ) -> Self:
        """From the body of POST /referrals: its `citizen`; `readers` are the helpers found."""
        address = citizen.get("address") or {}
        values = [
            citizen["given_name"],
            citizen["family_name"],
            *_long_words(citizen["given_name"]),
            f"{citizen['given_name']} {citizen['family_name']}",
            f"{citizen['family_name']}, {citizen['given_name']}",
            *_mailboxes(citizen.get("email")),
            *phone_forms(citizen.get("phone")),
            *filter(None, [address.get("line")]),
        ]
        given = citizen["given_name"]
        told = (given, _first_word(given), *_long_words(given), address.get("line"))
        return cls(
            tuple(values),
            citizen["cpr"],
            citizen_id,
            tuple(filter(None, [address.get("postcode")])),
            citizen.get("email") or "",
            tuple(filter(None, told)),
            frozenset(readers),
        )

    @classmethod
    def of_helper(
        cls, registration: Mapping[str, Any], helper_id: str, readers: Iterable[str] = ()
    ) -> Self:
        """From the body of POST /volunteers; `readers` are the citizens helped."""
        phone = phone_forms(registration.get("phone"))
        name = registration["name"]
        values = (name, *_long_words(name), *_mailboxes(registration["email"]), *phone)
        return cls(
            values,
            "",
            helper_id,
            (registration["home_postcode"],),
            registration["email"],
            (_first_word(name),),
            frozenset(readers),
        )


def _first_word(name: str) -> str:
    """As messages name helpers."""
    return name.split(maxsplit=1)[0]


def _long_words(name: str) -> list[str]:
    """Those that are no part of other words by chance."""
    return [word for word in name.split() if len(word) >= _LONG]


def _mailboxes(address: str | None) -> list[str]:
    return [address, address.partition("@")[0]] if address else []


def phone_forms(phone: str | None) -> list[str]:
    """A Danish number in E.164, as people and programs write it."""
    if not phone:
        return []
    digits = phone.removeprefix("+45")
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    return [digits, " ".join(pairs), "-".join(pairs), ".".join(pairs), f"{digits[:4]} {digits[4:]}"]


def forms(text: str) -> set[bytes]:
    """The text as it could have been written, whole, in any case and encoding."""
    decomposed = unicodedata.normalize("NFD", text)
    told = {text, text.translate(_FOLDED), decomposed}
    spellings = {one for word in told for one in (word, word.lower(), word.upper())}
    return {form for one in spellings for form in _encoded(one)}


def _encoded(text: str) -> Iterator[bytes]:
    plain = text.encode()
    latin = text.encode("latin-1", "ignore")
    escaped = (
        json.dumps(text)[1:-1],
        quote(text, safe=""),
        quote(text, safe="@"),
        quote_plus(text),
        html.escape(text),
    )
    yield from (
        form
        for form in (
            plain,
            latin,
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
            text.encode("ascii", "xmlcharrefreplace"),
            quopri.encodestring(plain),
            *(one.encode() for one in escaped),
        )
        if len(form) >= _SHORTEST
    )
    for raw in {plain, latin}:
        yield from _as_text(raw)


def _as_text(raw: bytes) -> Iterator[bytes]:
    """Bytes as hex and base64, at each of the three places at which base64 can begin."""
    found = [raw.hex(), raw.hex().upper()]
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        # The first and the last characters hold bits of what stands beside it.
        first, last = (0, 2, 3)[before], len(whole) - ((before + len(raw)) % 3 > 0)
        found += [whole[first:last], whole[first:last].translate(str.maketrans("+/", "-_"))]
    yield from (one.encode() for one in found if len(one) >= _SHORTEST_ENCODED)


def cpr_forms(cpr: str) -> set[bytes]:
    """A CPR number with and without its dash, and hashed without a key: ten digits are guessed."""
    found: set[bytes] = set()
    for written in (cpr, f"{cpr[:6]}-{cpr[6:]}", f"{cpr[:6]} {cpr[6:]}"):
        found |= forms(written)
        for name in _HASHES:
            digest = hashlib.new(name, written.encode(), usedforsecurity=False).digest()
            found |= {digest, *_as_text(digest)}
    return found


@dataclass
class Needles:
    """All forms of all canaries; which of them is told by its number."""

    canaries: Sequence[Canary]
    _forms: list[set[bytes]] = field(default_factory=list)
    _told: list[set[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write all forms."""
        for canary in self.canaries:
            every = {form for value in canary.values for form in forms(value)}
            self._forms.append(_lines(every | (cpr_forms(canary.cpr) if canary.cpr else set())))
            self._told.append(_lines({form for value in canary.told for form in forms(value)}))
        self._ids = [_id_forms(canary.person_id) for canary in self.canaries]
        self._beside = [
            [re.compile(_alone(value.encode())) for value in canary.beside_id]
            for canary in self.canaries
        ]
        self._patterns = _file(set().union(*self._forms, *self._told))
        self._id_patterns = _file(_lines(set().union(*self._ids)))

    def may_be_in(self, content: bytes) -> bool:
        """Whether any form stands in the content, a thousand times as fast as to count. Blocks."""
        return bool(content) and _grep(self._patterns, ["-q"], content).returncode == 0

    def in_content(self, content: bytes) -> Counter[bytes]:
        """The forms that stand there, one within another not counted. Blocks."""
        return Counter(_grep(self._patterns, ["-o"], content).stdout.split(b"\n"))

    def in_file(self, path: str) -> Counter[bytes]:
        """The forms that stand in a file; none if it is gone. Blocks."""
        return Counter(_grep(self._patterns, ["-o", "-h", "--", path]).stdout.split(b"\n"))

    def count(self, found: Mapping[bytes, int], whose: int) -> int:
        """How often something of a canary is among what was found."""
        return sum(times for form, times in found.items() if form in self._forms[whose])

    def count_told(self, found: Mapping[bytes, int], whose: int) -> int:
        """How often what those are told who meet the canary."""
        return sum(times for form, times in found.items() if form in self._told[whose])

    def count_untold(self, found: Mapping[bytes, int], whose: int) -> int:
        """How often what even those may not be told."""
        return self.count({form: found[form] for form in set(found) - self._told[whose]}, whose)

    def beside(self, unit: bytes, whose: int) -> int:
        """How often one row, record or line says something of a canary beside the id."""
        if not any(form in unit for form in self._ids[whose]):
            return 0
        return sum(len(value.findall(unit)) for value in self._beside[whose])

    def beside_within(self, content: bytes, whose: int) -> int:
        """The same of what has no lines, such as a table's file: near the id, in any form."""
        found = {
            (value.pattern, hit.start())
            for form in self._ids[whose]
            for place in re.finditer(re.escape(form), content)
            for value in self._beside[whose]
            for hit in value.finditer(
                content, max(0, place.start() - _BESIDE), place.end() + _BESIDE
            )
        }
        return len(found)

    def files(self, names: Sequence[str]) -> list[str]:
        """Those of the files that may hold any form. Blocks; raises where one can't be read."""
        return _files_with(self._patterns, names)

    def files_with_id(self, names: Sequence[str]) -> list[str]:
        """Those of the files that hold the id of any. Blocks; raises where one can't be read."""
        return _files_with(self._id_patterns, names)


def _alone(value: bytes) -> bytes:
    """A pattern for it where it is no part of a number or of an id.

    Behind the byte with which PostgreSQL begins a text of its length anything may follow.
    """
    begun = bytes([(len(value) + 1) * 2 + 1])
    return rb"(?<=%b)%b|(?<![0-9a-f-])%b(?![0-9a-f-])" % tuple(
        map(re.escape, (begun, *[value] * 2))
    )


def _id_forms(person_id: str) -> set[bytes]:
    """An id as text, and as a database keeps it."""
    if not person_id:
        return set()
    known = UUID(person_id)
    return {str(known).encode(), known.hex.encode(), known.bytes}


def _lines(wanted: set[bytes]) -> set[bytes]:
    """As grep takes them, a line for one: of a form with a line's end its longest part."""
    return {max(form.split(b"\n"), key=len) for form in wanted}


def _file(lines: set[bytes]) -> bytes:
    """Empty where there are none: an empty line would be found everywhere."""
    return b"".join(line + b"\n" for line in sorted(lines))


def _files_with(patterns: bytes, names: Sequence[str]) -> list[str]:
    """Of files with holes, such as the broker's indexes, only what was written is read."""
    if not names or not patterns:
        return []
    written = {name: _written(name) for name in names if _has_holes(name)}
    whole = [name for name in names if name not in written]
    found = _grep(patterns, ["-l", "-D", "skip", "--", *whole]).stdout.decode().splitlines()

    def is_in(content: bytes) -> bool:
        return _grep(patterns, ["-q"], content).returncode == 0

    if is_in(b"\n".join(written.values())):
        found += [name for name, content in written.items() if is_in(content)]
    return found


def _has_holes(name: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        about = Path(name).stat()
        return about.st_blocks * 512 < about.st_size
    return False


def _written(name: str) -> bytes:
    """What a file holds but its holes, which are zeros; nothing if it is gone."""
    parts: list[bytes] = []
    with contextlib.suppress(FileNotFoundError), Path(name).open("rb") as file:
        end = 0
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break  # nothing but a hole from there on
                raise
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            parts.append(os.pread(file.fileno(), end - start, start))
    return b"".join(parts)


def _grep(
    patterns: bytes, arguments: list[str], content: bytes | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Raises where something could not be read."""
    with tempfile.NamedTemporaryFile(prefix="needles-") as file:
        file.write(patterns)
        file.flush()
        command = ["grep", "-a", "-F", "-f", file.name, *arguments]
        try:
            done = subprocess.run(
                command, input=content, capture_output=True, env=_ENVIRONMENT, check=False
            )
        except FileNotFoundError as error:
            raise ProgramMissing("grep is needed to search", advice="install grep") from error
    failed = [line for line in done.stderr.splitlines() if not line.endswith(_GONE)]
    if failed:
        said = failed[0].decode(errors="replace")
        raise PlaceUnreadable(f"{len(failed)} files could not be searched, the first: {said}")
    return done
