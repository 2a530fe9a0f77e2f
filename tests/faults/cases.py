"""The faults: what is struck, how, when; and what must be true afterwards all the same."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Literal

from brobyg_contracts import NotificationSent
from brobyg_kit.event import Event
from brobyg_local.demo.history import total_records
from brobyg_local.demo.outside import Outside
from brobyg_local.services import SERVICES
from brobyg_local.system import System
from brobyg_notification.settings import NotificationSettings

from tests.e2e.run import play_week
from tests.e2e.small_week import ENDS, at, small_week
from tests.faults.endings import Ending, Said, differences, endings

FACTOR = 2500.0
"""An outage is about seven wall seconds, its start again included: here some five hours of the week. In twelve hours the offers of two waves can expire
unread, and an appointment ends with the coordinator that would have found a volunteer.
"""
DOWN = 3.0
"""Wall seconds a component stays away."""


@dataclass(frozen=True)
class Blow:
    """One component ended at a moment of the simulated week, and started again some seconds later."""

    component: str
    how: Literal["kill", "stop"]
    moment: datetime
    down: float = DOWN


@dataclass(frozen=True)
class Fault:
    """A named week with its blows."""

    name: str
    blows: tuple[Blow, ...]

    async def strike(self, system: System, outside: Outside) -> None:
        """Carry out the blows when their time comes. Blocks until the last component is back."""
        for blow in self.blows:
            await outside.until(blow.moment)
            await asyncio.to_thread(
                system.kill if blow.how == "kill" else system.stop, blow.component
            )
            await asyncio.sleep(blow.down)
            await asyncio.to_thread(system.start, blow.component)


BUSY = at(0, 5.2)
"""When most bookings have just come in and offers are going out."""
ANSWERS = at(0, 10)
MOVES = at(1, 0.5)
OUTCOMES = at(2, 10.5)

FAULTS = (
    *(
        Fault(f"kill-{name}", (Blow(name, "kill", BUSY), Blow(name, "kill", MOVES)))
        for name in SERVICES
    ),
    Fault("kill-kafka", (Blow("kafka", "kill", BUSY),)),
    Fault("kill-postgres", (Blow("postgres", "kill", BUSY), Blow("postgres", "kill", OUTCOMES))),
    Fault("kill-mail", (Blow("mail", "kill", BUSY),)),
    *(
        Fault(f"stop-{name}", (Blow(name, "stop", ANSWERS),))
        for name in ("kafka", "postgres", "mail", *SERVICES)
    ),
    Fault(
        "one-after-the-other",
        (
            Blow("referral", "kill", BUSY, 1.0),
            Blow("matching", "kill", ANSWERS, 1.0),
            Blow("notification", "kill", at(1, 0), 1.0),
            Blow("postgres", "kill", at(1, 12), 1.0),
            Blow("reporting", "kill", at(2, 6), 1.0),
            Blow("kafka", "kill", at(2, 12), 1.0),
        ),
    ),
)


CAN_DOUBLE = frozenset({"notification", "mail", "postgres"})
"""Struck between the mail server's 250 and the commit that notes it, these leave each mail in hand unnoted, and it may come a second time."""
IN_HAND = NotificationSettings.model_fields["notification_concurrency"].default


@dataclass(frozen=True)
class Outcome:
    """How a week with a fault ended: each case's ending, everything that is not as it must be, and figures that may differ a little."""

    name: str
    endings: dict[str, Ending]
    broken: list[str]
    counts: dict[str, int]


def outcome_of(system: System, fault: Fault, say: Callable[[str], None]) -> Outcome:
    """Play the small week with the fault. Blocks for about a minute."""
    played = play_week(
        system, small_week(), ENDS, say, fault.strike if fault.blows else None, FACTOR
    )
    summary = played.summary
    found = endings(played.events)
    mails = message_ids(played.outside.mail)
    counts = {
        "offers": summary.offers,
        "matched": summary.matched,
        "released": summary.released,
        "escalated": summary.escalated,
        "notifications_sent": summary.notifications_sent,
        "mails": mails.total(),
        "events_published": summary.events_published,
        "records_in_topics": total_records(played.outside.kafka),
    }
    sentences = [*summary.broken(), *played.rest.restless, *differences(found)]
    if gaps := _gaps(played.events):
        sentences.append(f"the events of {gaps} things are not numbered 1, 2, 3 ...")
    return Outcome(
        fault.name, found, sentences + untold(played.events, mails, copies_allowed(fault)), counts
    )


def copies_allowed(fault: Fault) -> int:
    """How many mails may lie there a second time: those in hand at each blow that can part a mail from the note of it."""
    return IN_HAND * sum(blow.component in CAN_DOUBLE for blow in fault.blows)


def message_ids(folder: Path) -> Counter[str]:
    """The notifications whose mails lie in the folder, each with its copies."""
    mails = (
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in folder.glob("*.eml")
    )
    return Counter(str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in mails)


def untold(events: Sequence[Event], mails: Counter[str], copies: int) -> list[str]:
    """Where the history and the mail folder disagree about who was told, in sentences.

    Up to `copies` mails may be there that were sent and not noted: a second copy follows, or none where what it says is no longer true.
    """
    sent = Counter(
        event.decode(Said).notification_id
        for event in events
        if event.type == NotificationSent.EVENT_TYPE
    )
    unnoted = (mails - Counter(set(sent))).total()
    checks = [
        (
            len(set(sent) - set(mails)),
            "notices were sent by the history's word and no mail is there",
        ),
        (sent.total() - len(sent), "notices were sent twice by the history's word"),
        (
            max(0, unnoted - copies),
            f"mails more than the history knows of, beside the {copies} that the fault explains",
        ),
    ]
    return [f"{number} {what}" for number, what in checks if number]


def _gaps(events: Sequence[Event]) -> int:
    numbers: dict[tuple[str, str], set[int]] = {}
    for event in events:
        numbers.setdefault((event.source, event.subject), set()).add(event.sequence)
    return sum(found != set(range(1, len(found) + 1)) for found in numbers.values())
