"""Messages as Internet messages (RFC 5322, 2045): text, HTML, and the calendar file if any."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from brobyg_notification.adapters import templates
from brobyg_notification.domain.calendar import calendar_file
from brobyg_notification.ports import Message


def compose(sender: str, message: Message) -> EmailMessage:
    """See `ports.Compose`.

    `sender` is the address messages come from, with a name if it has one.
    """
    domain = parseaddr(sender)[1].rpartition("@")[2]
    rendered = templates.render(message)
    mail = EmailMessage(policy=SMTP)
    for name, value in {
        "From": sender,
        "To": message.recipient,
        "Subject": rendered.subject,
        "Date": format_datetime(message.sent_at),
        "Message-ID": f"<{message.notification_id}@{domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers
    }.items():
        mail[name] = value
    mail.set_content(rendered.text, cte="quoted-printable")
    mail.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    if message.entry is not None:
        file = calendar_file(
            message.entry,
            summary=rendered.calendar_summary,
            description=rendered.calendar_note,
            organizer=sender,
            attendee=message.recipient,
        )
        # Twice, as mail programs want it: the alternative is what they act on (RFC 6047), the
        # attachment what people open.
        mail.add_alternative(
            file.decode(),
            subtype="calendar",
            cte="base64",
            params={"method": message.entry.method, "component": "VEVENT"},
        )
        mail.add_attachment(file, maintype="application", subtype="ics", filename="brobyg.ics")
    return mail
