"""The portal's cookies: no script reads them, and other sites' requests come without."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fastapi import Request
from fastapi.responses import Response

#: The session; a sign-in on its way; what was typed when a session had ended; that a link was asked
#: for here; that somebody was signed in here by one.
Name: TypeAlias = Literal["session", "attempt", "typed", "asked", "known"]
_SUFFIX = {
    "session": "",
    "attempt": "-sign-in",
    "typed": "-typed",
    "asked": "-asked",
    "known": "-known",
}


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one browser."""

    #: Whether browsers reach the portal by https: then the names begin with `__Host-`, so that no
    #: other host of the domain can set them (RFC 6265bis).
    secure: bool

    def name(self, which: Name) -> str:
        """As the browser has it."""
        return f"{'__Host-' * self.secure}brobyg{_SUFFIX[which]}"

    def read(self, request: Request, which: Name) -> str | None:
        """Its value."""
        return request.cookies.get(self.name(which))

    def put(self, response: Response, which: Name, value: str, seconds: int | None = None) -> None:
        """Set it for so long; without a time until the browser is closed."""
        response.set_cookie(
            self.name(which), value, seconds,
            path="/", secure=self.secure, httponly=True, samesite="lax",
        )  # fmt: skip

    def remove(self, response: Response, which: Name) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self.name(which), path="/", secure=self.secure, httponly=True, samesite="lax"
        )
