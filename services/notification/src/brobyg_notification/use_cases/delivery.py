"""Delivers one notice: asks the owners, writes the message, hands it to the mail server."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from brobyg_contracts import OfferMade
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.reference import Department, Reference
from brobyg_kit.catalogues import Language
from brobyg_kit.clock import Clock
from brobyg_kit.fields import is_mail_address

from brobyg_notification.domain import contents
from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Notice, Role
from brobyg_notification.errors import MailRefused, NoCoordinator, NotToBeWrittenTo, NotYetKnown
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import (
    AnswerLink,
    Claim,
    Compose,
    DeliveryOutcome,
    MailTransport,
    MatchLink,
    Message,
    People,
    Use,
)

_SUPERSEDED = DeliveryOutcome("superseded")
_OF_MATCHES = ("matched_helper", "matched_citizen")
_APPOINTMENT_OVER = DeliveryOutcome("failed", "appointment_over")


class _NoLink:
    """The reader has nothing to answer."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers notices, one at a time, with what that needs."""

    people: People
    compose: Compose
    transport: MailTransport
    clock: Clock
    metrics: NotificationMetrics
    #: The reference data as of now; empty until it was first read.
    reference: Callable[[], Reference]
    #: The portal's address as helpers see it, without a slash at the end.
    portal_url: str
    #: Department, also by a former id, to its coordinator's mail address.
    coordinators: Mapping[str, str]
    #: Those in which every message can be written.
    languages: Collection[Language]
    #: For readers whose department writes in none of `languages`; one of them.
    default_language: Language

    async def deliver(self, claim: Claim) -> DeliveryOutcome:
        """Send the notice, or find that it can't arrive or is no longer true.

        Raises Postponed when it is to be tried again.
        """
        notice, is_offer = claim.notice, claim.notice.template == "offer"
        if _is_no_longer_true(claim):
            return _SUPERSEDED
        if notice.ends_at is not None and notice.ends_at <= self.clock.now():
            # An offer ends before its appointment; the history has its end already.
            return _SUPERSEDED if is_offer else _APPOINTMENT_OVER
        reference = self.reference()
        facts = _facts(notice, reference)
        # What names nobody first: if it is no longer so, no personal data is asked for.
        link = await self._link(notice)
        if link is None:
            return _SUPERSEDED
        facts |= self._facts_of(link, notice)
        try:
            reader, other = await self._people(notice)
        except NotToBeWrittenTo as error:
            return DeliveryOutcome("failed", error.reason)
        if reader is None:
            return DeliveryOutcome("failed", "recipient_erased")
        if not reader.email or not is_mail_address(reader.email):
            return DeliveryOutcome("failed", "no_address")
        facts |= contents.party_facts(notice, reference, reader, other)
        facts["changed"] = bool(notice.sequence) and not claim.earlier_unsent
        facts["asked_before"] = claim.told_before
        department = self._department(notice)
        zone = department.zone if department else LOCAL_ZONE
        message = Message(
            notification_id=notice.notification_id,
            template=notice.template,
            pathway=notice.pathway,
            seat_role=notice.seat_role,
            language=self._language(notice, reader.language),
            zone=zone,
            facts=facts,
            recipient=reader.email,
            sent_at=self.clock.now(),
            entry=contents.calendar_entry(
                notice,
                reference,
                claim.created_at,
                zone,
                link.times if isinstance(link, MatchLink) else None,
            ),
        )
        try:
            await self.transport.send(self.compose(message))
        except MailRefused:
            return DeliveryOutcome("failed", "refused")
        return DeliveryOutcome("sent")

    def departments_with_address(self) -> list[str]:
        """The departments whose coordinator can be told, former ones too."""
        reference = self.reference()
        return [
            *self.coordinators,
            *(
                one
                for known in reference.departments
                if self._address(known)
                for one in reference.department_ids(known)
            ),
        ]

    def _language(self, notice: Notice, wish: str | None) -> Language:
        """The reader's language, or the department's where there is no catalogue for it."""
        if wish is None:
            return self._departments_language(notice)
        if wish not in self.languages:
            self.metrics.unknown_language.inc()
            return self._departments_language(notice)
        return wish

    def _departments_language(self, notice: Notice) -> Language:
        """The first of the department's languages for which there is a catalogue."""
        department = self._department(notice)
        wishes = department.languages if department else ()
        return next((one for one in wishes if one in self.languages), self.default_language)

    def _department(self, notice: Notice) -> Department | None:
        """None while the reference data does not have it."""
        try:
            return self.reference().department(notice.department)
        except UnknownReference:
            return None

    async def _link(self, notice: Notice) -> AnswerLink | MatchLink | _NoLink | None:
        """How the reader answers; None for an offer or a match that no longer stands."""
        if notice.template == "offer":
            return await self._open_offer(notice)
        match = notice.matched
        if match is None or notice.template not in _OF_MATCHES:
            return _NoLink()
        return await self.people.match_link(match.need_id, match.match_id)

    def _facts_of(self, link: AnswerLink | MatchLink | _NoLink, notice: Notice) -> contents.Facts:
        """What the owner has told with the link."""
        if isinstance(link, _NoLink):
            return {}
        url = f"{self.portal_url}/answer/{quote(link.token, safe='')}"
        if isinstance(link, MatchLink):
            # The link signs the helper off: it is nobody else's.
            return link.times.facts | ({"link": url} if notice.role == "helper" else {})
        return {
            "link": url,
            "meeting": link.meeting,
            "distance_metres": link.distance_metres,
            "meet_at": link.meet_at,
        }

    async def _open_offer(self, notice: Notice) -> AnswerLink | None:
        """How the offer is answered; None when it is no longer open."""
        link = await self.people.answer_link(notice.cause.decode(OfferMade).offer_id)
        if link is None or link.state != "open" or link.expires_at <= self.clock.now():
            return None
        return link

    async def _people(self, notice: Notice) -> tuple[Contact | None, Contact | None]:
        """The reader, and the person the message names beside. Nobody else is asked for."""
        other = contents.other_party(notice)
        if other is None:
            return await self._person(notice, notice.role, notice.recipient_id), None
        return await asyncio.gather(
            self._person(notice, notice.role, notice.recipient_id), self._named(notice, *other)
        )

    async def _named(self, notice: Notice, role: Role, person_id: str) -> Contact | None:
        """Whom a message to somebody else names; nobody where they are not to be told of."""
        try:
            return await self._person(notice, role, person_id, use="meet")
        except NotToBeWrittenTo:
            return None

    async def _person(
        self, notice: Notice, role: Role, person_id: str, use: Use = "write"
    ) -> Contact | None:
        if role != "coordinator":
            purpose = "meet" if use == "meet" else "message"
            return await self.people.contact(role, person_id, purpose, use)
        address = self._address(person_id)
        if address is None:
            raise NoCoordinator(person_id)
        return Contact(given_name="", email=address, language=None)

    def _address(self, department: str) -> str | None:
        return coordinators_address(self.reference(), self.coordinators, department)


def coordinators_address(
    reference: Reference, coordinators: Mapping[str, str], department: str
) -> str | None:
    """The department's address, or that of one that it has taken over; None where there is none."""
    ids = reference.department_ids(department)
    return next((coordinators[one] for one in ids if one in coordinators), None)


def _facts(notice: Notice, reference: Reference) -> contents.Facts:
    """What the notice says that is not personal. Raises NotYetKnown for an unknown place."""
    try:
        return contents.facts(notice, reference)
    except UnknownReference as error:
        raise NotYetKnown(str(error)) from error


def _is_no_longer_true(claim: Claim) -> bool:
    """Known without asking anybody.

    A newer notice replaces it, or it cancels for a citizen what they were never told. A helper has
    said yes, and is told of the release whatever they were told before.
    """
    notice = claim.notice
    return claim.replaced or (
        claim.earlier_unsent and notice.role == "citizen" and notice.calendar == "CANCEL"
    )
