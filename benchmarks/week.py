"""The demo's mix as matching hears it: what referral makes of the hospital's week under
`examples/`, many times over with other ids.

Citizens' records are among it, on the same topic.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec
from brobyg_contracts import CitizenRecorded, ConsentGiven, NeedChanged, NeedClosed, NeedOpened
from brobyg_contracts.pathways import load_pathway
from brobyg_kit.event import Event, EventData, encode, encode_data
from brobyg_kit.ids import derived_id

EXAMPLE = Path(__file__).parents[1] / "examples" / "hospital-week"
BEGINS = datetime.fromisoformat("2026-11-30T00:00:00+01:00")
#: Why a need is closed, by the hospital's last word on the appointment.
_ENDINGS = {"cancelled": "appointment_cancelled", "fulfilled": "completed", "noshow": "missed"}


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class _Actor(msgspec.Struct):
    type: str = ""
    identifier: _Identifier = msgspec.field(default_factory=_Identifier)


class _Participant(msgspec.Struct):
    actor: _Actor


class _Entry(msgspec.Struct):
    resource: "_Appointment"


class _Appointment(msgspec.Struct):
    status: str = ""
    start: str = ""
    end: str = ""
    participant: list[_Participant] = []
    identifier: list[_Identifier] = []
    entry: list[_Entry] = []


class _Delivery(msgspec.Struct):
    at: datetime
    expect: str
    body: msgspec.Raw


class _Citizen(msgspec.Struct):
    cpr: str


class _Body(msgspec.Struct):
    citizen: _Citizen
    #: What stands in the citizen's record.
    needs: dict[str, object]


class _Referral(msgspec.Struct):
    body: _Body


class _Happening(msgspec.Struct):
    """One event of the week, with ids of the example's own."""

    kind: type[EventData]
    at: datetime
    #: The citizen of the example.
    citizen: str
    #: The number of the appointment, where it is about one.
    appointment: str = ""
    fields: dict[str, object] = {}


def _happenings() -> list[_Happening]:
    """What referral publishes in the week, in its order."""
    records = citizen_records()
    found: list[_Happening] = []
    for cpr, record in records.items():
        found += [
            _Happening(CitizenRecorded, BEGINS, cpr, fields=record),
            _Happening(ConsentGiven, BEGINS, cpr),
        ]
    known: set[str] = set()
    for line in (EXAMPLE / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        delivery = msgspec.json.decode(line, type=_Delivery)
        if delivery.expect != "kept":
            continue
        top = msgspec.json.decode(delivery.body, type=_Appointment)
        for appointment in [entry.resource for entry in top.entry] or [top]:
            happening = _of(appointment, delivery.at, known)
            if happening.citizen in records:
                found.append(happening)
    return found


def citizen_records() -> dict[str, dict[str, object]]:
    """What helpers must know of each citizen of the example, by a name of the citizen's."""
    made = msgspec.json.decode((EXAMPLE / "referrals.json").read_bytes(), type=list[_Referral])
    return {one.body.citizen.cpr: one.body.needs for one in made}


def _of(appointment: _Appointment, at: datetime, known: set[str]) -> _Happening:
    actors = {one.actor.type: one.actor.identifier.value for one in appointment.participant}
    key, citizen = appointment.identifier[0].value, actors["Patient"]
    if (reason := _ENDINGS.get(appointment.status)) is not None:
        return _Happening(NeedClosed, at, citizen, key, {"reason": reason})
    kind: type[EventData] = NeedChanged if key in known else NeedOpened
    known.add(key)
    fields: dict[str, object] = {
        "starts_at": appointment.start,
        "ends_at": appointment.end,
        "location_id": actors["Location"],
    }
    return _Happening(kind, at, citizen, key, fields)


def events(
    number: int, seed: int, departments: Sequence[str] = ("randers-norddjurs",)
) -> Iterator[tuple[str, bytes]]:
    """Key and value of at least `number` events: the whole week so often, copy beside copy, in the
    order of the week, each copy in one of the `departments` in turn.
    """
    week = _happenings()
    copies = -(-number // len(week))
    random = Random(seed)
    sequences: Counter[str] = Counter()
    for place, happening in enumerate(week):
        for copy in range(copies):
            of_copy = f"{seed} {copy}"
            data = _data(happening, of_copy, departments[copy % len(departments)])
            subject = subject_of(data)
            sequences[subject] += 1
            event_id = derived_id("bench", of_copy, "event", str(place))
            yield (
                subject,
                encode(event(random, data, subject, happening.at, sequences[subject], event_id)),
            )


def _data(happening: _Happening, of_copy: str, department: str) -> EventData:
    ids = {
        "referral_id": derived_id("bench", of_copy, "referral", happening.citizen),
        "citizen_id": derived_id("bench", of_copy, "citizen", happening.citizen),
    }
    need_id = derived_id("bench", of_copy, "need", happening.appointment)
    about = {"need_id": need_id, "about_kind": "appointment", "about_id": need_id}
    values = happening.fields | ids
    if happening.kind in (NeedOpened, NeedChanged):
        values |= about | need_fields(department)
    elif happening.kind is NeedClosed:
        values |= about
    return msgspec.convert(values, happening.kind)


def need_fields(department: str) -> dict[str, object]:
    """What all needs of the mix have in common."""
    return {
        "pathway": "escort",
        "policy_version": load_pathway("escort").version,
        "department": department,
        "mode": "in_person",
        "priority": 5,
        "competences": [],
    }


def subject_of(data: EventData) -> str:
    """The key of the event."""
    subject: str = getattr(data, cast("Any", data).SUBJECT)
    return subject


def event(
    random: Random, data: EventData, subject: str, at: datetime, sequence: int, event_id: str
) -> Event:
    """As referral publishes it."""
    return Event(
        id=event_id,
        source="referral",
        type=data.EVENT_TYPE,
        subject=subject,
        time=at,
        dataschema=data.DATASCHEMA,
        correlationid=event_id,
        sequence=sequence,
        traceparent=f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        data=encode_data(data),
    )


def volunteers() -> list[dict[str, object]]:
    """The example's volunteers, as they are registered."""
    listed: list[dict[str, object]] = json.loads(
        (EXAMPLE / "volunteers.json").read_text(encoding="utf-8")
    )
    return listed
