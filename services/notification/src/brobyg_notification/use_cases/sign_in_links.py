"""Mails the links by which people sign in at the portal, and that a passkey was added to theirs.

A link's token is good for minutes and lets its holder in: it is held in memory alone, never in a
table, event or log. So a link that is in hand when the process ends is lost, and its person asks
anew; one that can't be mailed is tried again until it ends.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.backoff import Backoff
from brobyg_kit.catalogues import Language
from brobyg_kit.clock import Clock
from brobyg_kit.fields import is_mail_address
from brobyg_kit.ids import new_id
from brobyg_kit.logs import get_logger

from brobyg_notification.domain.contact import Contact
from brobyg_notification.domain.notice import Template
from brobyg_notification.errors import MailRefused, NotToBeWrittenTo, Postponed, TooManyLinks
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.ports import Compose, MailTransport, Message, People, PersonRole

log = get_logger(__name__)

#: How many may be in hand at once, in each process.
MOST = 500
#: Pauses between the tries of one mail.
_TRIES = Backoff(first=1.0, longest=30.0)


@dataclass(frozen=True, slots=True)
class SignInLink:
    """Whose link it is, and the link."""

    role: PersonRole
    person_id: str
    #: None tells them that a passkey was added, by which somebody signs in as them.
    token: str | None = field(repr=False)
    #: How long it is good for from now.
    life: timedelta

    @property
    def template(self) -> Template:
        """What it is mailed as."""
        return "passkey_added" if self.token is None else "sign_in"


class SignInLinks:
    """Sends each link in the background to the address that its person's owner has on file."""

    def __init__(
        self,
        people: People,
        compose: Compose,
        transport: MailTransport,
        clock: Clock,
        metrics: NotificationMetrics,
        *,
        portal_url: str,
        languages: Collection[Language],
        default_language: Language,
        tries: Backoff = _TRIES,
    ) -> None:
        """`clock` tells real time, in which people sign in; `portal_url` ends without a slash."""
        self._people, self._compose, self._transport = people, compose, transport
        self._clock, self._metrics, self._portal_url = clock, metrics, portal_url
        self._languages, self._default, self._tries = languages, default_language, tries
        self._in_hand: set[asyncio.Task[None]] = set()

    def take(self, link: SignInLink) -> None:
        """Have it sent, and return at once. Raises TooManyLinks."""
        if len(self._in_hand) >= MOST:
            raise TooManyLinks(f"{MOST} are in hand")
        task = asyncio.create_task(self._send(link))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def close(self) -> None:
        """Give up those that are in hand."""
        for task in self._in_hand:
            task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def _send(self, link: SignInLink) -> None:
        ends_at, failures, outcome = self._clock.now() + link.life, 0, None
        while outcome is None and (now := self._clock.now()) < ends_at:
            try:
                outcome = await self._try(link, now)
            except Postponed as error:
                failures += 1
                self._metrics.postponed.labels(error.obstacle).inc()
                log.info("sign_in_link.postponed", error=type(error).__name__)
                await asyncio.sleep(self._tries.after(failures))
            except Exception as error:  # noqa: BLE001 - it may quote the link, so no traceback
                log.error("sign_in_link.unsendable", error=type(error).__name__)
                break
        self._metrics.ended.labels(link.template, outcome or "failed").inc()

    async def _try(self, link: SignInLink, now: datetime) -> str:
        """What became of it. Raises Postponed."""
        try:
            contact = await self._people.contact(link.role, link.person_id, "message")
        except NotToBeWrittenTo:
            return "failed"
        if contact is None or not contact.email or not is_mail_address(contact.email):
            return "failed"
        try:
            await self._transport.send(self._compose(self._message(link, contact, now)))
        except MailRefused:
            return "failed"
        return "sent"

    def _message(self, link: SignInLink, contact: Contact, now: datetime) -> Message:
        wish = contact.language
        path = f"sign-in/link/{quote(link.token, safe='')}" if link.token else "passkeys"
        return Message(
            notification_id=new_id(self._clock),
            template=link.template,
            pathway="default",
            seat_role=None,
            language=wish if wish is not None and wish in self._languages else self._default,
            zone=LOCAL_ZONE,
            facts={
                "reader": contact.given_name,
                "role": link.role,
                "link": f"{self._portal_url}/{path}",
                "minutes": int(link.life.total_seconds() // 60),
            },
            recipient=contact.email or "",
            sent_at=now,
            entry=None,
        )
