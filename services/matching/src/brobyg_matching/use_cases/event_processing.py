"""Carries out batches of events: load once, apply in order in memory, save once."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec
from brobyg_contracts import CitizenErased, CitizenRecorded
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.event import TOMBSTONE, Event, EventData
from brobyg_kit.handling import Handler
from msgspec import UnsetType

from brobyg_matching.domain import transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.need import Facts
from brobyg_matching.ports import Loaded
from brobyg_matching.use_cases.boards import Boards
from brobyg_matching.use_cases.events import facts_of

#: How many events are applied before other tasks of this process get a turn.
EVENTS_A_TURN = 100


class Loads(Enum):
    """What is loaded before an event is handled, by the ids in its data."""

    NEED = "the need, and the citizen's others"
    CITIZEN = "the citizen's needs"
    NOTHING = "nothing"


#: What is done on an event, given decoded, to the board.
Function = Callable[[Board, Any], None]


class _DecodedEvent(NamedTuple):
    """An event, what it says, and what is done on it."""

    event: Event
    said: Any
    function: Function
    loads: Loads
    searches: bool


class _Whose(msgspec.Struct):
    citizen_id: str = ""


_whose = msgspec.json.Decoder(_Whose)


def citizen_of(event: Event) -> str:
    """The citizen by whose lock it is handled; empty where it names none, or can't be read."""
    try:
        return _whose.decode(event.data).citizen_id
    except (msgspec.DecodeError, RecursionError):
        return ""


class EventProcessing:
    """The service's reactions to events."""

    def __init__(self, handlers: Sequence[Handler[Function, Loads]], boards: Boards) -> None:
        """Store the arguments."""
        self._boards = boards
        self._by_type: dict[str, tuple[type[EventData], Handler[Function, Loads]]] = {
            kind.EVENT_TYPE: (kind, handler)
            for handler in handlers
            if not isinstance(kind := handler.event, str)
        }

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Apply a batch in its order, all or nothing. Types not in the table have no effect.

        Raises UndecodableEvent, UnknownPathway, and whatever the database raises.
        """
        reference = await self._boards.reference(tx)
        received = [one for event in events if (one := self._read(event, reference)) is not None]
        if not received:
            return
        loaded = await self._load(tx, received)
        received = await self._without_erased(tx, received)

        async def apply(board: Board) -> None:
            for number, one in enumerate(received, 1):
                if number % EVENTS_A_TURN == 0:
                    await asyncio.sleep(0)  # a long batch must not keep HTTP requests waiting
                board.cause = one.event
                one.function(board, one.said)
                finish(board)

        await self._boards.carry_out(tx, loaded, apply, searched=_searched(received, loaded))

    async def handle_one(self, tx: Transaction, event: Event) -> None:
        """As `handle`, one by itself."""
        await self.handle(tx, [event])

    def _read(self, event: Event, reference: Reference) -> _DecodedEvent | None:
        if event.type == TOMBSTONE and event.source == CitizenRecorded.TOPIC:
            return _DecodedEvent(event, event.subject, transitions.erased, Loads.CITIZEN, False)
        found = self._by_type.get(event.type)
        if found is None:
            return None
        kind, handler = found
        said: Any = event.decode(kind)
        if handler.searches and handler.loads is Loads.NEED:
            said = facts_of(said, reference)
        return _DecodedEvent(event, said, handler.function, handler.loads, handler.searches)

    async def _without_erased(
        self, tx: Transaction, received: Sequence[_DecodedEvent]
    ) -> list[_DecodedEvent]:
        """Without the records of citizens who are erased: one that comes late is dropped.

        Asked with the citizens' locks held, so that no erasure passes by.
        """
        gone = {
            one.event.subject
            for one in received
            if one.event.type in (TOMBSTONE, CitizenErased.EVENT_TYPE)
        }
        recorded = {one.said.citizen_id for one in received if _is_record(one)}
        gone |= await self._boards.needs.erased(tx, recorded - gone)
        return [one for one in received if not (_is_record(one) and one.said.citizen_id in gone)]

    async def _load(self, tx: Transaction, received: Sequence[_DecodedEvent]) -> Loaded:
        needs = {one.said.need_id for one in received if one.loads is Loads.NEED}
        citizens = {
            one.said if isinstance(one.said, str) else _given(one.said.citizen_id)
            for one in received
            if one.loads is not Loads.NOTHING
        }
        referrals = {_given(getattr(one.said, "referral_id", None)) for one in received}
        return await self._boards.load(
            tx,
            needs=needs,
            citizens={one for one in citizens if one is not None},
            referrals={one for one in referrals if one is not None},
            new=True,
        )


def _is_record(one: _DecodedEvent) -> bool:
    return isinstance(one.said, CitizenRecorded)


def _given(value: str | UnsetType | None) -> str | None:
    return None if isinstance(value, UnsetType) else value


def _searched(received: Sequence[_DecodedEvent], loaded: Loaded) -> list[Facts]:
    """For which needs somebody may be asked: those that the events open, change or set free."""
    found: dict[str, Facts] = {}
    citizens = {
        one.said.citizen_id for one in received if one.searches and one.loads is Loads.CITIZEN
    }
    for need in loaded.needs.values():
        bound = need.follows is not None or need.clashes_with is not None
        if need.state != "closed" and (bound or need.citizen_id in citizens):
            found[need.need_id] = need
    # Those of the events last: they say how it is now.
    for one in received:
        if isinstance(one.said, Facts):
            found[one.said.need_id] = one.said
    return list(found.values())
