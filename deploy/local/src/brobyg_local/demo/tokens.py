"""Sign-ins for the players. Development tokens, signed with the local system's own key, as `brobyg token` gives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from brobyg_kit.tokens import issue_token
from brobyg_kit.clock import WallClock

__all__ = ["Tokens"]

LIFETIME = timedelta(hours=8)


class Tokens:
    """Issues each token once and keeps it. Tokens live by the wall clock, whatever clock the services have."""

    def __init__(self, signing_key: Path) -> None:
        """`signing_key` is the private JWK of the system."""
        self._key = signing_key
        self._issued: dict[tuple[str, str | None, str | None], str] = {}

    def of(
        self, role: str, *, organisation: str | None = None, department: str | None = None
    ) -> str:
        """A bearer token. Raises OSError when the key can't be read, ValueError on an unknown role."""
        wanted = (role, organisation, department)
        if wanted not in self._issued:
            self._issued[wanted] = issue_token(
                self._key,
                f"demo-{role}",
                [role],
                WallClock(),
                organisation=organisation,
                department=department,
                lifetime=LIFETIME,
            )
        return self._issued[wanted]

    def header(
        self, role: str, *, organisation: str | None = None, department: str | None = None
    ) -> dict[str, str]:
        """The same as an HTTP header."""
        return {
            "Authorization": f"Bearer {self.of(role, organisation=organisation, department=department)}"
        }
