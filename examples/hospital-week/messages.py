"""From what happened to the messages as they arrive: repeated, out of order, bundled."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from appointments import Appointment, Step
from fhir import Json, appointment, batch, search_path

REPEATS, LATE, BUNDLES, BUNDLE_SIZE = 20, 15, 3, 5

Expect = Literal["kept", "repeat", "stale", "dropped", "rejected"]


@dataclass(frozen=True)
class Message:
    """One delivery: when and over which channel, what is in it, and what should become of it."""

    at: datetime
    channel: str
    organisation: str | None
    #: The hospital's numbers of the appointments in it: deliveries that share one keep their order.
    keys: tuple[str, ...]
    method: str | None
    path: str
    body: Json | str
    expect: Expect
    note: str
    #: How many characters of comment the sender adds, for a body too large to be kept in a file.
    inflate: int = 0

    def line(self) -> Json:
        """The message as it stands in messages.jsonl."""
        line: Json = {
            "at": self.at.isoformat(),
            "channel": self.channel,
            "organisation": self.organisation,
            "keys": list(self.keys),
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "expect": self.expect,
            "note": self.note,
        }
        return line | ({"inflate": self.inflate} if self.inflate else {})


TOPIC = "hospital.appointment.v1"


def deliver(entry: Appointment, step: Step, *, first: bool) -> Message:
    """The message by which the hospital tells of one step, over the appointment's channel."""
    body = appointment(
        entry.number,
        status=step.status,
        cpr=entry.cpr,
        location_id=entry.location_id,
        starts_at=step.starts_at,
        ends_at=step.ends_at,
        updated_at=step.at,
        system=entry.system,
    )
    expect: Expect = "kept" if entry.consented else "dropped"
    note = step.note if entry.consented else f"{step.note}, no referral"
    if entry.channel == "kafka":
        return Message(step.at, "kafka", None, (entry.number,), None, TOPIC, body, expect, note)
    search = search_path(entry.number, entry.system)
    method, path = ("POST", "/fhir/Appointment") if first else ("PUT", search)
    return Message(
        step.at, "fhir", entry.organisation, (entry.number,), method, path, body, expect, note
    )


def chain(entry: Appointment) -> list[Message]:
    """The messages of an appointment of which nothing goes wrong on the way."""
    return [deliver(entry, step, first=index == 0) for index, step in enumerate(entry.steps)]


def arrivals(random: Random, week: list[Appointment]) -> list[Message]:
    """All well-formed messages in the order they arrive, with repeats, late ones and bundles."""
    deliveries = {entry.number: chain(entry) for entry in week}
    late = _make_late(random, week, deliveries)
    _bundle(week, deliveries, late)
    messages = [message for sent in deliveries.values() for message in sent]
    messages += _repeats(random, messages)
    return messages


def _make_late(
    random: Random, week: list[Appointment], deliveries: dict[str, list[Message]]
) -> set[str]:
    """Let LATE older versions arrive after newer ones; return the numbers of their appointments.

    For moved appointments the booking itself comes after the move (both are on their way at once).
    For the others a version that was never sent before, older than the last one, arrives hours
    after it.
    """
    consented = [entry for entry in week if entry.consented]
    moved = [entry for entry in consented if entry.steps[1].note == "moved"]
    cancelled = [
        entry for entry in consented if entry.steps[-1].status == "cancelled" and entry not in moved
    ]
    swapped, overtaken = random.sample(moved, 6), random.sample(cancelled, 5)
    rest = [entry for entry in moved if entry not in swapped]
    revised = random.sample(rest, LATE - len(swapped) - len(overtaken))
    for entry in swapped:
        booking, move, *others = deliveries[entry.number]
        late = replace(
            booking,
            at=move.at + timedelta(minutes=5),
            expect="stale",
            note="booking that arrives after the move",
        )
        deliveries[entry.number] = [move, late, *others]
    for entry in overtaken + revised:
        deliveries[entry.number] = _overtake(entry, deliveries[entry.number])
    return {entry.number for entry in swapped + overtaken + revised}


def _overtake(entry: Appointment, chain: list[Message]) -> list[Message]:
    """Put a version between the first and the second step that arrives after the second."""
    first, second = entry.steps[0], entry.steps[1]
    tentative = replace(
        first,
        at=second.at - timedelta(minutes=30),
        starts_at=first.starts_at + timedelta(hours=1),
        ends_at=first.ends_at + timedelta(hours=1),
        note=f"tentative time that arrives after it was {second.note}",
    )
    message = deliver(entry, tentative, first=False)
    late = replace(message, at=second.at + timedelta(minutes=20), expect="stale")
    return [*chain[:2], late, *chain[2:]]


def _bundle(week: list[Appointment], deliveries: dict[str, list[Message]], late: set[str]) -> None:
    """Send some of Monday morning's bookings together, as a nightly job would."""
    early = [
        entry.number
        for entry in week
        if entry.consented
        and entry.number not in late
        and entry.organisation == "hospital-randers"
        and entry.channel == "fhir"
        and entry.steps[0].at.weekday() == 0
        and entry.steps[0].at.hour < 16
    ]
    for start in range(0, BUNDLES * BUNDLE_SIZE, BUNDLE_SIZE):
        numbers = early[start : start + BUNDLE_SIZE]
        bookings = [deliveries[number].pop(0) for number in numbers]
        entries = [(str(message.method), message.path, _resource(message)) for message in bookings]
        last = max(bookings, key=lambda message: message.at)
        bundle = replace(
            last,
            keys=tuple(numbers),
            path="/fhir",
            body=batch(entries),
            note=f"{len(numbers)} bookings in a batch",
        )
        deliveries[numbers[0]].insert(0, bundle)


def _resource(message: Message) -> Json:
    assert isinstance(message.body, dict)
    return message.body


def _repeats(random: Random, messages: list[Message]) -> list[Message]:
    """Deliver REPEATS messages again unchanged, before newer ones about the same appointment."""
    nothing_after: dict[str, datetime] = {}
    candidates: list[Message] = []
    for message in sorted(messages, key=lambda message: message.at, reverse=True):
        following = nothing_after.get(message.keys[0])
        nothing_after[message.keys[0]] = message.at
        roomy = following is None or following - message.at > timedelta(hours=3)
        if (
            message.expect == "kept"
            and roomy
            and len(message.keys) == 1
            and message.note != "took place"
        ):
            candidates.append(message)
    return [
        replace(
            message,
            at=message.at + timedelta(minutes=random.randrange(1, 150)),
            expect="repeat",
            note=f"{message.note}, sent again",
        )
        for message in random.sample(candidates, REPEATS)
    ]
