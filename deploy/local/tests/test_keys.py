"""Keys are made once; the token that ends is renewed in time."""

import base64
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from brobyg_kit.auth import Verifier
from brobyg_kit.clock import WallClock
from brobyg_kit.tokens import AUDIENCE, issue_token
from brobyg_local.demo.access import SystemAccess
from brobyg_local.keys import make_keys
from brobyg_local.services import SERVICES, own_settings
from brobyg_local.state import ROOT, StateFolder
from brobyg_portal.adapters.http import ISSUER, Minter
from brobyg_portal.domain.session import Session
from joserfc import jwt
from joserfc.jwk import ECKey


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    made = StateFolder(tmp_path)
    made.local.mkdir()
    return made


def verifier(keys: dict[str, str]) -> Verifier:
    return Verifier.of_files(Path(keys["BROBYG_TOKEN_KEYS"]), None, WallClock())


async def test_a_system_made_again_in_the_same_folder_takes_its_own_tokens(
    folder: StateFolder,
) -> None:
    for _ in range(2):
        keys = make_keys(folder)
        access = SystemAccess(keys, folder.mail)
        signed = access.sign_in("coordinator", department="randers")
        assert signed == access.sign_in("coordinator", department="randers")
        caller = await verifier(keys).caller(signed["Authorization"].removeprefix("Bearer "))
        assert caller.department == "randers"
        shutil.rmtree(folder.local / "keys")


def age_to(folder: StateFolder, left: timedelta) -> dict[str, str]:
    """Let the token have only so much time left; returns the keys as they are then."""
    keys = make_keys(folder)
    token = issue_token(
        Path(keys["BROBYG_TOKEN_SIGNING_KEY"]),
        "service:notification",
        ["service"],
        WallClock(),
        lifetime=left,
    )
    path = folder.local / "keys" / "keys.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "BROBYG_NOTIFICATION_TOKEN": token})
    )
    return {**keys, "BROBYG_NOTIFICATION_TOKEN": token}


def lifetime(token: str) -> timedelta:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return timedelta(seconds=claims["exp"] - claims["iat"])


def test_a_token_with_less_than_thirty_days_left_is_renewed_and_nothing_else(
    folder: StateFolder,
) -> None:
    before = age_to(folder, timedelta(days=29))
    after = make_keys(folder)
    assert {name for name in after if after[name] != before[name]} == {"BROBYG_NOTIFICATION_TOKEN"}
    assert lifetime(after["BROBYG_NOTIFICATION_TOKEN"]) == timedelta(days=365)


def test_a_token_with_more_time_left_stays_so_that_no_service_is_restarted(
    folder: StateFolder,
) -> None:
    before = age_to(folder, timedelta(days=31))
    assert make_keys(folder) == before


def test_a_token_that_is_none_is_replaced(folder: StateFolder) -> None:
    make_keys(folder)
    path = folder.local / "keys" / "keys.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "BROBYG_NOTIFICATION_TOKEN": "nonsense"})
    )
    assert lifetime(make_keys(folder)["BROBYG_NOTIFICATION_TOKEN"]) == timedelta(days=365)


def test_a_service_is_given_its_own_keys_and_token_and_nobody_elses(folder: StateFolder) -> None:
    given = {**make_keys(folder), "BROBYG_KAFKA": "k", "BROBYG_MATCHING_URL": "http://m"}
    told = {name: own_settings(name, given) for name in SERVICES}
    assert all(
        settings["BROBYG_KAFKA"] == "k" and settings["BROBYG_MATCHING_URL"]
        for settings in told.values()
    )
    secret = {
        name: {
            key.removeprefix("BROBYG_")
            for key, value in settings.items()
            if key.endswith(("KEY", "_KEYS", "TOKEN")) and key != "BROBYG_TOKEN_KEYS" and value
        }
        for name, settings in told.items()
    }
    assert secret == {
        "referral": {"REFERRAL_ENCRYPTION_KEY", "REFERRAL_CPR_KEY"},
        "matching": {
            "MATCHING_ENCRYPTION_KEY",
            "MATCHING_LOOKUP_KEY",
            "MATCHING_LINK_KEYS",
            "MATCHING_REGISTRATION_KEYS",
        },
        "notification": {"SERVICE_TOKEN"},
        "reporting": set(),
        "portal": {"SERVICE_TOKEN", "PORTAL_SIGNING_KEY"},
    }


@pytest.mark.parametrize(("name", "role"), [("notification", "service"), ("portal", "portal")])
async def test_each_token_says_whose_it_is_and_the_portals_reads_no_contact(
    folder: StateFolder, name: str, role: str
) -> None:
    keys = make_keys(folder)
    caller = await verifier(keys).caller(keys[f"BROBYG_{name.upper()}_TOKEN"])
    assert (caller.subject, caller.roles) == (f"service:{name}", {role})


async def test_services_take_the_portals_tokens_and_head_office_is_who_is_said_to_be(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "sign-in.toml"
    text = (ROOT / "schemas" / "sign-in.toml").read_text(encoding="utf-8")
    own.write_text(text.replace('operator = "operator"', 'boss = "coordinator"'), "utf-8")
    monkeypatch.setenv("BROBYG_PORTAL_SIGN_IN", str(own))
    keys = make_keys(folder)
    issuers = Path(keys["BROBYG_ISSUERS"])
    takes = Verifier.of_files(None, issuers, WallClock())
    assert "operator" not in issuers.read_text(encoding="utf-8")
    minter = Minter(Path(keys["BROBYG_PORTAL_SIGNING_KEY"]), WallClock())
    who = Session(
        "s", "staff", "019ad7a0-1f00-5c3a-9a51-3b7f0e6d2a11", frozenset({"coordinator"}), None,
        None, WallClock().now(),
    )  # fmt: skip
    assert (await takes.caller(minter.token(who))).department is None
    there = replace(who, department="randers-norddjurs")
    assert (await takes.caller(minter.token(there))).department == "randers-norddjurs"
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": who.subject, "roles": ["coordinator"]}
    now = int(WallClock().now().timestamp())
    key = ECKey.import_key(json.loads(Path(keys["BROBYG_PORTAL_SIGNING_KEY"]).read_text()))
    header = {"alg": "ES256", "kid": key.kid or ""}
    without = jwt.encode(header, {**claims, "iat": now, "exp": now + 60}, key)
    assert (await takes.caller(without)).department == "", "of no department"
