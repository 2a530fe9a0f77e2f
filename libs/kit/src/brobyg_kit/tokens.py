"""Development tokens (JWT, ES256) and their keys. Checking a token is `brobyg_kit.auth`.

A module of its own, so that the command line can issue a token without a web framework.
"""

import json
from collections.abc import Set as AbstractSet
from datetime import timedelta
from pathlib import Path

from brobyg_kit.clock import Clock
from brobyg_kit.domain import domain

ISSUER = AUDIENCE = "brobyg"


def check_roles(roles: AbstractSet[str]) -> None:
    """Raise ValueError for a role that the domain does not have."""
    known = domain().ROLES
    if unknown := roles - known:
        raise ValueError(f"unknown roles {sorted(unknown)}; there are {sorted(known)}")


def issue_token(
    signing_key: Path,
    subject: str,
    roles: list[str],
    clock: Clock,
    *,
    organisation: str | None = None,
    department: str | None = None,
    lifetime: timedelta = timedelta(hours=8),
) -> str:
    """A development token.

    Raises ValueError for an unknown role, and OSError when the key cannot be read.
    """
    from joserfc import jwt
    from joserfc.jwk import ECKey

    check_roles(frozenset(roles))
    key = ECKey.import_key(json.loads(signing_key.read_text()))
    now = int(clock.now().timestamp())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": roles,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
    }
    if organisation:
        claims["organisation"] = organisation
    if department:
        claims["department"] = department
    return jwt.encode({"alg": "ES256", "kid": key.kid or ""}, claims, key)


def generate_keys(private: Path, public: Path) -> None:
    """Write a new ES256 key pair: a private JWK, readable by its owner only, and a public JWKS."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", auto_kid=True)
    private.touch(mode=0o600)
    private.write_text(json.dumps(key.as_dict(private=True)))
    public.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
