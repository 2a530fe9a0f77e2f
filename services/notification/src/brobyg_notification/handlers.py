"""From event to what is done: who is told. One batch is one statement."""

from collections.abc import Mapping, Sequence

from brobyg_contracts import (
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

from brobyg_notification.adapters import database
from brobyg_notification.domain import notice
from brobyg_notification.domain.notice import Plan
from brobyg_notification.metrics import NotificationMetrics

#: What is consumed, and the messages it leads to.
HANDLERS: Mapping[type[EventData], Plan] = {
    OfferMade: notice.of_offer_made,  # the volunteer is asked
    VolunteerMatched: notice.of_volunteer_matched,  # volunteer and citizen: invitation
    MatchReleased: notice.of_match_released,  # volunteer: cancellation; citizen: cancellation, or "we look for somebody new"
    MatchEscalated: notice.of_match_escalated,  # the department's coordinator
}
CONSUMES = tuple(HANDLERS)
#: The sender emits these when a message has come to its end.
EMITS = (NotificationSent, NotificationFailed)

_PLANS: Mapping[str, Plan] = {kind.EVENT_TYPE: plan for kind, plan in HANDLERS.items()}


def handle_with(metrics: NotificationMetrics) -> BatchHandler:
    """The batch handler: keeps one notice per cause and recipient with the transaction. Events that concern nobody are passed over."""

    async def handle(transaction: Transaction, events: Sequence[Event]) -> None:
        notices = [one for event in events if event.type in _PLANS for one in _PLANS[event.type](event)]
        await database.add(transaction, notices)
        for one in notices:
            metrics.planned.labels(one.template).inc()

    return handle
