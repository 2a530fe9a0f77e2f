"""Who signs in at the providers of the demo and the tests, and by which client."""

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from brobyg_kit.tokens import AUDIENCE
from msgspec import Struct, convert

#: The portal's client id, at both providers.
PORTAL_CLIENT = "brobyg-portal"
FILE = Path(__file__).parent / "files" / "sign-ins.toml"


class Machine(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A system that signs in by client credentials."""

    #: At the provider: its client id.
    id: str
    #: In the provider's words (schemas/sign-in.toml).
    roles: Sequence[str]
    organisation: str
    department: str

    @property
    def secret(self) -> str:
        """What it proves itself with. No secret: it is for tests and the demo."""
        return f"{self.id}-secret"

    def claims(self) -> dict[str, object]:
        """What stands in its tokens, beside what every token has."""
        return {
            "aud": [AUDIENCE],
            "roles": list(self.roles),
            "organisation": self.organisation,
            "department": self.department,
        }


class User(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody of the staff, named by their role."""

    #: At the provider: the user name, and in Keycloak the password too.
    id: str
    #: For a person who chooses, in Danish.
    label: str
    roles: Sequence[str]
    organisation: str
    department: str

    def claims(self) -> dict[str, object]:
        """What stands in their tokens, beside what every token has."""
        return {
            "name": self.label,
            "roles": list(self.roles),
            "organisation": self.organisation,
            "department": self.department,
        }


class SignIns(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    user: tuple[User, ...]
    machine: tuple[Machine, ...]


@lru_cache
def sign_ins() -> SignIns:
    """All of them."""
    return convert(tomllib.loads(FILE.read_text(encoding="utf-8")), SignIns)
