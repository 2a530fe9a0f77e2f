"""The owners of helpers and citizens, and notification, over HTTP, in the portal's own name."""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import httpx2
import msgspec
from brobyg_kit.sign_in_api import NOT_SIGNED_IN

from brobyg_portal.adapters.http import asked
from brobyg_portal.domain.session import Kind
from brobyg_portal.domain.sign_in_link import LIFE, Known
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Answered

#: Who owns the people of a kind, and what routes call them there.
_OWNERS: Mapping[Kind, tuple[str, str]] = {
    "helper": ("matching", "volunteers"),
    "citizen": ("referral", "citizens"),
}


class _Found(msgspec.Struct):
    people: list[UUID]


class HttpOwners:
    """See `ports.Owners`."""

    def __init__(self, clients: Mapping[str, httpx2.AsyncClient]) -> None:
        """The clients, by service, are the caller's: base addresses, tokens, timeouts."""
        self._clients = clients

    async def find(self, kind: Kind, address: str) -> list[Known]:
        """See `ports.Owners`."""
        service, people = _OWNERS[kind]
        answer = await self._ask(service, "POST", f"/{people}/sign-in", {"email": address})
        _expect(service, answer, 200)
        try:
            found = msgspec.json.decode(answer.body, type=_Found)
        except msgspec.MsgspecError as error:
            raise ServiceUnavailable(f"{service}: not as agreed") from error
        return [Known(kind, str(one)) for one in found.people]

    async def may_sign_in(self, known: Known) -> bool:
        """See `ports.Owners`."""
        service, people = _OWNERS[known.kind]
        path = f"/{people}/{quote(known.subject, safe='')}/sign-in"
        answer = await self._ask(service, "GET", path)
        if answer.status == 410 and answer.problem == NOT_SIGNED_IN:
            return False
        _expect(service, answer, 204)
        return True

    async def mail(self, known: Known, token: str | None) -> None:
        """See `ports.Owners`."""
        body = {
            "role": known.kind, "person_id": known.subject, "token": token,
            "seconds": int(LIFE.total_seconds()),
        }  # fmt: skip
        answer = await self._ask("notification", "POST", "/sign-in-links", body)
        _expect("notification", answer, 202)

    async def _ask(self, service: str, method: str, path: str, body: object = None) -> Answered:
        return await asked(self._clients[service], service, method, path, body=body)


def _expect(service: str, answer: Answered, status: int) -> None:
    if answer.status != status:
        raise ServiceUnavailable(f"{service}: {answer.status}")
