"""Carries out batches of events: load once, apply in order in memory, save once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol, cast

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData
from brobyg_kit.handling import Handler

from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Matches
from brobyg_matching.use_cases.working_set import WorkingSet

#: How many events are applied before other tasks of this process run.
EVENTS_A_TURN = 100


class Loads(Enum):
    """What is loaded before an event is handled, by the ids in its data."""

    REFERRAL = "the referral"
    APPOINTMENT = "the referral and the appointment's match"
    ALL_APPOINTMENTS = "the referral and all its matches"


#: What is done on an event: applies it, given decoded as well, to the working set. The third
#: parameter is the table's event type.
Function = Callable[[WorkingSet, Event, Any], None]


class _Data(EventData, Protocol):
    """What `Loads` and `searches` promise of an event's data."""

    @property
    def referral_id(self) -> str: ...
    @property
    def citizen_id(self) -> str: ...
    @property
    def appointment_id(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...


class _DecodedEvent(NamedTuple):
    """An event with its data and its row of the table."""

    event: Event
    data: _Data
    handler: Handler[Function, Loads]


class EventProcessing:
    """The service's reactions to events."""

    def __init__(
        self,
        handlers: Sequence[Handler[Function, Loads]],
        store: Matches,
        metrics: MatchingMetrics,
    ) -> None:
        """Store the arguments."""
        self._store, self._metrics = store, metrics
        self._by_type = {
            kind.EVENT_TYPE: (cast("type[_Data]", kind), handler)
            for handler in handlers
            if not isinstance(kind := handler.event, str)
        }

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Apply a batch in its order, all or nothing. Types not in the table have no effect.

        Raises UndecodableEvent, UnknownReferral, and whatever the database raises.
        """
        received = [
            _DecodedEvent(event, event.decode(found[0]), found[1])
            for event in events
            if (found := self._by_type.get(event.type)) is not None
        ]
        if not received:
            return
        loaded = await self._store.load(
            tx,
            referrals={one.data.referral_id for one in received},
            appointments=_ids(received, Loads.APPOINTMENT),
            all_of=_ids(received, Loads.ALL_APPOINTMENTS),
        )
        searched = [
            (one.data.citizen_id, one.data.starts_at) for one in received if one.handler.searches
        ]
        working = WorkingSet(tx.now, loaded, await self._store.snapshot(tx, searched))
        for number, (event, data, handler) in enumerate(received, 1):
            if number % EVENTS_A_TURN == 0:
                await asyncio.sleep(0)  # a long batch must not keep HTTP requests waiting
            handler.function(working, event, data)
        await working.save(tx, self._store, self._metrics)


def _ids(received: Sequence[_DecodedEvent], loads: Loads) -> set[str]:
    """What to load for the events whose row says `loads`."""
    if loads is Loads.APPOINTMENT:
        return {one.data.appointment_id for one in received if one.handler.loads is loads}
    return {one.data.referral_id for one in received if one.handler.loads is loads}
