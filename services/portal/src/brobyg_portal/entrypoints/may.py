"""Who a page is for, by the table of access. The owner service decides on whose data."""

from collections.abc import Callable

from brobyg_kit.domain import domain
from fastapi import Request

from brobyg_portal.domain.session import Session
from brobyg_portal.entrypoints.guard import signed_in
from brobyg_portal.errors import NotAllowed


def may(act: str) -> Callable[[Request], Session]:
    """A dependency: somebody signed in with a role that may do this. NotAllowed for others.

    Raises for an act that schemas/access.yaml does not have.
    """
    roles = domain().roles_for(act)

    def check(request: Request) -> Session:
        session = signed_in(request)
        if not session.roles & roles:
            raise NotAllowed
        return session

    return check
