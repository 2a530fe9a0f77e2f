"""The faults: what is struck, how, when; and what must be true afterwards all the same."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from typing import Literal

from brobyg_kit.event import Event
from brobyg_local.demo.history import total_records
from brobyg_local.demo.outside import Outside
from brobyg_local.demo.story import Facts
from brobyg_local.services import SERVICES
from brobyg_local.system import System

from tests.e2e.run import Played, play_week
from tests.e2e.small_week import ENDS, at, small_week

HOSPITAL_FACTS = tuple(f"appointment.{what}" for what in ("booked", "rescheduled", "cancelled", "completed", "missed"))
FACTOR = 4000.0
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
            await asyncio.to_thread(system.kill if blow.how == "kill" else system.stop, blow.component)
            await asyncio.sleep(blow.down)
            await asyncio.to_thread(system.start, blow.component)


BUSY = at(0, 5.2)
"""When most bookings have just come in and offers are going out."""
ANSWERS = at(0, 10)
MOVES = at(1, 0.5)
OUTCOMES = at(2, 10.5)

FAULTS = (
    *(Fault(f"kill-{name}", (Blow(name, "kill", BUSY), Blow(name, "kill", MOVES))) for name in SERVICES),
    Fault("kill-kafka", (Blow("kafka", "kill", BUSY),)),
    Fault("kill-postgres", (Blow("postgres", "kill", BUSY), Blow("postgres", "kill", OUTCOMES))),
    Fault("kill-mail", (Blow("mail", "kill", BUSY),)),
    *(Fault(f"stop-{name}", (Blow(name, "stop", ANSWERS),)) for name in ("kafka", "postgres", "mail")),
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


@dataclass(frozen=True)
class Outcome:
    """How a week with a fault ended: the hospital's facts, every promise that was broken, and figures that may differ a little."""

    name: str
    facts: dict[str, list[str]] | None
    broken: list[str]
    counts: dict[str, int]


def outcome_of(system: System, fault: Fault, say: Callable[[str], None]) -> Outcome:
    """Play the small week with the fault. Blocks for about a minute."""
    played = play_week(system, small_week(), ENDS, say, fault.strike if fault.blows else None, FACTOR)
    summary = played.summary
    counts = {
        "offers": summary.offers,
        "matched": summary.matched,
        "released": summary.released,
        "escalated": summary.escalated,
        "notifications_sent": summary.notifications_sent,
        "events_published": summary.events_published,
        "records_in_topics": total_records(played.outside.kafka),
    }
    return Outcome(fault.name, facts(played.events), broken(played), counts)


def facts(events: Sequence[Event]) -> dict[str, list[str]]:
    """What the hospital told, as the history has it: each kind with the starts it happened to."""
    found: dict[str, list[str]] = {kind: [] for kind in HOSPITAL_FACTS}
    starts: dict[str, str] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        kind = event.type.removeprefix("dk.brobyg.")
        if kind in found:
            told = event.decode(Facts)
            if told.starts_at is not None:
                starts[told.appointment_id] = told.starts_at.isoformat()
            found[kind].append(starts.get(told.appointment_id, "?"))
    return {kind: sorted(times) for kind, times in found.items()}


def broken(played: Played) -> list[str]:
    """Every promise that was not kept, in sentences; empty when all is well."""
    sentences = [*played.summary.broken(), *played.rest.restless]
    if gaps := _gaps(played.events):
        sentences.append(f"the events of {gaps} things are not numbered 1, 2, 3 ...")
    if missing := _untold(played):
        sentences.append(f"{missing} notices are not in the mail folder")
    return sentences


def _gaps(events: Sequence[Event]) -> int:
    numbers: dict[tuple[str, str], set[int]] = {}
    for event in events:
        numbers.setdefault((event.source, event.subject), set()).add(event.sequence)
    return sum(found != set(range(1, len(found) + 1)) for found in numbers.values())


def _untold(played: Played) -> int:
    """Notices sent by the history's word, less different mails there are. A mail that came twice has one Message-ID."""
    found = {
        str(message_from_bytes(path.read_bytes(), policy=policy.default)["Message-ID"])
        for path in played.outside.mail.glob("*.eml")
    }
    return abs(played.summary.notifications_sent - len(found))
