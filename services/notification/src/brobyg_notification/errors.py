"""What the notification service raises.

NotificationError
├── Postponed               the attempt is made again later; nothing is wrong with the notice
│   ├── MailDeferred        the mail server does not take this message now
│   │   └── RecipientDeferred   it does not take it for this recipient now
│   ├── MailServerDown      no mail can be handed over at all now
│   ├── NoCoordinator       the settings name no address for the department
│   ├── NotYetKnown         the reference data has no such place or department yet
│   └── OwnerUnavailable    the owner of the data gave no answer that can be used
├── TooManyLinks            so many links to sign in are on their way that one more is not taken
├── NotToBeWrittenTo        the owner of the data says that the person is not to be written to
└── MailRefused             the mail server will never take this message for this recipient
"""

from typing import ClassVar, Literal, TypeAlias

#: Why a message will not be sent.
FailureReason: TypeAlias = Literal[
    "no_address",
    "recipient_erased",
    "refused",
    "appointment_over",
    "contact_not_consented",
    "restricted",
]


class NotificationError(Exception):
    """What this service raises, other than for a wrong argument. Names no person."""


class Postponed(NotificationError):
    """The attempt failed for a reason that may pass."""

    #: What was in the way, as metrics, /readyz and the notice itself name it.
    obstacle: ClassVar[str]


class MailDeferred(Postponed):
    """The server does not take this message now (SMTP 4yz). Carries the code."""

    obstacle = "deferred"


class RecipientDeferred(MailDeferred):
    """A full mailbox, or a server that makes unknown senders wait (greylisting)."""

    obstacle = "recipient_deferred"


class MailServerDown(Postponed):
    """The server can't be reached, or says so itself. Nothing is wrong with the message."""

    obstacle = "mail_server_down"


class NoCoordinator(Postponed):
    """The settings name no address for the department's coordinator. Carries the department."""

    obstacle = "no_coordinator"


class NotYetKnown(Postponed):
    """The reference data has no such place or department yet: topics have no order between them."""

    obstacle = "reference_data"


class OwnerUnavailable(Postponed):
    """The owner can't be asked, or did not answer as agreed. Carries its name and what happened."""

    obstacle = "owner_unavailable"


class TooManyLinks(NotificationError):
    """So many links to sign in are on their way that one more is not taken."""


class NotToBeWrittenTo(NotificationError):
    """The owner of the data says that nobody is to write to the person now."""

    def __init__(self, reason: FailureReason) -> None:
        """`reason` is what the message fails for."""
        super().__init__(reason)
        self.reason: FailureReason = reason


class MailRefused(NotificationError):
    """The server will never take this message for this recipient (SMTP 5yz). Carries the code."""
