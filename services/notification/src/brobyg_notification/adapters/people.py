"""People, asked of the services that own them."""

from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from brobyg_kit.problems import NOT_FOUND

from brobyg_notification.domain.contact import Contact, given_name
from brobyg_notification.errors import OwnerUnavailable
from brobyg_notification.ports import AnswerLink


class _Citizen(msgspec.Struct):
    given_name: str
    language: str
    email: str | None = None
    meeting_point: str | None = None


class _Volunteer(msgspec.Struct):
    name: str
    language: str
    email: str | None = None


class _Link(msgspec.Struct):
    token: str
    expires_at: datetime
    state: str


class _Problem(msgspec.Struct):
    type: str = ""


AnswerT = TypeVar("AnswerT", _Citizen, _Volunteer, _Link)


class HttpPeople:
    """Asks referral about citizens and matching about volunteers and offers.

    Only an answer of the problem type NOT_FOUND says that somebody or something is gone. A 404 or
    410 without it comes from a wrong address or a gateway.
    """

    def __init__(self, referral: httpx2.AsyncClient, matching: httpx2.AsyncClient) -> None:
        """The clients bring base address, token and timeouts, and are the caller's to close."""
        self._referral, self._matching = referral, matching

    async def citizen(self, citizen_id: str, purpose: str) -> Contact | None:
        """See `ports.People`."""
        path = f"/citizens/{quote(citizen_id, safe='')}/contact"
        found = await self._ask(self._referral, "referral", path, purpose, _Citizen)
        if found is None:
            return None
        return Contact(found.given_name, found.email, found.language, found.meeting_point)

    async def volunteer(self, volunteer_id: str, purpose: str) -> Contact | None:
        """See `ports.People`. Only the given name is kept of the name."""
        path = f"/volunteers/{quote(volunteer_id, safe='')}/contact"
        found = await self._ask(self._matching, "matching", path, purpose, _Volunteer)
        return Contact(given_name(found.name), found.email, found.language) if found else None

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """See `ports.People`."""
        path = f"/offers/{quote(offer_id, safe='')}/answer-link"
        found = await self._ask(self._matching, "matching", path, None, _Link)
        return AnswerLink(found.token, found.expires_at, found.state == "open") if found else None

    async def _ask(
        self,
        client: httpx2.AsyncClient,
        owner: str,
        path: str,
        purpose: str | None,
        kind: type[AnswerT],
    ) -> AnswerT | None:
        try:
            answer = await client.get(path, params={"purpose": purpose} if purpose else None)
        except httpx2.HTTPError as error:
            raise OwnerUnavailable(f"{owner}: {type(error).__name__}") from error
        if answer.status_code != 200:
            if _says_it_is_gone(answer):
                return None
            # Also a 401 or 403: our token or role is wrong. Messages wait until it is right.
            raise OwnerUnavailable(f"{owner}: {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise OwnerUnavailable(f"{owner}: an answer that is not as agreed") from error


def _says_it_is_gone(answer: httpx2.Response) -> bool:
    try:
        return msgspec.json.decode(answer.content, type=_Problem).type == NOT_FOUND
    except msgspec.MsgspecError:
        return False
