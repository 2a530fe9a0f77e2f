"""A written message as an Internet message (RFC 5322, 2045): plain text, HTML, and the calendar file where there is one."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from brobyg_notification.adapters.letters import Letter
from brobyg_notification.domain.calendar import Entry, calendar_file


def compose(
    letter: Letter,
    *,
    sender: str,
    recipient: str,
    notification_id: str,
    sent_at: datetime,
    entry: Entry | None,
) -> EmailMessage:
    """The message. Its Message-ID is the notification's, so a second copy after a crash is recognisable as the same message."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = message_id(notification_id, sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if entry is not None:
        file = calendar_file(entry)
        # Twice, as mail programs want it: the alternative is what they act on (RFC 6047), the attachment what people open.
        message.add_alternative(
            file.decode(),
            subtype="calendar",
            cte="base64",
            params={"method": entry.method, "component": "VEVENT"},
        )
        message.add_attachment(file, maintype="application", subtype="ics", filename="brobyg.ics")
    return message


def message_id(notification_id: str, sender: str) -> str:
    """The Message-ID of a notification."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "brobyg.invalid"
    return f"<{notification_id}@{domain}>"
