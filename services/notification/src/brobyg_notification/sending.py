"""One notice from its claim to its end: ask the owners, write, hand over, note what became of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import quote

from brobyg_contracts import MatchEscalated, MatchReleased, OfferMade, VolunteerMatched
from brobyg_kit.clock import Clock
from brobyg_kit.fields import is_mail_address
from brobyg_kit.wording import Language

from brobyg_notification.adapters import letters
from brobyg_notification.adapters.letters import Letter
from brobyg_notification.adapters.message import compose
from brobyg_notification.domain import message as facts_of
from brobyg_notification.domain.calendar import Entry
from brobyg_notification.domain.notice import calendar_uid
from brobyg_notification.ports import (
    Contact,
    FailureReason,
    MailRefused,
    NoCoordinator,
    People,
    Postbox,
    Waiting,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail server has it."""

    language: Language


@dataclass(frozen=True, slots=True)
class Failed:
    """It can never arrive."""

    reason: FailureReason
    language: Language


@dataclass(frozen=True, slots=True)
class Superseded:
    """It is no longer true, so nobody was told."""


Outcome = Sent | Failed | Superseded


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending needs to know. `coordinators` maps a department to its coordinator's address."""

    people: People
    postbox: Postbox
    clock: Clock
    sender: str
    portal_url: str
    coordinators: Mapping[str, str]
    coordinator_language: Language

    async def deliver(self, waiting: Waiting) -> Outcome:
        """Send the notice. Raises OwnerUnavailable, NoCoordinator, MailServerDown or MailDeferred when it is to be tried again."""
        if self._is_no_longer_true(waiting):
            return Superseded()
        if self._is_over(waiting):
            # An offer ends before its appointment, which the history knows already.
            return (
                Superseded()
                if waiting.notice.template == "offer"
                else Failed("appointment_over", "da")
            )
        facts: dict[str, object] = {}
        if waiting.notice.template == "offer":
            # The offer first: when it is no longer open, nobody's personal data is asked for.
            made = waiting.notice.cause.decode(OfferMade)
            link = await self.people.answer_link(made.offer_id)
            if link is None or not link.is_open or link.expires_at <= self.clock.now():
                return Superseded()
            facts = facts_of.offer_facts(
                made, f"{self.portal_url}/answer/{quote(link.token, safe='')}"
            )
        reader, other = await self._people(waiting)
        if reader is None:
            return Failed("recipient_erased", "da")
        if not reader.email or not is_mail_address(reader.email):
            return Failed("no_address", reader.language)
        facts |= self._facts(waiting, reader, other)
        written = letters.write(
            waiting.notice.template, reader.language, {**facts, "reader": reader.given_name}
        )
        try:
            await self.postbox.send(self._message(waiting, written, reader.email))
        except MailRefused:
            return Failed("refused", reader.language)
        return Sent(reader.language)

    def _is_no_longer_true(self, waiting: Waiting) -> bool:
        """Known without asking anybody: something newer replaces it, or it takes back from a citizen what they never heard of. A volunteer has
        said yes, and is told that nobody needs them whatever they heard.
        """
        notice = waiting.notice
        return waiting.overtaken or (
            waiting.unheard and notice.role == "citizen" and notice.calendar == "CANCEL"
        )

    def _is_over(self, waiting: Waiting) -> bool:
        over_at = facts_of.over_at(waiting.notice, waiting.earlier)
        return over_at is not None and over_at <= self.clock.now()

    async def _people(self, waiting: Waiting) -> tuple[Contact | None, Contact | None]:
        """The reader and, where the message names the other party, that one. Only those who are needed are asked for."""
        notice = waiting.notice
        purpose = f"notify_{notice.template}"
        if notice.role == "coordinator":
            address = self.coordinators.get(notice.recipient_id)
            if address is None or not is_mail_address(address):
                raise NoCoordinator(notice.recipient_id)
            return Contact(given_name="", email=address, language=self.coordinator_language), None
        if notice.cause.type == VolunteerMatched.EVENT_TYPE:
            match = notice.cause.decode(VolunteerMatched)
            volunteer, citizen = await asyncio.gather(
                self.people.volunteer(match.volunteer_id, purpose),
                self.people.citizen(match.citizen_id, purpose),
            )
            return (volunteer, citizen) if notice.role == "volunteer" else (citizen, volunteer)
        if notice.role == "volunteer":
            return await self.people.volunteer(notice.recipient_id, purpose), None
        return await self.people.citizen(notice.recipient_id, purpose), None

    def _facts(self, waiting: Waiting, reader: Contact, other: Contact | None) -> dict[str, object]:
        notice = waiting.notice
        if notice.template == "unreachable_citizen":
            match = facts_of.told_match(notice, waiting.earlier)
            return facts_of.unreachable_facts(notice, match) if match else {}
        if notice.cause.type == VolunteerMatched.EVENT_TYPE:
            citizen = reader if notice.role == "citizen" else other
            return facts_of.match_facts(
                notice.cause.decode(VolunteerMatched),
                other=other.given_name if other else "",
                meeting_point=citizen.meeting_point if citizen else None,
                changed=bool(waiting.sequence) and not waiting.unheard,
            )
        if notice.cause.type == MatchReleased.EVENT_TYPE:
            return facts_of.release_facts(notice.cause.decode(MatchReleased), waiting.earlier)
        if notice.cause.type in facts_of.CALLED_OFF and waiting.earlier is not None:
            return facts_of.called_off_facts(notice.cause.type, waiting.earlier)
        if notice.cause.type == MatchEscalated.EVENT_TYPE:
            escalated = notice.cause.decode(MatchEscalated)
            excluded = [
                (letters.rule_in_words(rule, reader.language), str(count))
                for rule, count in sorted(escalated.excluded.items())
                if count
            ]
            return facts_of.escalation_facts(escalated, excluded)
        return {}

    def _message(self, waiting: Waiting, written: Letter, address: str) -> EmailMessage:
        notice = waiting.notice
        entry = None
        if notice.calendar is not None and waiting.sequence is not None:
            span = facts_of.calendar_span(notice, waiting.earlier)
            entry = Entry(
                uid=calendar_uid(notice.appointment_id, notice.role, notice.recipient_id),
                sequence=waiting.sequence,
                method=notice.calendar,
                made_at=waiting.created_at,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
                summary=written.calendar_summary,
                description=written.calendar_note,
                location=span.place,
                organizer=self.sender,
                attendee=address,
            )
        return compose(
            written,
            sender=self.sender,
            recipient=address,
            notification_id=notice.notification_id,
            sent_at=self.clock.now(),
            entry=entry,
        )
