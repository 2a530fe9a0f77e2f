"""The light provider: sign-ins by OpenID Connect without a password, for demo and development.

It is `no.nav.security:mock-oauth2-server`. Its sign-in page is a list of roles, and whoever picks
one has it: so it listens on this machine alone. PKCE is checked, and a code is taken once. A client
needs no registration, goes back to any address, and is believed whatever its secret: what must be
refused is tested with Keycloak.
"""

import html
import json
import string
from pathlib import Path

from .jars import class_path
from .ports import Ports
from .services import ANSWER_TIMEOUT, ask
from .sign_ins import User, sign_ins
from .state import StateFolder, write_atomically
from .supervisor import Program
from .tools import Say, find_java

NAME = "light-provider"
PAGE = Path(__file__).parent / "files" / "role-picker.html"
#: Idle it has about 110 MB, most of it Java's own.
JAVA_OPTIONS = (
    "-Xmx64m -Xms16m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
    " -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true"
)
MAIN = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"
#: In its addresses, and the id of its key. A key is made once for a folder, so that what was signed
#: before a restart stays valid.
ISSUER = "brobyg"
#: Seconds that its tokens live.
TOKEN_SECONDS = 300


class LightProvider:
    """The light provider of one state folder: what to run, and whether it is ready."""

    name = NAME

    def __init__(self, folder: StateFolder, ports: Ports, say: Say) -> None:
        """Nothing is started."""
        self._folder = folder
        self._ports = ports
        self._say = say

    @property
    def issuer(self) -> str:
        """Its issuer, with this host name alone; empty before the first start."""
        port = self._ports.of(NAME)
        return issuer_at(port) if port else ""

    def is_ready(self) -> bool:
        """Whether it answers. Blocks for at most `ANSWER_TIMEOUT` seconds."""
        try:
            return bool(ask(f"{self.issuer}/.well-known/openid-configuration", ANSWER_TIMEOUT))
        except (OSError, ValueError):
            return False

    def prepare(self) -> Program:
        """Its program, on the port that has been chosen. Blocks, the first time for a minute."""
        folder = self._folder.local / NAME
        folder.mkdir(parents=True, exist_ok=True)
        page, settings = folder / "sign-in.html", folder / "settings.json"
        write_atomically(page, role_picker())
        write_atomically(settings, json.dumps(_settings(page, self._key()), indent=1))
        java = [str(find_java(self._say)), *JAVA_OPTIONS.split()]
        return Program(
            NAME,
            [*java, "-cp", class_path(NAME, self._say), MAIN],
            {
                "SERVER_HOSTNAME": "127.0.0.1",
                "SERVER_PORT": str(self._ports.of(NAME)),
                "JSON_CONFIG_PATH": str(settings),
                "LOG_LEVEL": "WARN",
            },
        )

    def _key(self) -> str:
        """The key that signs its tokens, as a JWK; made where there is none."""
        path = self._folder.local / NAME / "key.jwk.json"
        if not path.exists():
            from joserfc.jwk import ECKey  # a tenth of a second, which few commands need

            key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig", "kid": ISSUER})
            write_atomically(path, json.dumps(key.as_dict(private=True)), mode=0o600)
        return path.read_text(encoding="utf-8")


def issuer_at(port: int) -> str:
    """The issuer of a light provider on this port."""
    return f"http://127.0.0.1:{port}/{ISSUER}"


def role_picker() -> str:
    """The sign-in page: a button for each user of the file."""
    page = string.Template(PAGE.read_text(encoding="utf-8"))
    return page.substitute(choices="\n".join(map(_choice, sign_ins().user)))


def _choice(user: User) -> str:
    claims = html.escape(json.dumps(user.claims(), ensure_ascii=False))
    roles = html.escape(", ".join(user.roles) or "ingen")
    where = html.escape(f"{user.organisation}, {user.department}")
    return (
        f'<li><form method="post"><input type="hidden" name="username" value="{user.id}">'
        f'<input type="hidden" name="claims" value="{claims}">'
        f'<button id="{user.id}">{html.escape(user.label)}'
        f"<small>{roles} · {where}</small></button></form></li>"
    )


def _settings(page: Path, key: str) -> dict[str, object]:
    """What mock-oauth2-server is told: its page, its key, and the machines' claims."""
    machines = [
        {"requestParam": "client_id", "match": one.id, "claims": {"sub": one.id, **one.claims()}}
        for one in sign_ins().machine
    ]
    callback = {"issuerId": ISSUER, "tokenExpiry": TOKEN_SECONDS, "requestMappings": machines}
    return {
        "interactiveLogin": True,
        "loginPagePath": str(page),
        "httpServer": "NettyWrapper",
        "tokenProvider": {"keyProvider": {"initialKeys": key, "algorithm": "ES256"}},
        "tokenCallbacks": [callback],
    }
