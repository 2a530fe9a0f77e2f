"""The routes by which an operator sees how a service is, and settles what it could not handle."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict

from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.parking import DiscardReason, Parked, Parking
from brobyg_kit.problems import Problem

#: The acts of the domain's table of access.
READ, SETTLE = "read-operations", "settle-dead-letters"
#: How many dead letters a page tells.
PAGE = 50
_MOST = 2**63 - 1
_Id = Annotated[int, Path(ge=1, le=_MOST, description="As the list tells it.")]


class LetterOut(BaseModel):
    """An event that could not be handled, or waits behind one: where it is, not what it says."""

    id: int
    event_id: str
    #: What it is about, by an id.
    subject: str
    type: str
    topic: str
    partition: int
    offset: int
    #: `retrying`, `waiting` (behind an earlier one of the same subject), or `dead`.
    state: str
    #: Why it can't be handled, without a value.
    reason: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime

    @classmethod
    def of(cls, parked: Parked) -> "LetterOut":
        """As it is answered."""
        names = cls.model_fields.keys() - {"topic", "partition", "offset"}
        origin = parked.origin
        return cls(
            **{name: getattr(parked, name) for name in names},
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
        )


class LettersOut(BaseModel):
    """What is parked, the oldest first."""

    letters: list[LetterOut]
    #: How many there are in all.
    total: int
    #: For the next page; null on the last.
    after: int | None


class DiscardIn(BaseModel):
    """Why it is given up on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: DiscardReason


class SettledOut(BaseModel):
    """What has become of it."""

    id: int
    #: `retrying` or `discarded`.
    state: str
    #: Why it was given up on; null for one that was not.
    reason: str | None = None


def operations_router(report: Callable[[], Awaitable[dict[str, object]]]) -> APIRouter:
    """GET /operations: what `report` tells."""
    router = APIRouter(tags=["operations"])

    @router.get("/operations", summary="How this service is, what waits, and what helps")
    async def operations(_: Annotated[Caller, Depends(requires_act(READ))]) -> dict[str, object]:
        """The body of /readyz with the versions of what runs; 200 also where it is not ready."""
        return await report()

    return router


def dead_letters_router(database: Database, parking: Parking) -> APIRouter:
    """/dead-letters: the same as `brobyg dlq`, without any record."""
    router = APIRouter(prefix="/dead-letters", tags=["operations"])
    reads, settles = Depends(requires_act(READ)), Depends(requires_act(SETTLE))

    @router.get("", summary="What could not be handled, and what waits behind it")
    async def letters(
        _: Annotated[Caller, reads],
        after: Annotated[int, Query(ge=0, le=_MOST, description="Only those after this id.")] = 0,
    ) -> LettersOut:
        """Fifty a page, the oldest first."""
        found = await parking.listed(database, PAGE + 1, after)
        return LettersOut(
            letters=[LetterOut.of(one) for one in found[:PAGE]],
            total=await parking.counted(database),
            after=found[PAGE - 1].id if len(found) > PAGE else None,
        )

    @router.get("/{id}", summary="One that could not be handled")
    async def letter(id: _Id, _: Annotated[Caller, reads]) -> LetterOut:
        """404 where none of this id is parked any more."""
        found = await parking.found(database, id)
        if found is None:
            raise _gone()
        return LetterOut.of(found)

    @router.post("/{id}/replay", summary="Have a dead one tried again at once")
    async def replay(id: _Id, _: Annotated[Caller, settles]) -> SettledOut:
        """Again without effect while it is tried. 409 for one that waits, or was discarded."""
        async with database.transaction() as tx:
            await _replay(tx, parking, id)
        return SettledOut(id=id, state="retrying")

    @router.post("/{id}/discard", summary="Give up on a dead one for good, and say why")
    async def discard(id: _Id, body: DiscardIn, caller: Annotated[Caller, settles]) -> SettledOut:
        """Again without effect. 409 for one that is not dead, or was discarded for another reason.

        What waits behind it goes on. Its record stays in its topic.
        """
        async with database.transaction() as tx:
            await _discard(tx, parking, id, body.reason, actor_of(caller.subject))
        return SettledOut(id=id, state="discarded", reason=body.reason)

    return router


async def _replay(tx: Transaction, parking: Parking, id: int) -> None:
    if await parking.replay(tx, [id]):
        return
    state = await parking.state(tx, id)
    if state == "waiting":
        raise _waits()
    if state is None and await parking.discarded(tx, id):
        raise Problem(409, "It was discarded", "its record stays in its topic")
    if state is None:
        raise _gone()


async def _discard(
    tx: Transaction, parking: Parking, id: int, reason: DiscardReason, actor: str
) -> None:
    if await parking.discard(tx, [id], reason, actor):
        return
    before, state = await parking.discarded(tx, id), await parking.state(tx, id)
    if before not in (None, reason):
        raise Problem(409, "It was discarded for another reason", f"it is {before}")
    if before is None and state is None:
        raise _gone()
    if before is None:
        raise _waits() if state == "waiting" else _tried()


def _gone() -> Problem:
    return Problem(404, "Nothing of this id is parked here", "it was handled, or never was here")


def _waits() -> Problem:
    return Problem(409, "It waits behind an earlier one", "settle the dead one before it")


def _tried() -> Problem:
    return Problem(409, "It is being tried again", "only a dead one can be discarded")
