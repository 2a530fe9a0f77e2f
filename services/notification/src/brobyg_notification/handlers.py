"""From event to what is done: who is told. Notices are kept together; what depends on the citizen's calendar is decided one by one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from brobyg_contracts import (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
    MatchEscalated,
    MatchReleased,
    NotificationFailed,
    NotificationSent,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.consumer import BatchHandler
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event, EventData

from brobyg_notification.adapters import database, standing
from brobyg_notification.domain import notice
from brobyg_notification.domain.notice import Notice, Plan
from brobyg_notification.metrics import NotificationMetrics

#: What is consumed, and the messages it leads to.
HANDLERS: Mapping[type[EventData], Plan] = {
    OfferMade: notice.of_offer_made,  # the volunteer is asked
    VolunteerMatched: notice.of_volunteer_matched,  # volunteer and citizen: invitation
    MatchReleased: notice.of_match_released,  # volunteer: cancellation; citizen: cancellation, or "we look for somebody new"
    MatchEscalated: notice.of_match_escalated,  # the department's coordinator; the citizen too, after an earlier match
}
#: What the referral service calls off: a citizen who is still invited (no match, so nothing is released) gets a cancellation.
CALLED_OFF: tuple[type[EventData], ...] = (
    AppointmentCancelled,
    AppointmentRescheduled,
    ConsentWithdrawn,
)
CONSUMES: tuple[type[EventData], ...] = (*HANDLERS, *CALLED_OFF)
#: The sender emits these when a message has come to its end.
EMITS = (NotificationSent, NotificationFailed)

_PLANS: Mapping[str, Plan] = {kind.EVENT_TYPE: plan for kind, plan in HANDLERS.items()}
_CALLED_OFF = frozenset(kind.EVENT_TYPE for kind in CALLED_OFF)


def handle_with(metrics: NotificationMetrics) -> BatchHandler:
    """The batch handler: keeps one notice per cause, appointment and recipient with the transaction. Events that concern nobody are passed over."""

    async def handle(transaction: Transaction, events: Sequence[Event]) -> None:
        known = [event for event in events if event.type in _PLANS or event.type in _CALLED_OFF]
        await standing.lock(transaction, [event.subject for event in known])
        kept: list[Notice] = []
        for event in known:
            planned = _PLANS[event.type](event) if event.type in _PLANS else []
            if event.type in _TOLD_BEFORE:
                # What it leads to depends on what was told before, also earlier in this batch.
                await _keep(transaction, kept, metrics)
                kept = await _TOLD_BEFORE[event.type](transaction, event, planned)
            else:
                kept += planned
        await _keep(transaction, kept, metrics)

    return handle


async def _keep(
    transaction: Transaction, notices: Sequence[Notice], metrics: NotificationMetrics
) -> None:
    await database.add(transaction, notices)
    for one in notices:
        metrics.planned.labels(one.template).inc()


async def _called_off(transaction: Transaction, cause: Event, _: list[Notice]) -> list[Notice]:
    """A cancellation for each entry that the citizen still has from before the event; remembered for what the other topic tells later.

    Once the two have met it is a correction of what is under way or past, and only a release can end that.
    """
    appointment_id = notice.appointment_called_off(cause)
    await standing.call_off(transaction, appointment_id or cause.subject, cause)
    return [
        Notice(
            "released_citizen",
            "citizen",
            one.citizen_id,
            cause.subject,
            one.appointment_id,
            cause,
            "CANCEL",
        )
        for one in await standing.standing(transaction, cause.subject, appointment_id)
        if one.stands(cause.time)
    ]


async def _released(transaction: Transaction, _: Event, planned: list[Notice]) -> list[Notice]:
    """The citizen is cancelled once, by whichever topic comes first; nobody is told of a search that has been called off."""
    told = []
    for one in planned:
        if one.role == "citizen":
            found = await standing.standing(transaction, one.referral_id, one.appointment_id)
            entry = next(iter(found), None)
            if entry is not None and not entry.invited:
                continue
            if entry is not None and entry.matched_at is not None and one.calendar == "REQUEST":
                off = await standing.called_off(
                    transaction, one.referral_id, one.appointment_id, entry.matched_at
                )
                if off is not None:
                    about = (one.recipient_id, one.referral_id, one.appointment_id)
                    told.append(Notice("released_citizen", "citizen", *about, off, "CANCEL"))
                    continue
        told.append(one)
    return told


async def _escalated(transaction: Transaction, cause: Event, planned: list[Notice]) -> list[Notice]:
    """The citizen hears of it only after an earlier match, having been told that somebody comes or that we look for somebody new; and not
    when the appointment has been called off or moved since.
    """
    told = []
    for one in planned:
        if one.role == "citizen":
            about = (one.referral_id, one.appointment_id)
            off = await standing.called_off(transaction, *about, cause.time)
            # What it was caused by is no reason to be silent, whatever two services' clocks say of which came first.
            if (off is not None and off.id != cause.causationid) or not await standing.standing(
                transaction, *about
            ):
                continue
        told.append(one)
    return told


_TOLD_BEFORE: Mapping[
    str, Callable[[Transaction, Event, list[Notice]], Awaitable[list[Notice]]]
] = {
    MatchReleased.EVENT_TYPE: _released,
    MatchEscalated.EVENT_TYPE: _escalated,
    **dict.fromkeys(_CALLED_OFF, _called_off),
}
