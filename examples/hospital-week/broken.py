"""Messages that are broken on purpose, one kind each. Nothing of them may be kept."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from appointments import MONDAY, Appointment
from fhir import Json, appointment, patient, place, search_path
from messages import TOPIC, Message

#: Characters of comment: over the 1 MiB a request may have.
TOO_LARGE = 1_300_000
UNKNOWN_PLACE = "no-such-place"


def _unknown_status(body: Json) -> None:
    body["status"] = "bogus"


def _unknown_property(body: Json) -> None:
    body["startTime"] = body["start"]


def _bad_instant(body: Json) -> None:
    body["start"] = "2026-12-03 10:00"


def _end_before_start(body: Json) -> None:
    body["start"], body["end"] = body["end"], body["start"]


def _no_participant(body: Json) -> None:
    del body["participant"]


def _unknown_location(body: Json) -> None:
    participants = body["participant"]
    assert isinstance(participants, list)
    participants[1] = place(UNKNOWN_PLACE)


def _start_without_end(body: Json) -> None:
    del body["end"]


def _no_identifier(body: Json) -> None:
    del body["identifier"]


def _reason_without_cancelling(body: Json) -> None:
    body["cancelationReason"] = {"text": "moved"}


def _no_time(body: Json) -> None:
    del body["start"], body["end"]


KINDS: tuple[tuple[str, str, Callable[[Json], None]], ...] = (
    ("unknown status", "fhir", _unknown_status),
    ("unknown property", "fhir", _unknown_property),
    ("an instant without T and offset", "fhir", _bad_instant),
    ("end before start", "fhir", _end_before_start),
    ("no participant", "fhir", _no_participant),
    ("unknown location", "fhir", _unknown_location),
    ("start without end (app-2)", "fhir", _start_without_end),
    ("no business identifier", "fhir", _no_identifier),
    ("a cancellation reason on a booked one (app-4)", "fhir", _reason_without_cancelling),
    ("unknown status", "kafka", _unknown_status),
    ("booked without a time (app-3)", "kafka", _no_time),
)


def messages(random: Random, week: list[Appointment]) -> list[Message]:
    """One message of each kind, spread over the working days, about citizens with a referral."""
    cprs = sorted({entry.cpr for entry in week if entry.consented})
    made = [
        _message(random, f"B-{number:04d}", random.choice(cprs), kind, channel, damage)
        for number, (kind, channel, damage) in enumerate(KINDS, start=1)
    ]
    first, second = random.sample(cprs, 2)
    two = _message(
        random,
        "B-0012",
        first,
        "two patients",
        "fhir",
        lambda body: _participants(body).append(patient(second)),
    )
    cut = _message(random, "B-0013", first, "not JSON", "fhir", lambda body: None)
    garbage = _message(random, "B-0014", second, "not JSON", "kafka", lambda body: None)
    large = _message(random, "B-0015", second, "a body over the limit", "fhir", lambda body: None)
    return [*made, two, _truncated(cut), _truncated(garbage), _inflated(large)]


def _participants(body: Json) -> list[object]:
    participants = body["participant"]
    assert isinstance(participants, list)
    return participants


def _truncated(message: Message) -> Message:
    text = json.dumps(message.body, ensure_ascii=False)
    return replace(message, body=text[: len(text) // 2])


def _inflated(message: Message) -> Message:
    return replace(message, inflate=TOO_LARGE)


def _message(
    random: Random, number: str, cpr: str, kind: str, channel: str, damage: Callable[[Json], None]
) -> Message:
    at = MONDAY + timedelta(days=random.randrange(5), hours=7, seconds=random.randrange(9 * 3600))
    start: datetime = MONDAY + timedelta(days=6, hours=10)
    body = appointment(
        number,
        status="booked",
        cpr=cpr,
        location_id="randers-hospital",
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
        updated_at=at,
    )
    damage(body)
    if channel == "kafka":
        return Message(at, "kafka", None, (number,), None, TOPIC, body, "rejected", kind)
    return Message(
        at,
        "fhir",
        "hospital-randers",
        (number,),
        "PUT",
        search_path(number),
        body,
        "rejected",
        kind,
    )
