"""Who may issue tokens, as data: the file of BROBYG_ISSUERS, and each issuer's public keys.

```toml
[[issuer]]
issuer = "https://login.example.dk/realms/region"   # `iss` of its tokens
keys = "https://login.example.dk/realms/region/certs"   # or a JWKS file, seen from this file
audience = "brobyg"                                 # `aud` of its tokens
algorithms = ["RS256"]                              # ES256, RS256 or PS256
roles = ["hospital"]                                # those that it may give, and no other
organisations = ["rm-hospital"]                     # for whom it may speak; without: for any
longest_seconds = 3600                              # from `iat` to `exp`
every_department = "*"                              # its word for head office; without: nobody is

[issuer.claims]                                     # where its tokens say what
roles = ["realm_access", "roles"]
organisation = ["organisation"]
department = ["department"]

[issuer.words]                                      # its word for a role, and ours
integration-engine = "hospital"
```
"""

import asyncio
import json
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx2
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from msgspec import Meta, Struct

from brobyg_kit.clock import Clock
from brobyg_kit.errors import InvalidIssuers, KeysUnavailable
from brobyg_kit.logs import get_logger
from brobyg_kit.tokens import AUDIENCE, ISSUER, check_roles

log = get_logger(__name__)

Key = ECKey | RSAKey
#: Bytes of a key set at an address, or None while there is none to be had.
Fetch = Callable[[str], Awaitable[bytes]]
Algorithm = Literal["ES256", "RS256", "PS256"]
#: At the most so often keys are read again because a token names one that is not known.
AGAIN = timedelta(minutes=1)
#: So old they are read again anyway, so that a key that was withdrawn is one no longer.
STALE = timedelta(minutes=10)
#: Seconds for each step of a question for keys, bytes and keys of an answer.
FETCH_TIMEOUT, MAX_BYTES, MAX_KEYS = 3.0, 100_000, 50
#: Bits of an RSA key.
_LEAST_RSA = 2048
#: As long as `brobyg token` issues them.
_LONGEST = 366 * 86_400
Path_ = Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)]


class Claims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an issuer's tokens say what: the names that lead to it, from outside in."""

    roles: Path_ = ("roles",)
    organisation: Path_ = ("organisation",)
    department: Path_ = ("department",)


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who issues tokens, and what they may say."""

    issuer: Annotated[str, Meta(min_length=1, max_length=300)]
    #: A file, or an address that begins with https://, or http:// on the own machine or network.
    keys: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)] = AUDIENCE
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("ES256",)
    roles: Annotated[frozenset[str], Meta(min_length=1)]
    organisations: frozenset[str] = frozenset()
    #: What its claim of the department says for head office, which acts for all: "" for nothing,
    #: as our own tokens do. None: nobody of it is head office. Else a claim that is missing is for
    #: no department, never for all.
    every_department: str | None = None
    longest_seconds: Annotated[int, Meta(ge=1, le=_LONGEST)] = 3600
    claims: Claims = Claims()
    #: Its words for roles; those that are not here say nothing. Empty: it uses ours.
    words: dict[str, str] = {}

    @property
    def is_remote(self) -> bool:
        """Whether its keys are at an address."""
        return "://" in self.keys


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    issuer: Annotated[tuple[Issuer, ...], Meta(max_length=50)] = ()


def own_issuer(keys: Path, roles: frozenset[str]) -> Issuer:
    """The issuer of `brobyg token`, whose public keys are in this file (BROBYG_TOKEN_KEYS)."""
    return Issuer(
        issuer=ISSUER,
        keys=str(keys),
        roles=roles,
        longest_seconds=_LONGEST,
        every_department="",
    )


def read_issuers(file: Path) -> Sequence[Issuer]:
    """The issuers of such a file, none of an empty one.

    Raises InvalidIssuers with the file and the reason.
    """
    try:
        found = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File).issuer
        for one in found:
            check_roles(one.roles)
            _check(one)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InvalidIssuers(f"{file}: {error}") from error
    return [
        one
        if one.is_remote
        else msgspec.structs.replace(one, keys=str((file.parent / one.keys).absolute()))
        for one in found
    ]


def _check(one: Issuer) -> None:
    """Raise ValueError for what can't be meant."""
    if others := set(one.words.values()) - one.roles:
        raise ValueError(f"{one.issuer}: words gives {sorted(others)}, which roles does not have")
    if not one.is_remote:
        return
    address = urlsplit(one.keys)
    host = address.hostname or ""
    near = host.startswith("127.") or host == "::1" or (host != "" and "." not in host)
    if not host or (address.scheme != "https" and not (address.scheme == "http" and near)):
        raise ValueError(f"{one.issuer}: keys: expected https://, as others may listen on the way")


