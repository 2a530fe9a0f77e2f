"""One referral from its creation to a completed need with a helper, as events."""

from datetime import timedelta
from random import Random

import msgspec
from brobyg_contracts import EVENTS, EventData
from brobyg_kit.event import Event, encode
from brobyg_kit.testing import Running
from brobyg_reporting.adapters.versions import within
from brobyg_reporting.domain.log import read_logged
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.testing import START, event_of, new_uuid
from brobyg_reporting.use_cases.live import log_and_fold

REFERRAL, OTHER, APPOINTMENT, OFFER, HELPER, SECOND, THIRD, ITEM = (
    f"0190f000-0000-7000-8000-00000000000{n}" for n in range(1, 9)
)
#: The need has the appointment's id.
NEED = APPOINTMENT
DEPARTMENT, FORMER, ELSEWHERE = "randers-norddjurs", "randers", "aarhus"
STARTS_AT = START + timedelta(days=2, hours=9)


def facts(referral_id: str = REFERRAL, department: str = DEPARTMENT) -> dict[str, object]:
    """All that the story's events say, by property."""
    random = Random(referral_id)
    need = NEED if referral_id == REFERRAL else new_uuid(random)
    return {
        "referral_id": referral_id,
        "citizen_id": new_uuid(random),
        "appointment_id": need,
        "need_id": need,
        "about_kind": "appointment",
        "about_id": need,
        "helper_id": HELPER,
        "offer_id": OFFER,
        "match_id": OFFER,
        "pathway": "escort",
        "policy_version": 1,
        "department": department,
        "departments": [department],
        "municipality_code": "0730",
        "referrer_kind": "gp",
        "mode": "in_person",
        "priority": 5,
        "competences": [],
        "starts_at": STARTS_AT,
        "ends_at": STARTS_AT + timedelta(hours=1),
        "location_id": "randers-hospital",
        "seat": 1,
        "role": "companion",
        "round": 1,
        "wave": 1,
        "rank": 1,
        "known_to_citizen": False,
        "expires_at": STARTS_AT,
        "pool": "student",
        "pools": ["student"],
        "way": "offer",
        "crew_complete": True,
        "outcome": "asked",
        "could": 3,
        "asked": 1,
        "considered": [
            {"helper_id": HELPER, "points": {"known": 210, "fair": 300}, "rank": 1},
            {"helper_id": SECOND, "points": {}},
        ],
        "excluded": [{"rule": "availability", "count": 4, "helpers": [THIRD]}],
        "attention_id": ITEM,
        "kind": "nobody_found",
        "urgency": "today",
        "reasons": ["availability"],
        "due_at": STARTS_AT - timedelta(days=1),
        "actor": "coordinator-1",
    }


def told(name: str, minutes: int, given: dict[str, object], source: str | None = None) -> Event:
    """The event of this type at so many minutes after the start."""
    kind: type[EventData] = EVENTS[f"dk.brobyg.{name}"]
    known = given | {"reason": given.get("reason", "completed")}
    known |= {"excluded": {}} if name == "match.escalated" else {}
    if name == "need.decided" and "actor_role" not in known:
        del known["actor"]
    data = msgspec.convert(known, kind)
    subject, time = str(known[kind.SUBJECT]), START + timedelta(minutes=minutes)
    return event_of(Random(f"{name} {minutes} {subject}"), data, subject, minutes, time, source)


_STORY = [
    ("helper.registered", 0),
    ("referral.created", 0),
    ("consent.given", 0),
    ("appointment.booked", 60),
    ("need.opened", 60),
    ("need.decided", 61),
    ("offer.made", 61),
    ("offer.accepted", 180),
    ("volunteer.matched", 180),
    ("appointment.completed", 4000),
    ("need.closed", 4000),
]


def story(referral_id: str = REFERRAL, department: str = DEPARTMENT) -> list[Event]:
    """From the referral to a completed need with a helper, two hours after it was opened."""
    given = facts(referral_id, department)
    return [told(name, minutes, given) for name, minutes in _STORY]


async def keep(running: Running, events: list[Event]) -> None:
    """Write the events to the live version, as if read from their topics."""
    database = running.runtime.database
    assert database is not None
    placed = [
        one
        for number, event in enumerate(events)
        for one in read_logged(f"brobyg.{event.source}.v1", 0, number, encode(event))
    ]
    async with database.transaction() as tx:
        await log_and_fold(within(tx).version(1), placed, PROJECTIONS)
