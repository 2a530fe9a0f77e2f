"""The faults: what goes down, how, when; and what must be true afterwards all the same."""

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
from brobyg_local.demo.access import SystemAccess
from brobyg_local.demo.history import total_records
from brobyg_local.services import SERVICES
from brobyg_local.system import System
from brobyg_notification.settings import NotificationSettings

from tests.e2e.run import play_week
from tests.e2e.small_week import ENDS, at, small_week
from tests.faults.expected_outcomes import CaseOutcome, EventFacts, differences, outcomes

#: An outage is about seven wall seconds, the start included: some four hours of the week. In twelve
#: hours the offers of two waves can expire unread, and an appointment ends with the coordinator
#: that would have found a volunteer.
FACTOR = 2000.0
#: Wall seconds a component stays down.
DOWN = 3.0


@dataclass(frozen=True)
class Outage:
    """One component, ended at a moment of the simulated week and started some seconds later."""

    component: str
    how: Literal["kill", "stop"]
    moment: datetime
    down: float = DOWN


@dataclass(frozen=True)
class Fault:
    """A named week with its outages."""

    name: str
    outages: tuple[Outage, ...]

    async def inject(self, system: System, access: SystemAccess) -> None:
        """Carry out the outages at their times. Returns when the last component is back."""
        for outage in self.outages:
            await access.until(outage.moment)
            await asyncio.to_thread(
                system.supervisor.kill if outage.how == "kill" else system.stop, outage.component
            )
            await asyncio.sleep(outage.down)
            await asyncio.to_thread(system.start, outage.component)


#: When most bookings have just been received and offers are being sent.
BUSY = at(0, 5.2)
ANSWERS = at(0, 10)
MOVES = at(1, 0.5)
OUTCOMES = at(2, 10.5)

FAULTS = (
    *(
        Fault(f"kill-{name}", (Outage(name, "kill", BUSY), Outage(name, "kill", MOVES)))
        for name in SERVICES
    ),
    Fault("kill-kafka", (Outage("kafka", "kill", BUSY),)),
    Fault(
        "kill-postgres", (Outage("postgres", "kill", BUSY), Outage("postgres", "kill", OUTCOMES))
    ),
    Fault("kill-mail", (Outage("mail", "kill", BUSY),)),
    *(
        Fault(f"stop-{name}", (Outage(name, "stop", ANSWERS),))
        for name in ("kafka", "postgres", "mail", *SERVICES)
    ),
    Fault(
        "one-after-the-other",
        (
            Outage("referral", "kill", BUSY, 1.0),
            Outage("matching", "kill", ANSWERS, 1.0),
            Outage("notification", "kill", at(1, 0), 1.0),
            Outage("postgres", "kill", at(1, 12), 1.0),
            Outage("reporting", "kill", at(2, 6), 1.0),
            Outage("kafka", "kill", at(2, 12), 1.0),
        ),
    ),
)


#: Ended between the mail server's 250 and the commit that records it, these leave each mail in hand
#: unrecorded, and it may be sent a second time.
CAN_DOUBLE = frozenset({"notification", "mail", "postgres"})
IN_HAND: int = NotificationSettings.model_fields["notification_concurrency"].default


@dataclass(frozen=True)
class FaultResult:
    """How a week with a fault ended: each case, what is not as it must be, and some figures."""

    name: str
    outcomes: dict[str, CaseOutcome]
    broken: list[str]
    #: These may differ a little from week to week.
    counts: dict[str, int]


def run_fault(system: System, fault: Fault, say: Callable[[str], None]) -> FaultResult:
    """Play the small week with the fault. Blocks for about a minute."""
    played = play_week(
        system, small_week(), ENDS, say, fault.inject if fault.outages else None, FACTOR
    )
    summary = played.summary
    found = outcomes(played.events)
    mails = message_ids(played.access.mail)
    counts = {
        **summary.counts,
        "mails": mails.total(),
        "events_published": summary.events_published,
        "records_in_topics": asyncio.run(total_records(played.access.kafka)),
    }
    sentences = [*summary.broken(), *played.idle.busy, *differences(found)]
    if gaps := _gaps(played.events):
        sentences.append(f"the events of {gaps} subjects are not numbered 1, 2, 3 ...")
    return FaultResult(
        fault.name,
        found,
        sentences + mail_differences(played.events, mails, copies_allowed(fault)),
        counts,
    )


def copies_allowed(fault: Fault) -> int:
    """How many mails may be there twice: those in hand when their record can be lost."""
    return IN_HAND * sum(outage.component in CAN_DOUBLE for outage in fault.outages)


def message_ids(folder: Path) -> Counter[str]:
    """The notifications whose mails are in the folder, each with its copies."""
    mails = (
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in folder.glob("*.eml")
    )
    return Counter(str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in mails)


def mail_differences(events: Sequence[Event], mails: Counter[str], copies: int) -> list[str]:
    """Where the history and the mail folder disagree about what was sent, in sentences.

    Up to `copies` mails may have been sent and not recorded: a second copy follows, or none where
    what it says is no longer true.
    """
    sent = Counter(
        event.decode(EventFacts).notification_id
        for event in events
        if event.type == NotificationSent.EVENT_TYPE
    )
    unrecorded = (mails - Counter(set(sent))).total()
    checks = [
        (
            len(set(sent) - set(mails)),
            "notifications are in the history as sent, and no mail is there",
        ),
        (sent.total() - len(sent), "notifications are in the history as sent twice"),
        (
            max(0, unrecorded - copies),
            f"mails are there that the history does not have, beyond the {copies} the fault allows",
        ),
    ]
    return [f"{number} {what}" for number, what in checks if number]


def _gaps(events: Sequence[Event]) -> int:
    numbers: dict[tuple[str, str], set[int]] = {}
    for event in events:
        numbers.setdefault((event.source, event.subject), set()).add(event.sequence)
    return sum(found != set(range(1, len(found) + 1)) for found in numbers.values())
