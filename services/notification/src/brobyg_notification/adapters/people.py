"""People, asked of the services that own them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from brobyg_contracts import Meeting
from brobyg_contracts.consent import CONTACT_NOT_CONSENTED
from brobyg_kit.problems import GONE, PROBLEM_TYPES, RESTRICTED, ReceivedProblem

from brobyg_notification.domain.contact import Contact, given_name
from brobyg_notification.domain.contents import MatchTimes
from brobyg_notification.errors import FailureReason, NotToBeWrittenTo, OwnerUnavailable
from brobyg_notification.ports import AnswerLink, MatchLink, PersonRole, Use


class _Helper(msgspec.Struct):
    """What matching tells of a helper."""

    language: str
    name: str
    email: str | None = None

    def contact(self) -> Contact:
        """As messages need it. Only the given name is kept."""
        return Contact(given_name(self.name), self.email, self.language)


class _Citizen(msgspec.Struct):
    """What referral tells of a citizen."""

    language: str
    given_name: str
    meeting: Meeting
    email: str | None = None
    meeting_point: str | None = None

    def contact(self) -> Contact:
        """As messages need it."""
        return Contact(self.given_name, self.email, self.language, self.meeting, self.meeting_point)


class _Match(msgspec.Struct):
    """What matching tells of a match."""

    token: str
    state: Literal["agreed", "released"]
    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None


#: The problem types of a 403 by which an owner says that a person is not to be written to.
_NOT_NOW: Mapping[str, FailureReason] = {
    RESTRICTED: "restricted",
    f"{PROBLEM_TYPES}{CONTACT_NOT_CONSENTED}": CONTACT_NOT_CONSENTED,
}
#: Who owns the people of a role, where they stand there, and what is told of them.
_OWNERS: Mapping[PersonRole, tuple[str, str, type[_Citizen | _Helper]]] = {
    "citizen": ("referral", "citizens", _Citizen),
    "helper": ("matching", "volunteers", _Helper),
}
AnswerT = TypeVar("AnswerT")


class HttpPeople:
    """Asks referral about citizens and matching about helpers and offers.

    Only a 410 of the problem type GONE says that somebody is gone, and only a 403 of one of its own
    types that they are not to be written to. Every other refusal may come from a wrong address, a
    gateway or a wrong token, a 404 too: the message waits, and /readyz tells how many wait for an
    owner. A message for an id that the owner never had waits until what it is about is over and
    then fails for that reason.
    """

    def __init__(self, referral: httpx2.AsyncClient, matching: httpx2.AsyncClient) -> None:
        """The clients bring base address, token and timeouts, and are the caller's to close."""
        self._clients = {"referral": referral, "matching": matching}

    async def contact(
        self, role: PersonRole, person_id: str, purpose: str, use: Use = "write"
    ) -> Contact | None:
        """See `ports.People`."""
        owner, people, kind = _OWNERS[role]
        path = f"/{people}/{quote(person_id, safe='')}/contact"
        query = {"purpose": purpose}
        if role == "citizen":
            query["use"] = use
        found = await self._ask(owner, path, kind, query)
        return None if found is None else found.contact()

    async def answer_link(self, offer_id: str) -> AnswerLink | None:
        """See `ports.People`."""
        path = f"/offers/{quote(offer_id, safe='')}/answer-link"
        return await self._ask("matching", path, AnswerLink)

    async def match_link(self, need_id: str, match_id: str) -> MatchLink | None:
        """See `ports.People`."""
        need, match = quote(need_id, safe=""), quote(match_id, safe="")
        path = f"/needs/{need}/matches/{match}/answer-link"
        found = await self._ask("matching", path, _Match)
        if found is None:
            raise OwnerUnavailable("matching: 410, though a match is never erased alone")
        if found.state == "released":
            return None
        times = MatchTimes(found.leave_at, found.meet_at, found.home_at)
        return MatchLink(found.token, times)

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
            if status == 403:
                problem = msgspec.json.decode(answer.content, type=ReceivedProblem)
                if reason := _NOT_NOW.get(problem.type):
                    raise NotToBeWrittenTo(reason)
        except msgspec.MsgspecError as error:
            raise OwnerUnavailable(f"{owner}: {status}, with a body not as agreed") from error
        raise OwnerUnavailable(f"{owner}: {status}")
