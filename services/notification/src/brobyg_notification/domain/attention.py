"""What needs a human because a message does not arrive. Pure."""

from datetime import datetime, timedelta

from brobyg_contracts import AttentionClaimed, AttentionRaised, AttentionSettled
from brobyg_contracts.consent import CONTACT_NOT_CONSENTED
from brobyg_kit.attention import Attention, attention_id
from msgspec import UNSET

from brobyg_notification.domain.notice import Notice, Role

ATTENTION = Attention("notification", AttentionClaimed, AttentionSettled, "no_longer_so")
#: Why no other message would reach its recipient.
UNREACHABLE = ("no_address", "refused", CONTACT_NOT_CONSENTED)
#: What begins sooner than this is urgent.
_SOON = timedelta(days=1)


def mail_refused_id(need_id: str, role: Role, recipient_id: str) -> str:
    """The item's id, one for each need and recipient."""
    return attention_id("mail_refused", need_id, role, recipient_id)


def no_coordinator_address_id(department: str) -> str:
    """The item's id, one for each department."""
    return attention_id("no_coordinator_address", department)


def mail_refused(failed: Notice, reason: str, now: datetime) -> list[AttentionRaised]:
    """Somebody is to be told by phone what an e-mail could not tell.

    An offer that does not arrive ends as if unanswered, and others are asked; a coordinator's
    message is told by `notification.failed`.
    """
    if failed.role == "coordinator" or failed.template == "offer":
        return []
    item_id = mail_refused_id(failed.need_id, failed.role, failed.recipient_id)
    return [_raised(item_id, "mail_refused", (reason, failed.role), failed, now)]


def no_coordinator_address(waiting: Notice, now: datetime) -> list[AttentionRaised]:
    """Messages to the department's coordinator wait for an address."""
    item_id = no_coordinator_address_id(waiting.department)
    return [_raised(item_id, "no_coordinator_address", (waiting.template,), waiting, now)]


def arrived(sent: Notice) -> str:
    """The id of the item that a message which reached its recipient settles."""
    if sent.role == "coordinator":
        return no_coordinator_address_id(sent.department)
    return mail_refused_id(sent.need_id, sent.role, sent.recipient_id)


def _raised(
    item_id: str, kind: str, reasons: tuple[str, ...], notice: Notice, now: datetime
) -> AttentionRaised:
    due_at = notice.starts_at
    return AttentionRaised(
        attention_id=item_id,
        kind=kind,
        urgency="now" if due_at and due_at - now < _SOON else "today",
        department=notice.department,
        reasons=reasons,
        referral_id=notice.referral_id or UNSET,
        citizen_id=notice.recipient_id if notice.role == "citizen" else UNSET,
        need_id=notice.need_id,
        due_at=due_at or UNSET,
    )
