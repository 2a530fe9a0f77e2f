"""Each notification: to which kind of recipient, by which template, and whether it was sent."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import NotificationFailed, NotificationSent
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection, given


class NotificationRow(msgspec.Struct, gc=False):
    """One notification, all of it from brobyg.notification.v1 (key need_id).

    The event log alone says who the recipient is.
    """

    notification_id: Annotated[str, Doc("The message.")]
    need_id: Annotated[str | None, Doc("The need.")] = None
    referral_id: Annotated[str | None, Doc("The referral.")] = None
    recipient_role: Annotated[str | None, Doc("helper, citizen, coordinator or another.")] = None
    template: Annotated[str | None, Doc("Which text.")] = None
    channel: Annotated[str | None, Doc("How it was sent, such as email.")] = None
    state: Annotated[Literal["sent", "failed"] | None, Doc("sent or failed.")] = None
    finished_at: Annotated[datetime | None, Doc("When it was sent or given up, UTC.")] = None
    failure_reason: Annotated[
        str | None, Doc("no_address, recipient_erased, refused, appointment_over or another.")
    ] = None


NOTIFICATION = Projection("notification", NotificationRow)


def _describe(row: NotificationRow, event: NotificationSent | NotificationFailed) -> None:
    row.need_id, row.referral_id = event.need_id, given(event.referral_id)
    row.recipient_role, row.template = event.recipient_role, event.template
    row.channel = event.channel


@NOTIFICATION.on(NotificationSent)
def _sent(row: NotificationRow, event: NotificationSent, time: datetime) -> None:
    _describe(row, event)
    row.state, row.finished_at, row.failure_reason = "sent", time, None


@NOTIFICATION.on(NotificationFailed)
def _failed(row: NotificationRow, event: NotificationFailed, time: datetime) -> None:
    _describe(row, event)
    row.state, row.finished_at, row.failure_reason = "failed", time, event.reason
