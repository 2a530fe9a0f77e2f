"""For tests: a client of a provider as the portal is one, with no browser."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet

from .sign_ins import PORTAL_CLIENT, Machine

#: Where the provider sends the browser back to.
BACK = "http://127.0.0.1:8000/sign-in/back"


@dataclass
class Flow:
    """A client of one provider, and one sign-in by code with PKCE."""

    issuer: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(40))
    nonce: str = field(default_factory=secrets.token_urlsafe)
    #: Keeps no connection open, so that nobody has to close it.
    http: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(
            timeout=30, limits=httpx2.Limits(max_keepalive_connections=0)
        )
    )

    def __post_init__(self) -> None:
        """Read the provider's discovery document."""
        self.places = self.get(f"{self.issuer}/.well-known/openid-configuration").json()

    def get(self, address: str, **query: str) -> httpx2.Response:
        """What the provider answers there, redirects not followed."""
        return self.http.get(address, params=query or None)

    def asked(self, **other: str) -> httpx2.Response:
        """The provider's sign-in page."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": PORTAL_CLIENT, "response_type": "code", "scope": "openid",
            "redirect_uri": BACK, "state": "state-of-this-one", "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }  # fmt: skip
        answer = self.get(self.places["authorization_endpoint"], **(query | other))
        for cookie in self.http.cookies.jar:
            cookie.secure = False  # browsers send secure ones to this machine without TLS, too
        return answer

    def code_of(self, answer: httpx2.Response) -> str:
        """The code with which the provider sends the browser back."""
        assert answer.status_code == 302, answer.text
        where = answer.headers["location"]
        assert where.startswith(BACK)
        query = parse_qs(urlsplit(where).query)
        assert query["state"] == ["state-of-this-one"]
        return query["code"][0]

    def token(self, **form: str) -> httpx2.Response:
        """What the token endpoint answers."""
        return self.http.post(self.places["token_endpoint"], data=form)

    def redeemed(self, code: str, **other: str) -> httpx2.Response:
        """What the token endpoint answers to a code."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
            "client_id": PORTAL_CLIENT, "code_verifier": self.verifier,
        }  # fmt: skip
        return self.token(**(form | other))

    def token_of(self, machine: Machine, secret: str = "") -> httpx2.Response:
        """What a machine is answered, with its own secret by default."""
        return self.token(
            grant_type="client_credentials",
            client_id=machine.id,
            client_secret=secret or machine.secret,
        )

    def claims(self, token: str) -> dict[str, object]:
        """What it says. Raises JoseError where none of the provider's keys has signed it."""
        keys = KeySet.import_key_set(self.get(self.places["jwks_uri"]).json())
        return jwt.decode(token, keys, algorithms=["ES256", "RS256"]).claims
