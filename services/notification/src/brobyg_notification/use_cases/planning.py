"""Events become notices, stored with the transaction that handles the events."""

from collections.abc import Sequence

from brobyg_kit.consumer import BatchHandler
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_notification.domain.calendar_status import Calendars, CalledOff
from brobyg_notification.domain.notice import Notice, Role
from brobyg_notification.handlers import HANDLERS
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import Notices

_ROWS = {row.event if isinstance(row.event, str) else row.event.EVENT_TYPE: row for row in HANDLERS}


def handle_with(notices: Notices, metrics: NotificationMetrics) -> BatchHandler:
    """The batch handler: one notice per cause and recipient.

    Events that concern nobody are passed over. What an event leads to depends on what was planned
    before it, also earlier in its batch.
    """

    async def handle(transaction: Transaction, events: Sequence[Event]) -> None:
        known = [(_ROWS[event.type], event) for event in events if event.type in _ROWS]
        calendars = await notices.calendars(
            transaction, {event.subject for row, event in known if row.loads == "calendars"}
        )
        planned: list[Notice] = []
        called_off: list[CalledOff] = []
        closed: dict[str, Event] = {}
        opened: set[str] = set()
        restricted: list[tuple[str, str | None, Event]] = []
        erased: list[tuple[Role, str, Event]] = []
        for row, event in known:
            before = calendars.get(event.subject, Calendars())
            update = before.numbered(row.function(event, before))
            calendars[event.subject] = before.after(update)
            planned += update.notices
            called_off += [update.called_off] if update.called_off else []
            if update.closed:
                closed[event.subject] = event
                opened.discard(event.subject)
            if update.opened:
                opened.add(event.subject)
            if update.restricted:
                restricted.append((*update.restricted, event))
            if update.erased:
                erased.append((*update.erased, event))
        people = {one.recipient_id for one in planned if one.role != "coordinator"}
        people |= {one for _, one, _ in erased} | {one for one, _, _ in restricted}
        await notices.lock_people(transaction, people)
        await notices.keep(transaction, planned, called_off)
        # A closing settles what it settles, also of a need that was opened again since.
        await notices.close(transaction, closed)
        await notices.reopen(transaction, opened)
        for person_id, why, event in restricted:
            await notices.restrict(transaction, person_id, why, event)
        # After what was planned in the same batch, which is for nobody then.
        for role, person_id, event in erased:
            await notices.erase(transaction, role, person_id, event)

        def count() -> None:
            for notice in planned:
                metrics.planned.labels(notice.template).inc()

        transaction.after_commit(count)

    return handle
