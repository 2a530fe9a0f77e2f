"""Offers, asked of matching; and the services, asked for whoever is signed in."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from brobyg_kit.clock import Clock
from brobyg_kit.positions import HEADER
from brobyg_kit.problems import PROBLEM_TYPES, RESTRICTED, ReceivedProblem
from brobyg_kit.tokens import AUDIENCE
from joserfc import jwt
from joserfc.jwk import ECKey

from brobyg_portal.domain.session import Session
from brobyg_portal.errors import (
    MatchingUnavailable,
    ServiceFailed,
    ServiceUnavailable,
    UnknownLink,
)
from brobyg_portal.ports import Answer, Answered, Offer, Reply

#: Seconds that an answer may take in all; each step has fewer.
_IN_ALL = 10.0


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
        path = f"/answers/{quote(token, safe='')}"
        try:
            async with asyncio.timeout(_IN_ALL):
                answer = await self._matching.request(method, path, json=body)
        except (httpx2.HTTPError, TimeoutError) as error:
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


#: Who issues the tokens with which the portal asks for somebody.
ISSUER = "brobyg-portal"
#: Its word for head office, which acts for all departments: `every_department` of BROBYG_ISSUERS.
EVERY_DEPARTMENT = "*"
#: How long such a token is good, seconds: for the one request that it is made for.
_TOKEN_SECONDS = 60
#: The longest answer that is read, bytes.
_LONGEST_ANSWER = 4 * 1024 * 1024


class Minter:
    """Makes the token for one request: who asks, and that the portal asks for them."""

    def __init__(self, signing_key: Path | None, clock: Clock) -> None:
        """`clock` tells real time. Raises OSError or ValueError for a key that can't be read."""
        self._key = ECKey.import_key(json.loads(signing_key.read_text())) if signing_key else None
        self._clock = clock

    def token(self, session: Session) -> str:
        """A token for this person (RFC 7519; `act` is RFC 8693's).

        Raises ServiceFailed without a signing key.
        """
        if self._key is None:
            raise ServiceFailed("there is no signing key")
        now = int(self._clock.now().timestamp())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": session.subject,
            "roles": sorted(session.roles),
            "act": {"sub": "service:portal"},
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
        }
        # Head office is said: what is left out means none. Others than staff are of no department.
        if session.department or session.kind == "staff":
            claims["department"] = session.department or EVERY_DEPARTMENT
        if session.organisation:
            claims["organisation"] = session.organisation
        return jwt.encode({"alg": "ES256", "kid": self._key.kid or ""}, claims, self._key)


class HttpServices:
    """See `ports.Services`."""

    def __init__(self, minter: Minter, clients: Mapping[str, httpx2.AsyncClient]) -> None:
        """The clients, by service, have base addresses and timeouts; they are the caller's."""
        self._minter, self._clients = minter, clients

    async def ask(
        self,
        session: Session,
        service: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        key: str = "",
    ) -> Answered:
        """See `ports.Services`."""
        headers = {"Authorization": f"Bearer {self._minter.token(session)}"}
        if key:
            headers["Idempotency-Key"] = key
        client, found = self._clients[service], bytearray()
        try:
            # In the person's name: the client would put the portal's own token in its place.
            asking = client.stream(
                method, path, params=query, json=body, headers=headers, auth=None
            )
            async with asyncio.timeout(_IN_ALL), asking as answer:
                async for part in answer.aiter_bytes():
                    found += part
                    if len(found) > _LONGEST_ANSWER:
                        raise ServiceFailed(f"{service} says too much")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise ServiceUnavailable(f"{service}: {type(error).__name__}") from error
        if answer.status_code >= 500:
            raise ServiceFailed(f"{service}: {answer.status_code}")
        return Answered(
            answer.status_code, bytes(found), answer.headers.get(HEADER, ""),
            _problem_of(bytes(found)) if answer.status_code >= 400 else "",
        )  # fmt: skip


def _problem_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=ReceivedProblem).type
    except msgspec.MsgspecError:
        return ""
