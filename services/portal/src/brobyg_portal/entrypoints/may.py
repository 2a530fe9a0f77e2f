"""Who a page is for, by the table of access. The owner service decides on whose data."""

from dataclasses import dataclass

from brobyg_kit.domain import domain
from fastapi import Request

from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import signed_in
from brobyg_portal.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class May:
    """A dependency: somebody signed in with a role that may do this. NotAllowed for others."""

    act: str

    def __call__(self, request: Request) -> Session:
        """Who it is. Raises for an act that schemas/access.yaml does not have."""
        session = signed_in(request)
        if not session.roles & domain().roles_for(self.act):
            raise NotAllowed
        return session


@dataclass(frozen=True, slots=True)
class ByLink:
    """A dependency: a helper or citizen who is signed in, by a link. NotAllowed for others."""

    #: The table's word.
    act: str = "by_link"

    def __call__(self, request: Request) -> Session:
        """Who it is."""
        session = signed_in(request)
        if session.kind == "staff":
            raise NotAllowed
        return session
