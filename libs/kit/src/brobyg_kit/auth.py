"""Authentication: bearer tokens (JWT, ES256), roles and the organisation of a caller."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from brobyg_kit.clock import Clock
from brobyg_kit.domain import domain
from brobyg_kit.problems import Problem
from brobyg_kit.tokens import AUDIENCE, ISSUER, check_roles

_ALGORITHMS = ["ES256"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    #: An opaque id.
    subject: str
    roles: frozenset[str]
    #: For which organisation and department they act; None for any.
    organisation: str | None = None
    department: str | None = None


class Verifier:
    """Checks tokens against the public keys of the issuer."""

    def __init__(self, keys: Path | None, clock: Clock) -> None:
        """`keys` is a JWKS file; None refuses every token. Tokens expire by `clock`.

        Raises OSError or ValueError when the file cannot be read.
        """
        self._keys = KeySet.import_key_set(json.loads(keys.read_text())) if keys else None
        self._clock = clock

    def caller(self, token: str) -> Caller:
        """Whose token it is. Raises Problem 401 when it is not ours, altered, or expired."""
        if self._keys is None:
            raise _unauthorized("this service has no keys to check tokens against")
        try:
            claims = jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=30,
                iss={"essential": True, "value": ISSUER},
                aud={"essential": True, "value": AUDIENCE},
                sub={"essential": True},
                exp={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _unauthorized("the token is not valid or has expired") from error
        return _caller(claims)


def _caller(claims: dict[str, object]) -> Caller:
    roles, organisation, department = (
        claims.get("roles"),
        claims.get("organisation"),
        claims.get("department"),
    )
    return Caller(
        subject=str(claims["sub"]),
        roles=frozenset(str(role) for role in roles) & domain().ROLES
        if isinstance(roles, list)
        else frozenset(),
        organisation=str(organisation) if organisation else None,
        department=str(department) if department else None,
    )


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401, "A valid bearer token is needed", detail, headers={"WWW-Authenticate": "Bearer"}
    )


class Requirement:
    """A FastAPI dependency: the caller must hold one of these roles."""

    def __init__(self, roles: frozenset[str]) -> None:
        """Raises ValueError for a role that the domain does not have."""
        check_roles(roles)
        self.roles = roles

    async def __call__(self, request: Request) -> Caller:
        """The caller. Raises Problem 401 without a valid token and 403 without the role."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("send 'Authorization: Bearer <token>'")
        verifier: Verifier = request.app.state.verifier
        caller = verifier.caller(token.strip())
        if not caller.roles & self.roles:
            raise Problem(
                403, "This is not for your role", f"needs one of: {', '.join(sorted(self.roles))}"
            )
        return caller


def requires(*roles: str) -> Callable[[Request], object]:
    """For `Annotated[Caller, Depends(requires(role))]`: a caller with one of the roles."""
    return Requirement(frozenset(roles))


def requires_act(*acts: str) -> Callable[[Request], object]:
    """For `Annotated[Caller, Depends(requires_act(act))]`: a caller whose role may do this.

    Or one of several. The roles stand in the domain's table of access, and on whose data too, which
    the use case checks. Raises for an act that the table does not have.
    """
    return Requirement(frozenset().union(*map(domain().roles_for, acts)))


def may(caller: Caller, act: str) -> bool:
    """Whether a role of the caller may do this, by the same table; on whose data is not asked."""
    return bool(caller.roles & domain().roles_for(act))
