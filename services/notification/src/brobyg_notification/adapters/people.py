"""People, asked of the services that own them."""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from brobyg_kit.problems import GONE, ReceivedProblem

from brobyg_notification.domain.contact import Contact, given_name
from brobyg_notification.errors import OwnerUnavailable
from brobyg_notification.ports import AnswerLink, PersonRole

#: Who owns the people of a role, and where they stand there.
_OWNERS: Mapping[PersonRole, tuple[str, str]] = {
    "citizen": ("referral", "citizens"),
    "volunteer": ("matching", "volunteers"),
}


class _Person(msgspec.Struct):
    """What both owners tell. Matching tells the name, referral the given name alone."""

    language: str
    given_name: str = ""
    name: str | None = None
    email: str | None = None
    meeting_point: str | None = None


AnswerT = TypeVar("AnswerT")


class HttpPeople:
    """Asks referral about citizens and matching about volunteers and offers.

    Only a 410 of the problem type GONE says that somebody is gone. Every other refusal may come
    from a wrong address, a gateway or a wrong token, a 404 too: the message waits, and /readyz
    tells how many wait for an owner. A message for an id that the owner never had waits until the
    appointment is over and then fails for that reason.
    """

    def __init__(self, referral: httpx2.AsyncClient, matching: httpx2.AsyncClient) -> None:
        """The clients bring base address, token and timeouts, and are the caller's to close."""
        self._clients = {"referral": referral, "matching": matching}

    async def contact(self, role: PersonRole, person_id: str, purpose: str) -> Contact | None:
        """See `ports.People`. Only the given name is kept of a name."""
        owner, people = _OWNERS[role]
        path = f"/{people}/{quote(person_id, safe='')}/contact"
        found = await self._ask(owner, path, _Person, {"purpose": purpose})
        if found is None:
            return None
        name = found.given_name or given_name(found.name or "")
        return Contact(name, found.email, found.language, found.meeting_point)

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """See `ports.People`."""
        path = f"/offers/{quote(offer_id, safe='')}/answer-link"
        return await self._ask("matching", path, AnswerLink)

    async def _ask(
        self, owner: str, path: str, kind: type[AnswerT], query: dict[str, str] | None = None
    ) -> AnswerT | None:
        try:
            answer = await self._clients[owner].get(path, params=query)
        except httpx2.HTTPError as error:
            raise OwnerUnavailable(f"{owner}: {type(error).__name__}") from error
        status = answer.status_code
        try:
            if status == 200:
                return msgspec.json.decode(answer.content, type=kind)
            if status == 410:
                problem = msgspec.json.decode(answer.content, type=ReceivedProblem)
                if problem.type == GONE:
                    return None
        except msgspec.MsgspecError as error:
            raise OwnerUnavailable(f"{owner}: {status}, with a body not as agreed") from error
        raise OwnerUnavailable(f"{owner}: {status}")
