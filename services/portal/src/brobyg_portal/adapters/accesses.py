"""Who has seen somebody's data, asked of the service that knows who they are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from brobyg_kit.domain import domain

from brobyg_portal.domain.session import Session
from brobyg_portal.errors import NotAllowed, ServiceUnavailable
from brobyg_portal.ports import Services

#: As routes call them.
People = Literal["citizens", "volunteers"]
#: How many answers of a service one page of ours is made of, each of a hundred readings.
_ANSWERS = 5
#: Seconds for all of them.
_IN_ALL = 10.0


@dataclass(frozen=True, slots=True)
class Access:
    """One reading of who somebody is, or of how they are reached."""

    id: int
    read_at: datetime
    roles: tuple[str, ...]
    organisation: str | None
    department: str | None
    #: A code of schemas/purposes.yaml; so is `emergency`, None for none.
    purpose: str
    emergency: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    accesses: tuple[Access, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """Readings, the newest first."""

    accesses: Sequence[Access]
    #: Where older ones go on; None where there are none.
    before: int | None


class Accesses:
    """Asks in the name of who is signed in; the owner decides what they may see."""

    def __init__(self, services: Services) -> None:
        """Keeps nothing."""
        self._services = services

    async def told(
        self, session: Session, people: People, person_id: UUID, before: int | None
    ) -> Told | None:
        """The newest readings, of those before `before`; None where nobody is known by this id.

        None too for who was erased and asks about themselves. Takes up to 10 seconds. Raises
        NotAllowed, ServiceUnavailable.
        """
        try:
            async with asyncio.timeout(_IN_ALL):
                return await self._told(session, people, person_id, before)
        except TimeoutError as error:
            raise ServiceUnavailable(f"{domain().OWNERS[people]}: TimeoutError") from error

    async def _told(
        self, session: Session, people: People, person_id: UUID, before: int | None
    ) -> Told | None:
        found: list[Access] = []
        for _ in range(_ANSWERS):
            answer = await self._ask(session, people, person_id, before)
            if answer is None:
                return None
            found += answer.accesses
            before = answer.before
            if before is None:
                break
        return Told(found, before)

    async def _ask(
        self, session: Session, people: People, person_id: UUID, before: int | None
    ) -> _Answer | None:
        owner = domain().OWNERS[people]
        query = {} if before is None else {"before": str(before)}
        path = f"/{people}/{person_id}/accesses"
        answer = await self._services.ask(session, owner, "GET", path, query=query)
        if answer.status in (404, 410):
            return None
        if answer.status == 403:
            raise NotAllowed
        if answer.status != 200:
            raise ServiceUnavailable(f"{owner}: {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=_Answer)
        except msgspec.MsgspecError as error:
            raise ServiceUnavailable(f"{owner}: the answer has an unexpected form") from error
