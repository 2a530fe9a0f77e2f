"""What a sign-in remembers on its way, and what a provider's claims make of somebody. Pure."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

#: How long a sign-in may take at the provider, seconds.
ATTEMPT_SECONDS = 600
#: Characters of a path on which a sign-in goes on.
_LONGEST_PATH = 500
#: Characters of an organisation or department.
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in on its way to the provider and back. In a cookie of the browser that began it.

    The browser may know all of it: it is bound to this browser, and to nobody. It is signed and
    dated, so that what no sign-in has begun, or long ago, is found out before it costs anything.
    """

    #: Comes back with the answer, so that nobody else's answer is taken.
    state: str
    #: Stands in the provider's token, so that no other sign-in's token is taken.
    nonce: str
    #: Proves to the provider that the code is ours (PKCE, RFC 7636).
    verifier: str
    #: Where to go on: a path of ours.
    next: str
    #: Seconds since 1970.
    begun_at: int

    def to_cookie(self, key: bytes) -> str:
        """As a cookie holds it, signed with `key`."""
        said = base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")
        return f"{said}.{_signature(said, key)}"

    @classmethod
    def of_cookie(cls, text: str, key: bytes, now: datetime) -> "Attempt | None":
        """What a cookie holds; None for what was not signed with `key`, or ATTEMPT_SECONDS ago."""
        said, _, signature = text.partition(".")
        if not text.isascii() or not hmac.compare_digest(signature, _signature(said, key)):
            return None
        made = cls(**json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))))
        return made if now.timestamp() < made.begun_at + ATTEMPT_SECONDS else None


def _signature(said: str, key: bytes) -> str:
    return hmac.new(key, f"sign-in\x00{said}".encode(), hashlib.sha256).hexdigest()


def own_path(text: str | None) -> str:
    r"""`text` if it is a path of ours to go on to, else the start page.

    Browsers take a backslash for a slash and leave out control characters: `/\host` would lead away
    (CWE-601).
    """
    good = (
        text is not None
        and text.startswith("/")
        and not text.startswith("//")
        and len(text) <= _LONGEST_PATH
        and "\\" not in text
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
    return text if good and text is not None else "/"


@dataclass(frozen=True, slots=True)
class ClaimMapping:
    """How a provider's claims become our words. A claim is named by its path."""

    roles: tuple[str, ...]
    #: The provider's value to our role; every other value says nothing.
    values: Mapping[str, str]
    organisation: tuple[str, ...]
    department: tuple[str, ...]
    #: The value by which the provider says that somebody acts for every department.
    every_department: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody may, as the provider says."""

    roles: frozenset[str]
    organisation: str | None
    department: str | None


def granted(claims: Mapping[str, Any], mapping: ClaimMapping) -> Granted:
    """What these claims make of somebody; no roles where organisation or department is not said.

    A token of ours without them lets its bearer act for all: that must be said, and never follows
    from a claim that is missing.
    """
    told = _at(claims, mapping.roles)
    words: Sequence[object] = told.split() if isinstance(told, str) else told or ()
    roles = frozenset(
        mapping.values[one] for one in words if isinstance(one, str) and one in mapping.values
    ) if isinstance(words, list | tuple) else frozenset()  # fmt: skip
    organisation = _name(_at(claims, mapping.organisation))
    department = _name(_at(claims, mapping.department))
    if organisation is None or department is None:
        roles = frozenset()
    if department == mapping.every_department:
        department = None
    return Granted(roles, organisation, department)


def _at(claims: Mapping[str, Any], path: Sequence[str]) -> Any:  # a claim is any JSON
    found: Any = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _name(told: object) -> str | None:
    """A claim that names one thing; a list of one names it too."""
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    good = isinstance(told, str) and 0 < len(told) <= _LONGEST_NAME and told.isprintable()
    return told if good and isinstance(told, str) else None
