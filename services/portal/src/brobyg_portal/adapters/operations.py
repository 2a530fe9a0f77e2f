"""How the services are, asked of each for the operator who is signed in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import msgspec
from brobyg_kit.operations import command_for

from brobyg_portal.domain.operations import (
    Letter,
    Letters,
    Overview,
    Report,
    ServiceState,
    Trouble,
    of_service,
    seen,
)
from brobyg_portal.domain.session import Session
from brobyg_portal.errors import ServiceFailed, ServiceUnavailable
from brobyg_portal.ports import Services

#: The services that tell how they are, in the order in which they are shown.
ASKED = ("referral", "matching", "notification", "reporting")
#: Seconds for all that one service is asked: whoever looks at night has no patience.
_PATIENCE = 3.0
#: What became of settling a letter: `gone` where none of this id is there any more; `other` where
#: it is in another state by now.
Settled = Literal["done", "gone", "other"]
ReadT = TypeVar("ReadT", Report, Letters, Letter)
OwnReport = Callable[[], Awaitable[dict[str, object]]]


class Operations:
    """Asks all services at once; one that is silent keeps no other from being shown."""

    def __init__(self, services: Services, own: OwnReport) -> None:
        """`own` is the portal's own report."""
        self._services, self._own = services, own

    async def overview(self, session: Session) -> Overview:
        """All services. Takes as long as the slowest, at most some seconds."""
        found = await asyncio.gather(*(self._service(session, name) for name in ASKED))
        return Overview([*found, seen("portal", _own(await self._own()), None)])

    async def letter(self, session: Session, service: str, letter_id: int) -> Letter | None:
        """One that could not be handled; None where none of this id is there any more.

        Raises ServiceUnavailable.
        """
        answer = await self._services.ask(session, service, "GET", f"/dead-letters/{letter_id}")
        if answer.status == 404:
            return None
        found = _read(service, answer.status, answer.body, Letter)
        return of_service(service, Letters((found,))).letters[0]

    async def replay(self, session: Session, service: str, letter_id: int) -> Settled:
        """Have it tried again. Raises ServiceUnavailable; the same may be asked again."""
        return await self._settle(session, service, f"/dead-letters/{letter_id}/replay", None)

    async def discard(self, session: Session, service: str, letter_id: int, reason: str) -> Settled:
        """Give up on it. Raises ServiceUnavailable; the same may be asked again."""
        body = {"reason": reason}
        return await self._settle(session, service, f"/dead-letters/{letter_id}/discard", body)

    async def _settle(
        self, session: Session, service: str, path: str, body: dict[str, str] | None
    ) -> Settled:
        answer = await self._services.ask(session, service, "POST", path, body=body)
        if answer.status == 200:
            return "done"
        if answer.status in (404, 409):
            return "gone" if answer.status == 404 else "other"
        raise ServiceUnavailable(f"{service}: {answer.status}")

    async def _service(self, session: Session, name: str) -> ServiceState:
        try:
            async with asyncio.timeout(_PATIENCE):
                report, letters = await asyncio.gather(
                    self._services.ask(session, name, "GET", "/operations"),
                    self._letters(session, name),
                )
            return seen(name, _read(name, report.status, report.body, Report), letters)
        except ServiceFailed as error:
            why = Trouble("refused", str(error), "brobyg config")
            return ServiceState(name, "refused", troubles=(why,))
        except (ServiceUnavailable, TimeoutError):
            down = Trouble("down", "", command_for("down", name))
            return ServiceState(name, "silent", troubles=(down,))

    async def _letters(self, session: Session, name: str) -> Letters | None:
        """None where it does not tell: while it makes erasures again it does not."""
        try:
            answer = await self._services.ask(session, name, "GET", "/dead-letters")
            return of_service(name, _read(name, answer.status, answer.body, Letters))
        except ServiceUnavailable:
            return None


def _own(report: dict[str, object]) -> Report:
    return msgspec.convert(report, Report)


def _read(service: str, status: int, body: bytes, kind: type[ReadT]) -> ReadT:
    """The body of a good answer. Raises ServiceFailed for any other."""
    if status != 200:
        raise ServiceFailed(f"{service}: {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ServiceFailed(f"{service}: the answer has an unexpected form") from error
