"""The realm of the tests and of docker-compose.yml, in Keycloak's own form for an import.

`python -m brobyg_local.realm` writes it to `deploy/keycloak/realm.json`; a test compares.
"""

import json

from brobyg_kit.tokens import AUDIENCE

from .sign_ins import PORTAL_CLIENT, Machine, User, sign_ins
from .state import ROOT, write_atomically

REALM = "brobyg"
FILE = ROOT / "deploy" / "keycloak" / "realm.json"
#: Where Keycloak may send a browser back to. On a loopback address it takes any port (RFC 8252,
#: 7.3).
BACK, SIGNED_OUT = "http://127.0.0.1/sign-in/back", "http://127.0.0.1/sign-out/back"
#: What a user has beside what every Keycloak has, and its tokens say.
ATTRIBUTES = ("organisation", "department")
#: Seconds that a token lives; a session's are Keycloak's own.
TOKEN_SECONDS = 300


def realm() -> dict[str, object]:
    """The realm, with every user and machine of the file."""
    known = sign_ins()
    given = [*(one.roles for one in known.user), *(one.roles for one in known.machine)]
    words = sorted({word for roles in given for word in roles})
    return {
        "realm": REALM,
        "enabled": True,
        "accessTokenLifespan": TOKEN_SECONDS,
        "bruteForceProtected": True,
        "roles": {"realm": [{"name": word} for word in words]},
        "clients": [_portal(), *map(_client, known.machine)],
        "users": [*map(_user, known.user), *map(_account, known.machine)],
        "components": {"org.keycloak.userprofile.UserProfileProvider": [_profile()]},
    }


def _portal() -> dict[str, object]:
    """A public client: it proves itself by PKCE alone."""
    return {
        "clientId": PORTAL_CLIENT,
        "publicClient": True,
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": False,
        "redirectUris": [BACK],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": SIGNED_OUT,
        },
        "protocolMappers": _mappers(),
    }


def _client(machine: Machine) -> dict[str, object]:
    """A client that signs in as itself, with a secret."""
    audience = {"included.custom.audience": AUDIENCE, "access.token.claim": "true"}
    return {
        "clientId": machine.id,
        "secret": machine.secret,
        "publicClient": False,
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": True,
        "protocolMappers": [*_mappers(), _mapper("audience", "oidc-audience-mapper", audience)],
    }


def _mappers() -> list[dict[str, object]]:
    """Roles, organisation and department, where schemas/sign-in.toml looks for them."""
    roles = {**_claim("roles"), "multivalued": "true"}
    return [
        _mapper("roles", "oidc-usermodel-realm-role-mapper", roles),
        *(
            _mapper(
                name, "oidc-usermodel-attribute-mapper", {**_claim(name), "user.attribute": name}
            )
            for name in ATTRIBUTES
        ),
    ]


def _claim(name: str) -> dict[str, str]:
    into = ("id.token.claim", "access.token.claim", "userinfo.token.claim")
    return {"claim.name": name, "jsonType.label": "String", **dict.fromkeys(into, "true")}


def _mapper(name: str, kind: str, config: dict[str, str]) -> dict[str, object]:
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}


def _user(user: User) -> dict[str, object]:
    return {
        **_held(user),
        "username": user.id,
        "firstName": user.label,
        "credentials": [{"type": "password", "value": user.id}],
    }


def _account(machine: Machine) -> dict[str, object]:
    """The user that a machine is to Keycloak."""
    name = f"service-account-{machine.id}"
    return {**_held(machine), "username": name, "serviceAccountClientId": machine.id}


def _held(one: User | Machine) -> dict[str, object]:
    attributes = {"organisation": [one.organisation], "department": [one.department]}
    return {"enabled": True, "realmRoles": list(one.roles), "attributes": attributes}


def _profile() -> dict[str, object]:
    """What a user may have: nothing but the name is asked of anybody."""
    by_admins = {"view": ["admin", "user"], "edit": ["admin"]}
    names = ("username", "email", "firstName", "lastName", *ATTRIBUTES)
    profile = {"attributes": [{"name": name, "permissions": by_admins} for name in names]}
    config = {"kc.user.profile.config": [json.dumps(profile)]}
    return {"providerId": "declarative-user-profile", "config": config}


def text() -> str:
    """The realm as the file has it."""
    return json.dumps(realm(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    write_atomically(FILE, text())
