"""Offers, asked of matching."""

from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from brobyg_kit.problems import PROBLEM_TYPES, RESTRICTED, ReceivedProblem

from brobyg_portal.errors import MatchingUnavailable, UnknownLink
from brobyg_portal.ports import Answer, Offer, Reply


class _State(msgspec.Struct):
    state: Literal["accepted", "declined", "withdrawn"]


#: By the problem's type; for every other one something else is in the way.
_REFUSALS: dict[str, Reply] = {
    f"{PROBLEM_TYPES}taken": "taken",
    f"{PROBLEM_TYPES}withdrawn": "withdrawn",
    f"{PROBLEM_TYPES}accepted": "answered",
    f"{PROBLEM_TYPES}declined": "answered",
    f"{PROBLEM_TYPES}begun": "begun",
    f"{PROBLEM_TYPES}not-matched": "ended",
    RESTRICTED: "restricted",
}
_EXPIRED = f"{PROBLEM_TYPES}expired"
_UNKNOWN_LINK = f"{PROBLEM_TYPES}unknown-link"

ReadT = TypeVar("ReadT", Offer, _State, ReceivedProblem)


class HttpOffers:
    """Matching over HTTP. The client has the base address, the token and the timeouts.

    An offer is over and a link unknown only by matching's own problem types: any other 404 or 410
    may come from a gateway or a wrong address, and is MatchingUnavailable.
    """

    def __init__(self, matching: httpx2.AsyncClient) -> None:
        """The client is the caller's to close."""
        self._matching = matching

    async def offer(self, token: str) -> Offer:
        """See `ports.Offers`."""
        return _read(await self._ask("GET", token), Offer)

    async def answer(self, token: str, answer: Answer) -> Reply:
        """See `ports.Offers`."""
        given = await self._ask("POST", token, {"answer": answer})
        if given.status_code == 409:
            return _REFUSALS.get(_problem_type(given), "prevented")
        if given.status_code == 410 and _problem_type(given) == _EXPIRED:
            return "expired"
        state = _read(given, _State).state
        return "released" if state == "withdrawn" else state

    async def _ask(
        self, method: str, token: str, body: dict[str, str] | None = None
    ) -> httpx2.Response:
        try:
            answer = await self._matching.request(
                method, f"/answers/{quote(token, safe='')}", json=body
            )
        except httpx2.HTTPError as error:
            raise MatchingUnavailable(type(error).__name__) from error
        # 422: too long or otherwise not a token for matching
        if answer.status_code == 422 or (
            answer.status_code == 404 and _problem_type(answer) == _UNKNOWN_LINK
        ):
            raise UnknownLink
        return answer


def _problem_type(answer: httpx2.Response) -> str:
    """The problem's type, by which matching says what is wrong."""
    return _read(answer, ReceivedProblem, answer.status_code).type


def _read(answer: httpx2.Response, kind: type[ReadT], status: int = 200) -> ReadT:
    """The body of an answer with this status. Raises MatchingUnavailable for any other answer."""
    if answer.status_code != status:
        raise MatchingUnavailable(str(answer.status_code))
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise MatchingUnavailable("the answer has an unexpected form") from error
