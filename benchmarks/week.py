"""The demo's mix as matching hears it: what referral makes of the hospital's week under
`examples/`, many times over with other ids.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ConsentGiven,
    Needs,
    ReferralCreated,
)
from brobyg_kit.event import Event, EventData, encode, encode_data
from brobyg_kit.ids import derived_id

EXAMPLE = Path(__file__).parents[1] / "examples" / "hospital-week"
BEGINS = datetime.fromisoformat("2026-11-30T00:00:00+01:00")
_MUNICIPALITIES = {"randers": "0730", "norddjurs": "0707"}
_ENDINGS: dict[str, type[EventData]] = {
    "cancelled": AppointmentCancelled,
    "fulfilled": AppointmentCompleted,
    "noshow": AppointmentMissed,
}


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
    pathway: str
    referrer_kind: str
    department: str
    needs: Needs


class _Referral(msgspec.Struct):
    body: _Body


class _Happening(msgspec.Struct):
    """One event of the week, with ids of the example's own."""

    kind: type[EventData]
    at: datetime
    referral: str
    fields: dict[str, object]


def _happenings() -> list[_Happening]:
    """What referral publishes in the week, in its order."""
    made = msgspec.json.decode((EXAMPLE / "referrals.json").read_bytes(), type=list[_Referral])
    bodies = {one.body.citizen.cpr: one.body for one in made}
    found: list[_Happening] = []
    for cpr, body in bodies.items():
        fields: dict[str, object] = {
            "pathway": body.pathway,
            "department": body.department,
            "municipality_code": _MUNICIPALITIES[body.department],
            "referrer_kind": body.referrer_kind,
            "needs": msgspec.to_builtins(body.needs),
        }
        found += [
            _Happening(ReferralCreated, BEGINS, cpr, fields),
            _Happening(ConsentGiven, BEGINS, cpr, {}),
        ]
    known: set[str] = set()
    for line in (EXAMPLE / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        delivery = msgspec.json.decode(line, type=_Delivery)
        if delivery.expect != "kept":
            continue
        top = msgspec.json.decode(delivery.body, type=_Appointment)
        for appointment in [entry.resource for entry in top.entry] or [top]:
            if (
                happening := _of(appointment, delivery.at, known)
            ) is not None and happening.referral in bodies:
                found.append(happening)
    return found


def _of(appointment: _Appointment, at: datetime, known: set[str]) -> _Happening | None:
    actors = {one.actor.type: one.actor.identifier.value for one in appointment.participant}
    key = appointment.identifier[0].value
    ending = _ENDINGS.get(appointment.status)
    fields: dict[str, object] = {"appointment_id": key}
    if ending is None:
        kind: type[EventData] = AppointmentRescheduled if key in known else AppointmentBooked
        known.add(key)
        fields |= {
            "starts_at": appointment.start,
            "ends_at": appointment.end,
            "location_id": actors["Location"],
        }
        return _Happening(kind, at, actors["Patient"], fields)
    if ending is AppointmentCompleted:
        fields |= {"starts_at": appointment.start, "ends_at": appointment.end}
    return _Happening(ending, at, actors["Patient"], fields)


def events(number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Key and value of at least `number` events: the whole week so often, copy beside copy, in the
    order of the week.
    """
    week = _happenings()
    copies = -(-number // len(week))
    random = Random(seed)
    sequences: dict[str, int] = {}
    for place, happening in enumerate(week):
        for copy in range(copies):
            subject = _id(seed, copy, "referral", happening.referral)
            sequences[subject] = sequences.get(subject, 0) + 1
            yield subject, encode(_event(random, happening, place, sequences[subject], seed, copy))


def _event(
    random: Random, happening: _Happening, place: int, sequence: int, seed: int, copy: int
) -> Event:
    subject = _id(seed, copy, "referral", happening.referral)
    ids: dict[str, object] = {
        "referral_id": subject,
        "citizen_id": _id(seed, copy, "citizen", happening.referral),
    }
    if "appointment_id" in happening.fields:
        ids["appointment_id"] = _id(
            seed, copy, "appointment", str(happening.fields["appointment_id"])
        )
    event_id = _id(seed, copy, "event", str(place))
    return Event(
        id=event_id,
        source="referral",
        type=happening.kind.EVENT_TYPE,
        subject=subject,
        time=happening.at,
        dataschema=happening.kind.DATASCHEMA,
        correlationid=event_id,
        sequence=sequence,
        traceparent=f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        data=encode_data(msgspec.convert(happening.fields | ids, happening.kind)),
    )


def _id(seed: int, copy: int, what: str, name: str) -> str:
    return derived_id("bench", str(seed), str(copy), what, name)


def volunteers() -> list[dict[str, object]]:
    """The example's volunteers, as they are registered."""
    listed: list[dict[str, object]] = json.loads(
        (EXAMPLE / "volunteers.json").read_text(encoding="utf-8")
    )
    return listed
