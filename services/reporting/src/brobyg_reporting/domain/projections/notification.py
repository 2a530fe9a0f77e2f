"""Each notification: to which kind of reader, with which template, and whether it was sent."""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import NotificationFailed, NotificationSent

from brobyg_reporting.domain.projection import Projection


class NotificationRow(msgspec.Struct, gc=False):
    """One notification, all of it from brobyg.notification.v1. Who the recipient is stays in the event log."""

    notification_id: str
    referral_id: str | None = None
    appointment_id: str | None = None
    recipient_role: str | None = None
    template: str | None = None
    channel: str | None = None
    language: str | None = None
    state: Literal["sent", "failed"] | None = None
    finished_at: datetime | None = None
    failure_reason: str | None = None


NOTIFICATION = Projection("notification", NotificationRow)


def _describe(row: NotificationRow, event: NotificationSent | NotificationFailed) -> None:
    row.referral_id, row.appointment_id = event.referral_id, event.appointment_id
    row.recipient_role, row.template = event.recipient_role, event.template
    row.channel, row.language = event.channel, event.language


@NOTIFICATION.on(NotificationSent)
def _sent(row: NotificationRow, event: NotificationSent, time: datetime) -> None:
    _describe(row, event)
    row.state, row.finished_at, row.failure_reason = "sent", time, None


@NOTIFICATION.on(NotificationFailed)
def _failed(row: NotificationRow, event: NotificationFailed, time: datetime) -> None:
    _describe(row, event)
    row.state, row.finished_at, row.failure_reason = "failed", time, event.reason
