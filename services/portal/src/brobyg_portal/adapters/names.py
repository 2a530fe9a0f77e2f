"""What departments and organisations are called, asked of referral and kept for some minutes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from brobyg_kit.clock import Clock

from brobyg_portal.domain.session import Session
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Services

Kind = Literal["department", "organisation"]
#: So long names are taken for what they are; after a failure they are asked for again sooner.
_KEPT, _AGAIN = timedelta(minutes=5), timedelta(seconds=30)
#: Seconds: a page does not wait for what its things are called.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    label: str
    #: Ids by which it is known too.
    former: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    labels: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None


class Names:
    """Names by id. They are about nobody, so one asker's answer is shown to all."""

    def __init__(self, services: Services, clock: Clock) -> None:
        """`clock` tells real time."""
        self._services, self._clock = services, clock
        self._known: dict[Kind, _Known] = {"department": _Known(), "organisation": _Known()}

    async def all(self, session: Session) -> dict[str, Mapping[str, str]]:
        """What a page needs to name both kinds; an id that is in neither is shown as it is."""
        departments, organisations = await asyncio.gather(
            self._of(session, "department"), self._of(session, "organisation")
        )
        return {"departments": departments, "organisations": organisations}

    async def _of(self, session: Session, kind: Kind) -> Mapping[str, str]:
        known, now = self._known[kind], self._clock.now()
        if known.until is not None and now < known.until:
            return known.labels
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._ask(session, kind)
        except (ServiceUnavailable, TimeoutError):
            found = None
        if found is not None:
            known.labels = found
        known.until = now + (_AGAIN if found is None else _KEPT)
        return known.labels

    async def _ask(self, session: Session, kind: Kind) -> Mapping[str, str] | None:
        answer = await self._services.ask(session, "referral", "GET", f"/reference/{kind}")
        if answer.status != 200:
            return None
        try:
            entries = msgspec.json.decode(answer.body, type=list[_Entry])
        except msgspec.MsgspecError:
            return None
        own = {one.id: one.label for one in entries}
        return {former: one.label for one in entries for former in one.former} | own
