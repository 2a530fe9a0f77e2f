"""What is searched for: every value of a canary in every form in which it could have been kept."""

import base64
import hashlib
import html
import json
import os
import quopri
import re
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, quote_plus

from brobyg_local.errors import CommandFailed, ProgramMissing

#: Shorter forms stand in random data by chance.
_SHORTEST, _SHORTEST_ENCODED = 5, 8
#: Letters of a name that is searched for by itself.
_LONG = 6
_HASHES = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")
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

    @classmethod
    def of_citizen(cls, citizen: Mapping[str, Any], citizen_id: str) -> Self:
        """From the body of POST /referrals: its `citizen`."""
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
        postcodes = filter(None, [address.get("postcode")])
        return cls(tuple(values), citizen["cpr"], citizen_id, tuple(postcodes))

    @classmethod
    def of_helper(cls, registration: Mapping[str, Any], helper_id: str) -> Self:
        """From the body of POST /volunteers."""
        phone = phone_forms(registration.get("phone"))
        name = registration["name"]
        values = (name, *_long_words(name), *_mailboxes(registration["email"]), *phone)
        return cls(values, "", helper_id, (registration["home_postcode"],))


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
    """All forms of all canaries."""

    canaries: Sequence[Canary]
    _forms: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Write all forms."""
        for canary in self.canaries:
            for value in canary.values:
                self._forms |= forms(value)
            if canary.cpr:
                self._forms |= cpr_forms(canary.cpr)
        self._beside = [
            (
                canary.person_id.encode(),
                # Not as a part of a number or of an id.
                re.compile(rb"(?<![0-9a-f-])%b(?![0-9a-f-])" % re.escape(value.encode())),
            )
            for canary in self.canaries
            for value in canary.beside_id
            if canary.person_id
        ]
        # grep takes a line for a pattern: of one that has a line's end within, its longest part.
        lines = {max(form.split(b"\n"), key=len) for form in self._forms}
        self._patterns = b"\n".join(sorted(lines)) + b"\n"

    def beside(self, unit: bytes) -> int:
        """How often one row, record or line says something of a canary beside the id."""
        return sum(len(value.findall(unit)) for who, value in self._beside if who in unit)

    def may_be_in(self, content: bytes) -> bool:
        """Whether any form stands in the content, a thousand times as fast as to count. Blocks."""
        return bool(content) and self._grep(["-q"], content).returncode == 0

    def count(self, content: bytes) -> int:
        """How often any form stands in the content; a form within another counts too."""
        return sum(content.count(form) for form in self._forms)

    def files(self, names: Sequence[str]) -> list[str]:
        """Those of the files that may hold any. Blocks."""
        return self._grep(["-l", "--", *names]).stdout.decode().splitlines() if names else []

    def _grep(
        self, arguments: list[str], content: bytes | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        with tempfile.NamedTemporaryFile(prefix="needles-") as patterns:
            patterns.write(self._patterns)
            patterns.flush()
            command = ["grep", "-s", "-a", "-F", "-f", patterns.name, *arguments]
            try:
                done = subprocess.run(
                    command, input=content, capture_output=True, env=_ENVIRONMENT, check=False
                )
            except FileNotFoundError as error:
                raise ProgramMissing("grep is needed to search", advice="install grep") from error
        # Of files, one that is gone by now makes it 2.
        if done.returncode > 1 and content is not None:
            raise CommandFailed(f"grep failed with exit code {done.returncode}")
        return done
