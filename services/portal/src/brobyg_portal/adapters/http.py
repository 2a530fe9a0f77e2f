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
#: The longest answer that is read, bytes.
_LONGEST_ANSWER = 4 * 1024 * 1024


async def asked(
    client: httpx2.AsyncClient,
    service: str,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """Ask a service; whatever it answers, of any status, in ten seconds and 4 MiB at most.

    In the portal's own name, unless the `headers` have an Authorization. Raises ServiceUnavailable
    where no such answer came.
    """
    found = bytearray()
    # The client would put the portal's own token in the place of another's.
    auth = None if headers and "Authorization" in headers else httpx2.USE_CLIENT_DEFAULT
    asking = client.stream(method, path, params=query, json=body, headers=headers, auth=auth)
    try:
        async with asyncio.timeout(_IN_ALL), asking as answer:
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > _LONGEST_ANSWER:
                    raise ServiceFailed(f"{service} says too much")
    except (httpx2.HTTPError, TimeoutError) as error:
        raise ServiceUnavailable(f"{service}: {type(error).__name__}") from error
    return Answered(
        answer.status_code, bytes(found), answer.headers.get(HEADER, ""),
        _problem_of(bytes(found)) if answer.status_code >= 400 else "",
    )  # fmt: skip


def _problem_of(body: bytes) -> str:
    """The problem's type, by which a service says what is wrong; "" for what is no problem."""
    try:
        return msgspec.json.decode(body, type=ReceivedProblem).type
    except msgspec.MsgspecError:
        return ""


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

ReadT = TypeVar("ReadT", Offer, _State)


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
        if given.status == 409:
            return _REFUSALS.get(given.problem, "prevented")
        if given.status == 410 and given.problem == _EXPIRED:
            return "expired"
        state = _read(given, _State).state
        return "released" if state == "withdrawn" else state

    async def _ask(self, method: str, token: str, body: dict[str, str] | None = None) -> Answered:
        path = f"/answers/{quote(token, safe='')}"
        try:
            answer = await asked(self._matching, "matching", method, path, body=body)
        except ServiceUnavailable as error:
            raise MatchingUnavailable(str(error)) from error
        # 422: too long or otherwise not a token for matching
        if answer.status == 422 or (answer.status == 404 and answer.problem == _UNKNOWN_LINK):
            raise UnknownLink
        return answer


def _read(answer: Answered, kind: type[ReadT]) -> ReadT:
    """The body of a good answer. Raises MatchingUnavailable for any other."""
    if answer.status != 200:
        raise MatchingUnavailable(str(answer.status))
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        raise MatchingUnavailable("the answer has an unexpected form") from error


#: Who issues the tokens with which the portal asks for somebody.
ISSUER = "brobyg-portal"
#: Its word for head office, which acts for all departments: `every_department` of BROBYG_ISSUERS.
EVERY_DEPARTMENT = "*"
#: How long such a token is good, seconds: for the one request that it is made for.
_TOKEN_SECONDS = 60


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
        client = self._clients[service]
        answer = await asked(client, service, method, path, query=query, body=body, headers=headers)
        if answer.status >= 500:
            raise ServiceFailed(f"{service}: {answer.status}")
        return answer