async def fetch(address: str) -> bytes:
    """What is at the address. Raises OSError or httpx2.HTTPError, also when it is too much."""
    async with (
        httpx2.AsyncClient(timeout=FETCH_TIMEOUT, follow_redirects=False) as http,
        asyncio.timeout(2 * FETCH_TIMEOUT),
        http.stream("GET", address, headers={"Accept": "application/json"}) as answer,
    ):
        answer.raise_for_status()
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise OSError(f"more than {MAX_BYTES} bytes")
        return body


class _Listed(NamedTuple):
    """A key and its end (`exp`), where it names one."""

    key: Key
    end: datetime | None


class IssuerKeys:
    """An issuer's public keys by their id, read again while the service runs.

    Those that were read stay while they can't be read again.
    """

    def __init__(self, issuer: Issuer, clock: Clock, fetch: Fetch = fetch) -> None:
        """A file is read at once: raises InvalidIssuers when it can't be."""
        self.issuer, self._clock, self._fetch = issuer, clock, fetch
        self._keys: dict[str, _Listed] = {}
        long_ago = datetime.min.replace(tzinfo=clock.now().tzinfo)
        #: When they were last read, tried to be read for their age, and for a key not known.
        self._read_at = self._tried = self._searched = long_ago
        self._reading = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None
        if not issuer.is_remote:
            try:
                self._take(Path(issuer.keys).read_bytes())
            except (OSError, ValueError) as error:
                raise InvalidIssuers(f"{issuer.keys}: {error}") from error

    @property
    def endings(self) -> Iterable[tuple[str, datetime]]:
        """Each key that names an end (`exp`), and when that is."""
        return [(kid, one.end) for kid, one in self._keys.items() if one.end is not None]

    async def find(self, kid: str, algorithm: str) -> Key | None:
        """The key of this id, if it is for this algorithm. "" is the only one that there is.

        Waits for a question to the issuer when the id is not known, at most once a minute. Raises
        KeysUnavailable while none has ever been read.
        """
        now = self._clock.now()
        if self._named(kid) is None and now - self._searched >= AGAIN:
            async with self._reading:
                if self._named(kid) is None and now - self._searched >= AGAIN:
                    await self._read()
                    self._searched = now
        elif now - self._read_at >= STALE and now - self._tried >= AGAIN:
            self._tried = now
            self._later = asyncio.create_task(self._read_beside())
        if not self._keys:
            raise KeysUnavailable(f"no keys of {self.issuer.issuer} could be read yet")
        named = self._named(kid)
        return named.key if named is not None and _fits(named.key, algorithm) else None

    def _named(self, kid: str) -> "_Listed | None":
        found = self._keys.get(kid)
        if kid == "" and len(self._keys) == 1:
            (found,) = self._keys.values()
        if found is None or (found.end is not None and found.end <= self._clock.now()):
            return None
        return found

    async def _read_beside(self) -> None:
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        """Read them again. What fails is logged, and what was known stays."""
        where = self.issuer.keys
        try:
            if self.issuer.is_remote:
                self._take(await self._fetch(where))
            else:
                self._take(await asyncio.to_thread(Path(where).read_bytes))
        except (OSError, httpx2.HTTPError, TimeoutError, ValueError) as error:
            log.warning("issuer.keys_unreadable", issuer=self.issuer.issuer, error=error)

    def _take(self, body: bytes) -> None:
        """Raises ValueError unless it is a key set with a key that can be used."""
        if len(body) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        try:
            listed = json.loads(body)["keys"]
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("expected a JSON Web Key Set (RFC 7517)") from error
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise ValueError(f"expected a list of at most {MAX_KEYS} keys")
        usable = dict(filter(None, map(self._usable, listed)))
        if not usable:
            raise ValueError(f"no key is for {', '.join(self.issuer.algorithms)}")
        self._keys, self._read_at = usable, self._clock.now()

    def _usable(self, listed: Any) -> "tuple[str, _Listed] | None":
        """A key for one of the issuer's algorithms with its id; a shared secret is never one."""
        kinds: dict[object, type[ECKey | RSAKey]] = {"EC": ECKey, "RSA": RSAKey}
        if not isinstance(listed, dict) or listed.get("use") == "enc":
            return None
        kind = kinds.get(listed.get("kty"))
        if kind is None or (kind is RSAKey and _bits(listed.get("n")) < _LEAST_RSA):
            return None
        try:
            key = kind.import_key(listed)
            kid = str(listed.get("kid") or key.thumbprint())
            end = datetime.fromtimestamp(listed["exp"], UTC) if "exp" in listed else None
        except (JoseError, ValueError, TypeError, KeyError, OverflowError):
            return None
        if not any(_fits(key, one) for one in self.issuer.algorithms):
            return None
        return kid, _Listed(key, end)


def _bits(modulus: object) -> int:
    """Of a number in base64."""
    return len(modulus) * 6 if isinstance(modulus, str) else 0


def _fits(key: Key, algorithm: str) -> bool:
    if key.get("alg") not in (None, algorithm):
        return False
    if isinstance(key, ECKey):
        return algorithm == "ES256" and key.curve_name == "P-256"
    return algorithm in ("RS256", "PS256")
