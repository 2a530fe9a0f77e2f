"""The running system's keys: made once, kept in files only their owner reads, never printed."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from .places import Places, read_json, write_atomically

__all__ = ["make_keys"]

SERVICE_TOKEN_LIFETIME = timedelta(days=365)
RANDOM_KEYS = ("BROBYG_REFERRAL_ENCRYPTION_KEY", "BROBYG_REFERRAL_CPR_KEY", "BROBYG_MATCHING_LINK_KEY")
"""Each 32 random bytes in base64: AES-GCM over citizens' data, HMAC over CPR numbers, signatures of answer links."""


def make_keys(places: Places) -> dict[str, str]:
    """The settings that are keys or name key files, made where they are missing. Raises OSError."""
    folder = places.local / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, public, others = folder / "signing.jwk.json", folder / "public.jwks.json", folder / "keys.json"
    key = _signing_key(signing, public)
    kept = {name: str(value) for name, value in read_json(others).items()}
    values = {name: kept.get(name) or base64.b64encode(secrets.token_bytes(32)).decode() for name in RANDOM_KEYS}
    values["BROBYG_SERVICE_TOKEN"] = kept.get("BROBYG_SERVICE_TOKEN") or _service_token(key)
    if values != kept:
        write_atomically(others, json.dumps(values, indent=2), mode=0o600)
    return {**values, "BROBYG_TOKEN_KEYS": str(public), "BROBYG_TOKEN_SIGNING_KEY": str(signing)}


def _signing_key(signing: Path, public: Path) -> ECKey:
    kept = read_json(signing)
    if kept:
        key = ECKey.import_key({name: str(value) for name, value in kept.items()})
    else:
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
        write_atomically(signing, json.dumps(key.as_dict(private=True)), mode=0o600)
    if not read_json(public):
        write_atomically(public, json.dumps(KeySet([key]).as_dict(private=False)))
    return key


def _service_token(key: ECKey) -> str:
    """What the services show each other. It is valid for a year from now, so also in the demo's week ahead."""
    now = datetime.now(UTC)
    claims = {
        "iss": "brobyg",
        "aud": "brobyg",
        "sub": "service:local",
        "roles": ["service"],
        "iat": int(now.timestamp()),
        "exp": int((now + SERVICE_TOKEN_LIFETIME).timestamp()),
    }
    return jwt.encode({"alg": "ES256", "kid": str(key.kid)}, claims, key)
