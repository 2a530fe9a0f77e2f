"""The running system's keys: made once, kept in files that only their owner reads."""

import base64
import json
import os
import secrets
from datetime import timedelta
from pathlib import Path

from brobyg_contracts.sign_in import load, sign_in
from brobyg_kit.clock import WallClock
from brobyg_kit.endings import end_of_token
from brobyg_kit.tokens import generate_keys, issue_token

from .state import StateFolder, read_json, write_atomically

#: By the wall clock.
TOKEN_LIFETIME = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
#: Each is 32 random bytes in base64: master keys that wrap citizens' and helpers' own keys, keys of
#: the hashes that both are found by, signatures of answer links, and HMAC over registrations. All
#: but those of hashes are lists, of one here.
RANDOM_KEYS = (
    "BROBYG_REFERRAL_ENCRYPTION_KEY",
    "BROBYG_REFERRAL_CPR_KEY",
    "BROBYG_MATCHING_ENCRYPTION_KEY",
    "BROBYG_MATCHING_LOOKUP_KEY",
    "BROBYG_MATCHING_LINK_KEYS",
    "BROBYG_MATCHING_REGISTRATION_KEYS",
)
#: Passwords for the database, of the services' own logins and of one analyst.
PASSWORDS = tuple(
    f"BROBYG_{name}_PASSWORD"
    for name in (
        "REFERRAL_DATABASE",
        "MATCHING_DATABASE",
        "NOTIFICATION_DATABASE",
        "REPORTING_DATABASE",
        "PORTAL_DATABASE",
        "REPORTING_ANALYST",
    )
)
#: What services that ask others show as BROBYG_SERVICE_TOKEN: subject and role.
TOKENS = {
    "BROBYG_NOTIFICATION_TOKEN": ("service:notification", "service"),
    "BROBYG_PORTAL_TOKEN": ("service:portal", "portal"),
}
#: The portal's own key, with which it asks services for whoever is signed in, and its public half.
PORTAL_KEY, PORTAL_PUBLIC_KEYS = "portal.jwk.json", "portal-public.jwks.json"
PORTAL_ISSUER = "brobyg-portal"
#: The roles of those who sign in there by links.
BY_LINKS = ("volunteer", "citizen")


def make_keys(folder: StateFolder) -> dict[str, str]:
    """The settings that are keys or name key files, made where missing; tokens renewed in time.

    Raises OSError, InvalidDocument.
    """
    keys = folder.local / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, public, others = (
        keys / name for name in ("signing.jwk.json", "public.jwks.json", "keys.json")
    )
    kept = {name: str(value) for name, value in read_json(others).items()}
    if not (read_json(signing) and read_json(public)):
        # Both are made again, and no token that the old key signed remains, wherever this is
        # interrupted.
        kept = {name: value for name, value in kept.items() if name not in TOKENS}
        write_atomically(others, json.dumps(kept), mode=0o600)
        signing.unlink(missing_ok=True)
        generate_keys(signing, public)
    clock = WallClock()
    values = {
        name: kept.get(name) or base64.b64encode(secrets.token_bytes(32)).decode()
        for name in RANDOM_KEYS
    }
    values |= {name: kept.get(name) or secrets.token_urlsafe(18) for name in PASSWORDS}
    for name, (subject, role) in TOKENS.items():
        values[name] = kept.get(name, "")
        end = end_of_token(values[name])
        if end is None or end < clock.now() + RENEWED_BEFORE:
            values[name] = issue_token(signing, subject, [role], clock, lifetime=TOKEN_LIFETIME)
    if values != kept:
        write_atomically(others, json.dumps(values, indent=2), mode=0o600)
    portal = keys / PORTAL_KEY
    if not (read_json(portal) and read_json(keys / PORTAL_PUBLIC_KEYS)):
        portal.unlink(missing_ok=True)
        generate_keys(portal, keys / PORTAL_PUBLIC_KEYS)
    issuers = keys / "issuers.toml"
    write_atomically(issuers, _issuers())
    return {
        **values,
        "BROBYG_TOKEN_KEYS": str(public),
        "BROBYG_TOKEN_SIGNING_KEY": str(signing),
        "BROBYG_PORTAL_SIGNING_KEY": str(portal),
        "BROBYG_ISSUERS": str(issuers),
    }


def _issuers() -> str:
    """The portal issues tokens for those whom it has signed in (BROBYG_ISSUERS)."""
    own = os.environ.get("BROBYG_PORTAL_SIGN_IN")
    mapping = load(Path(own)) if own else sign_in()
    roles = sorted({*mapping.staff.values(), *BY_LINKS})
    return f"""[[issuer]]
issuer = "{PORTAL_ISSUER}"
keys = "{PORTAL_PUBLIC_KEYS}"
roles = {json.dumps(roles)}
every_department = "*"
longest_seconds = 60
"""
