"""Offers, asked of matching."""

from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from brobyg_portal.errors import MatchingUnavailable, UnknownLink
from brobyg_portal.ports import Answer, Offer, Reply


class _State(msgspec.Struct):
    state: Literal["accepted", "declined"]


class _Problem(msgspec.Struct):
    type: str = ""


#: By the last word of the problem's type; for every other word something else is in the way.
_REFUSALS: dict[str, Reply] = {
    "taken": "taken",
    "withdrawn": "withdrawn",
    "accepted": "answered",
    "declined": "answered",
}

ReadT = TypeVar("ReadT", Offer, _State, _Problem)


class HttpAnswers:
    """Matching over HTTP. The client has the base address, the token and the timeouts.

    An offer is over and a link unknown only by matching's own problem types: any other 404 or 410
    may come from a gateway or a wrong address, and is MatchingUnavailable.
    """

    def __init__(self, matching: httpx2.AsyncClient) -> None:
        """The client is the caller's to close."""
        self._matching = matching

    async def look(self, token: str) -> Offer:
        """See `ports.Answers`."""
        answer = await self._ask("GET", token)
        if answer.status_code != 200:
            raise MatchingUnavailable(str(answer.status_code))
        return _read(answer, Offer)

    async def give(self, token: str, answer: Answer) -> Reply:
        """See `ports.Answers`."""
        given = await self._ask("POST", token, {"answer": answer})
        if given.status_code == 409:
            return _REFUSALS.get(_problem(given), "prevented")
        if given.status_code == 410 and _problem(given) == "expired":
            return "expired"
        if given.status_code != 200:
            raise MatchingUnavailable(str(given.status_code))
        return _read(given, _State).state

    async def _ask(
        self, method: str, token: str, body: dict[str, str] | None = None
    ) -> httpx2.Response:
        try:
            answer = await self._matching.request(
                method, f"/answers/{quote(token, safe='')}", json=body
            )
        except httpx2.HTTPError as error:
            raise MatchingUnavailable(type(error).__name__) from error
        if answer.status_code == 404 and _problem(answer) == "unknown-link":
            raise UnknownLink
        if answer.status_code == 422:  # too long or otherwise no token for matching
            raise UnknownLink
        return answer


def _problem(answer: httpx2.Response) -> str:
    """The last word of the problem's type: by it matching says what the matter is."""
    return _read(answer, _Problem).type.rpartition("/")[2]


def _read(answer: httpx2.Response, kind: type[ReadT]) -> ReadT:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise MatchingUnavailable("the answer has an unexpected form") from error
