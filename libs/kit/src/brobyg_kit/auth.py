"""Authentication: bearer tokens (JWT) of declared issuers; the roles and reach of a caller."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError

from brobyg_kit.clock import Clock
from brobyg_kit.domain import domain
from brobyg_kit.errors import InvalidIssuers, KeysUnavailable
from brobyg_kit.issuers import Fetch, Issuer, IssuerKeys, fetch, own_issuer, read_issuers
from brobyg_kit.problems import Problem

#: Characters of a token. Those of Keycloak with many roles have some 2,000.
MAX_TOKEN = 8_192
#: Seconds that an issuer's clock may be ahead of ours, or behind.
LEEWAY = 30
#: What a header may say. Others tell where a key is to be had, or ask for what we do not do.
_HEADER = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_TYPES = frozenset({"jwt", "at+jwt"})
#: Characters of an id.
_MAX_ID = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    #: An opaque id.
    subject: str
    roles: frozenset[str]
    #: For which organisation they act; None for none.
    organisation: str | None = None
    #: For which department they act; None for all (head office), "" for none.
    department: str | None = None


class _Refused(Exception):
    """A token that is not to be believed. Why is nobody's to know: it helps a forger alone."""


class Verifier:
    """Checks tokens against the public keys of those who may issue them."""

    def __init__(self, issuers: Sequence[Issuer], clock: Clock, fetch: Fetch = fetch) -> None:
        """Without issuers it refuses every token. Tokens expire by `clock`.

        Raises InvalidIssuers when a file of keys can't be read, or two have one name.
        """
        self.issuers = {one.issuer: IssuerKeys(one, clock, fetch) for one in issuers}
        if len(self.issuers) < len(issuers):
            raise InvalidIssuers("two issuers have the same name")
        self._clock = clock

    @classmethod
    def of_files(cls, keys: Path | None, issuers: Path | None, clock: Clock) -> "Verifier":
        """For those of the file `issuers`, and for the one whose JWKS file is `keys`.

        Raises InvalidIssuers.
        """
        own = [own_issuer(keys, domain().ROLES)] if keys else []
        return cls([*own, *(read_issuers(issuers) if issuers else [])], clock)

    def ends(self) -> Iterable[tuple[str, datetime]]:
        """Each issuer's keys that name an end, and when that is."""
        for issuer, keys in self.issuers.items():
            for kid, end in keys.endings:
                yield f"the key {kid} of the issuer {issuer}", end

    async def caller(self, token: str) -> Caller:
        """Whose token it is.

        Raises Problem 401 when it is not ours, altered, or expired, and 503 while its issuer's keys
        could not be read yet.
        """
        if not self.issuers:
            raise _unauthorized("this service has no keys to check tokens against")
        try:
            return await self._caller(token)
        except _Refused:
            raise _unauthorized("the token is not valid or has expired") from None
        except KeysUnavailable as error:
            advice = "the issuer of the token can't be asked for its keys; try again"
            raise Problem(
                503, "The token can't be checked right now", advice, headers={"Retry-After": "10"}
            ) from error

    async def _caller(self, token: str) -> Caller:
        header, unproven = _parts(token)
        name = unproven.get("iss")
        keys = self.issuers.get(name) if isinstance(name, str) else None
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if keys is None or algorithm not in keys.issuer.algorithms or not isinstance(kid, str):
            raise _Refused
        key = await keys.find(kid, algorithm)
        if key is None:
            raise _Refused
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            self._check(claims, keys.issuer)
        except (JoseError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise _Refused from error
        return _told(claims, keys.issuer)

    def _check(self, claims: dict[str, Any], issuer: Issuer) -> None:
        """Raises JoseError or _Refused."""
        jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer.issuer},
            aud={"essential": True, "value": issuer.audience},
            sub={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        ).validate(claims)
        if claims["exp"] - claims["iat"] > issuer.longest_seconds:
            raise _Refused


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header, and the claims that nothing has proven yet. Raises _Refused."""
    pieces = token.split(".")
    if len(token) > MAX_TOKEN or len(pieces) != 3 or not all(pieces):
        raise _Refused
    header, claims = (_object(piece) for piece in pieces[:2])
    kind = header.get("typ", "JWT")
    if header.keys() - _HEADER or not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _Refused
    return header, claims


def _object(piece: str) -> dict[str, Any]:
    """A JSON object in base64, in which each name stands once. Raises _Refused."""
    try:
        padded = piece + "=" * (-len(piece) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True)
        found = json.loads(plain, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _Refused from error
    if not isinstance(found, dict):
        raise _Refused
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # which one counts would be the reader's choice
        raise ValueError("a name stands twice")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _told(claims: dict[str, Any], issuer: Issuer) -> Caller:
    """Raises _Refused for a role or an organisation that is not the issuer's to give."""
    where = issuer.claims
    roles = _roles(_at(claims, where.roles), issuer)
    organisation = _id(_at(claims, where.organisation))
    if issuer.organisations and organisation not in issuer.organisations:
        raise _Refused
    subject = _id(claims["sub"])
    if subject is None:
        raise _Refused
    department = _id(_at(claims, where.department)) or ""
    every = department == issuer.every_department
    return Caller(subject, roles, organisation, None if every else department)


def _roles(told: object, issuer: Issuer) -> frozenset[str]:
    """Ours; a word that is none says nothing here, as providers add some of their own."""
    words = told.split() if isinstance(told, str) else told
    if words is None:
        return frozenset()
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        raise _Refused
    if issuer.words:
        return frozenset(issuer.words[one] for one in words if one in issuer.words)
    roles = frozenset(words) & domain().ROLES
    if roles - issuer.roles:
        raise _Refused
    return roles


def _at(claims: dict[str, Any], path: Sequence[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _id(told: object) -> str | None:
    """None for none. Raises _Refused for what is no id: it is stored, and shown."""
    if told is None or told == "":
        return None
    if not isinstance(told, str) or len(told) > _MAX_ID or not told.isprintable():
        raise _Refused
    return told


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401, "A valid bearer token is needed", detail, headers={"WWW-Authenticate": "Bearer"}
    )


class Requirement:
    """A FastAPI dependency: a caller who may do one of these acts, by the table of access."""

    def __init__(self, acts: Sequence[str]) -> None:
        """Raises for an act that the table does not have."""
        self.acts = tuple(acts)
        self._roles = frozenset().union(*map(domain().roles_for, acts))

    async def __call__(self, request: Request) -> Caller:
        """The caller. Raises Problem 401 without a valid token and 403 without the role."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("send 'Authorization: Bearer <token>'")
        verifier: Verifier = request.app.state.verifier
        caller = await verifier.caller(token.strip())
        if not caller.roles & self._roles:
            raise Problem(
                403, "This is not for your role", f"needs one of: {', '.join(sorted(self._roles))}"
            )
        return caller


def requires_act(*acts: str) -> Callable[[Request], object]:
    """For `Annotated[Caller, Depends(requires_act(act))]`: a caller whose role may do this.

    Or one of several. The roles stand in the domain's table of access, and on whose data too, which
    the use case checks. Raises for an act that the table does not have.
    """
    return Requirement(acts)
