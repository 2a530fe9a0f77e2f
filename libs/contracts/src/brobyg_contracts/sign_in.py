"""What a provider's claims make of who signs in: schemas/sign-in.toml."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert

from brobyg_contracts.domain import ROLES
from brobyg_contracts.errors import InvalidDocument

#: Roles that no provider gives: ours alone, and those of who signs in by links.
NOT_BY_PROVIDERS = frozenset({"service", "portal", "volunteer", "citizen"})

Name = Annotated[str, Meta(min_length=1, max_length=100)]
#: The names on the way to a claim, the outermost first.
ClaimPath = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=5)]
Roles = Annotated[dict[Name, str], Meta(min_length=1)]


class Claims(Struct, frozen=True, forbid_unknown_fields=True):
    """Where each claim stands."""

    roles: ClaimPath
    organisation: ClaimPath
    department: ClaimPath


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Its words are explained there."""

    every_department: Name
    claims: Claims
    staff: Roles


@lru_cache
def sign_in() -> SignIn:
    """The mapping of this project, for an installation that has none of its own."""
    return load(files(__package__).joinpath("data", "sign_in", "sign-in.toml"))


def load(file: Traversable) -> SignIn:
    """The mapping in `file`. Raises InvalidDocument with the reason; OSError."""
    try:
        found = convert(tomllib.loads(file.read_text("utf-8")), SignIn)
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"{file.name}: {error}") from error
    _check(f"{file.name}: staff", found.staff)
    return found


def _check(table: str, roles: Mapping[str, str]) -> None:
    given = ROLES - NOT_BY_PROVIDERS
    for word, role in roles.items():
        if role not in given:
            known = ", ".join(sorted(given))
            raise InvalidDocument(f"{table}: {word}: a provider gives no role {role!r}; {known}")
