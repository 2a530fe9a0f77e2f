"""Delivers one notice: asks the owners, writes the message, hands it to the mail server."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from brobyg_contracts import OfferMade
from brobyg_kit.clock import Clock
from brobyg_kit.fields import is_mail_address
from brobyg_kit.wording import LANGUAGES, Language

from brobyg_notification.domain import contents
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Notice, Role
from brobyg_notification.errors import MailRefused, NoCoordinator
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import (
    Claim,
    Compose,
    DeliveryOutcome,
    FailureReason,
    MailTransport,
    Message,
    People,
)

_SUPERSEDED = DeliveryOutcome("superseded")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers notices, one at a time, with what that needs."""

    people: People
    compose: Compose
    transport: MailTransport
    clock: Clock
    metrics: NotificationMetrics
    #: The portal's address as volunteers see it, without a slash at the end.
    portal_url: str
    #: Department to its coordinator's mail address.
    coordinators: Mapping[str, str]
    coordinator_language: Language
    #: For readers whose language has no catalogue, or is not known.
    default_language: Language

    async def deliver(self, claim: Claim) -> DeliveryOutcome:
        """Send the notice, or find that it can't arrive or is no longer true.

        Raises Postponed when it is to be tried again.
        """
        notice, is_offer = claim.notice, claim.notice.template == "offer"
        if _is_no_longer_true(claim):
            return _SUPERSEDED
        if notice.ends_at <= self.clock.now():
            # An offer ends before its appointment; the history has its end already.
            return _SUPERSEDED if is_offer else self._failed("appointment_over")
        facts = contents.facts(notice)
        if is_offer:
            # The offer first: if it is no longer open, no personal data is asked for.
            link = await self._answer_link(notice)
            if link is None:
                return _SUPERSEDED
            facts["link"] = link
        reader, other = await self._people(notice)
        if reader is None:
            return self._failed("recipient_erased")
        language = self._language(reader.language)
        if not reader.email or not is_mail_address(reader.email):
            return DeliveryOutcome("failed", language, "no_address")
        facts |= contents.party_facts(notice, reader, other)
        facts["changed"] = bool(notice.sequence) and not claim.earlier_unsent
        message = Message(
            notification_id=notice.notification_id,
            template=notice.template,
            language=language,
            facts=facts,
            recipient=reader.email,
            sent_at=self.clock.now(),
            entry=contents.calendar_entry(notice, claim.created_at),
        )
        try:
            await self.transport.send(self.compose(message))
        except MailRefused:
            return DeliveryOutcome("failed", language, "refused")
        return DeliveryOutcome("sent", language)

    def _failed(self, reason: FailureReason) -> DeliveryOutcome:
        """Given up before the reader's language was known."""
        return DeliveryOutcome("failed", self.default_language, reason)

    def _language(self, wish: str) -> Language:
        """The reader's language, or the default where there is no catalogue for it."""
        known = next((language for language in LANGUAGES if language == wish), None)
        if known is None:
            self.metrics.unknown_language.inc()
        return known or self.default_language

    async def _answer_link(self, notice: Notice) -> str | None:
        """The address at which the offer is answered; None when it is no longer open."""
        link = await self.people.answer_link(notice.cause.decode(OfferMade).offer_id)
        if link is None or link.state != "open" or link.expires_at <= self.clock.now():
            return None
        return f"{self.portal_url}/answer/{quote(link.token, safe='')}"

    async def _people(self, notice: Notice) -> tuple[Contact | None, Contact | None]:
        """The reader, and the person the message names beside. Nobody else is asked for."""
        other = contents.other_party(notice)
        if other is None:
            return await self._person(notice, notice.role, notice.recipient_id), None
        return await asyncio.gather(
            self._person(notice, notice.role, notice.recipient_id), self._person(notice, *other)
        )

    async def _person(self, notice: Notice, role: Role, person_id: str) -> Contact | None:
        if role != "coordinator":
            return await self.people.contact(role, person_id, f"notify_{notice.template}")
        address = self.coordinators.get(person_id)
        if address is None:
            raise NoCoordinator(person_id)
        return Contact(given_name="", email=address, language=self.coordinator_language)


def _is_no_longer_true(claim: Claim) -> bool:
    """Known without asking anybody.

    A newer notice replaces it, or it cancels for a citizen what they were never told. A volunteer
    has said yes, and is told of the release whatever they were told before.
    """
    notice = claim.notice
    return claim.replaced or (
        claim.earlier_unsent and notice.role == "citizen" and notice.calendar == "CANCEL"
    )
