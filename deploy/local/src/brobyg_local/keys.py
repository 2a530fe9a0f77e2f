"""The running system's keys: made once, kept in files only their owner reads, never printed."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from brobyg_kit.tokens import generate_keys, issue_token
from brobyg_kit.clock import WallClock

from .places import Places, read_json, write_atomically

__all__ = ["make_keys"]

TOKEN_LIFETIME = timedelta(days=365)  # checked by the wall's clock
RENEWED_BEFORE = timedelta(days=30)
RANDOM_KEYS = (
    "BROBYG_REFERRAL_ENCRYPTION_KEY",
    "BROBYG_REFERRAL_CPR_KEY",
    "BROBYG_MATCHING_LINK_KEY",
)
"""Each 32 random bytes in base64: AES-GCM over citizens' data, HMAC over CPR numbers, signatures of answer links."""

TOKENS = {
    "BROBYG_NOTIFICATION_TOKEN": ("service:notification", "service"),
    "BROBYG_PORTAL_TOKEN": ("service:portal", "portal"),
}
"""What those services that ask others show them as BROBYG_SERVICE_TOKEN: subject and role."""


def make_keys(places: Places) -> dict[str, str]:
    """The settings that are keys or name key files, made where they are missing; tokens in time before they end. Raises OSError."""
    folder = places.local / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, public, others = (
        folder / "signing.jwk.json",
        folder / "public.jwks.json",
        folder / "keys.json",
    )
    before = read_json(public)
    _make_pair(signing, public)
    kept = {name: str(value) for name, value in read_json(others).items()}
    clock = WallClock()
    values = {
        name: kept.get(name) or base64.b64encode(secrets.token_bytes(32)).decode()
        for name in RANDOM_KEYS
    }
    for name, (subject, role) in TOKENS.items():
        values[name] = kept.get(name, "")
        # Signed by a key that nobody knows any more, or soon no good.
        if before != read_json(public) or _expiry(values[name]) < clock.now() + RENEWED_BEFORE:
            values[name] = issue_token(signing, subject, [role], clock, lifetime=TOKEN_LIFETIME)
    if values != kept:
        write_atomically(others, json.dumps(values, indent=2), mode=0o600)
    return {**values, "BROBYG_TOKEN_KEYS": str(public), "BROBYG_TOKEN_SIGNING_KEY": str(signing)}


def _make_pair(signing: Path, public: Path) -> None:
    """Both files or neither: an interruption in between leaves the public one missing, and then both are made anew."""
    if read_json(signing) and read_json(public):
        return
    new_signing, new_public = signing.with_suffix(".new"), public.with_suffix(".new")
    for path in (new_signing, new_public, public):
        path.unlink(missing_ok=True)
    generate_keys(new_signing, new_public)
    new_signing.replace(signing)
    new_public.replace(public)


def _expiry(token: str) -> datetime:
    """When a token (RFC 7519) of ours ends; long ago for what is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
