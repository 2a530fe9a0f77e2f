"""A small week for tests: an appointment for each thing that can happen, with the example's people.

Each appointment has a start of its own, by which it is recognised in the event history: that knows
no hospital's numbers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from brobyg_local.demo.week import (
    Habit,
    HospitalMessage,
    PlayedVolunteer,
    Referral,
    Week,
    load,
)

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "hospital-week"
MONDAY = datetime.fromisoformat("2026-11-30T00:00:00+01:00")
ENDS = MONDAY + timedelta(days=2, hours=16, minutes=30)
WITHOUT_REFERRAL = "0505109990"
SOMALI_AND_A_WOMAN = "2103009996"
#: Lives in Grenaa, where all volunteers of the small week say no.
GRENAA = "0107729995"
VOLUNTEERS_OF_GRENAA = {"v25", "v26", "v32", "v39"}
YES, NO = Habit(1.0, 0.0, (10, 60)), Habit(0.0, 1.0, (10, 60))


@dataclass(frozen=True)
class Case:
    """One appointment: who, by HTTP or Kafka, and (when, status, start) of each message."""

    name: str
    cpr: str
    steps: tuple[tuple[datetime, str, datetime], ...]
    channel: str = "fhir"
    location: str = "randers-hospital"
    expect: str = "kept"
    #: What the search for a volunteer ends with: matched, released, escalated, or nobody where none
    #: is made.
    company: str = "matched"
    #: Whether the citizen has an e-mail address; else the coordinator is asked to phone.
    reachable: bool = True
    #: The thing that needs a human, by its kind, or nothing.
    attention: str = "nothing"
    #: The case before which the hospital sends none of this one's messages, also after an outage.
    after: str = ""

    @property
    def start(self) -> datetime:
        """Its start in the end."""
        return self.steps[-1][2]


def at(day: int, hour: float) -> datetime:
    """A moment of the week: day 0 is Monday, local time."""
    return MONDAY + timedelta(days=day, hours=hour)


def _plain(name: str, cpr: str, start: datetime, *, end: str = "fulfilled", **more: Any) -> Case:
    booked = at(0, 4 + (start - at(2, 0)) / timedelta(hours=10))
    ended = start + timedelta(hours=1)
    return Case(name, cpr, ((booked, "booked", start), (ended, end, start)), **more)


def _later(name: str, cpr: str, start: datetime, **more: Any) -> Case:
    """Booked when all of `_plain` are."""
    ended = start + timedelta(hours=1)
    return Case(name, cpr, ((at(0, 8), "booked", start), (ended, "fulfilled", start)), **more)


def _without_a_referral(name: str, start: datetime, *, channel: str = "fhir") -> Case:
    return _plain(
        name, WITHOUT_REFERRAL, start, channel=channel, expect="dropped", company="nobody"
    )


CASES = (
    _plain("company", "0201609995", at(2, 9)),
    _plain("company again", "0201609996", at(2, 10)),
    _plain("company over Kafka", "0504909995", at(2, 10.25), channel="kafka"),
    _plain("Kafka again", "0504909989", at(2, 11), channel="kafka"),
    _plain("no-show", "0201919990", at(2, 11.25), end="noshow"),
    _plain("another", "0108589995", at(2, 12), reachable=False, attention="mail_refused"),
    Case(
        "cancelled",
        "0201919995",
        ((at(0, 5), "booked", at(2, 12.25)), (at(1, 6), "cancelled", at(2, 12.25))),
        company="released",
    ),
    Case(
        "moved",
        "0108629996",
        (
            (at(0, 5), "booked", at(2, 9.5)),
            (at(1, 0), "booked", at(2, 14.5)),
            (at(2, 15.5), "fulfilled", at(2, 14.5)),
        ),
    ),
    Case(
        "moved over Kafka",
        "0104909989",
        (
            (at(0, 5.5), "booked", at(2, 13)),
            (at(1, 1), "booked", at(2, 14.75)),
            (at(2, 15.75), "fulfilled", at(2, 14.75)),
        ),
        channel="kafka",
    ),
    _plain("first of a way", "0104909995", at(2, 10.5)),
    _later("second of the way", "0104909995", at(2, 11.5)),
    _later(
        "in two houses at once",
        "0201609996",
        at(2, 10.4),
        location="randers-health-centre",
        company="escalated",
        attention="clash",
        after="company again",
    ),
    _plain(
        "nobody can",
        SOMALI_AND_A_WOMAN,
        at(2, 12.5),
        company="escalated",
        attention="nobody_found",
    ),
    Case(
        "everybody says no",
        GRENAA,
        ((at(0, 6), "booked", at(2, 13.25)), (at(2, 14.25), "fulfilled", at(2, 13.25))),
        location="grenaa-health-house",
        company="escalated",
        attention="nobody_found",
    ),
    Case(
        "too late",
        "1502799995",
        ((at(2, 8), "booked", at(2, 9.25)), (at(2, 10), "fulfilled", at(2, 9.25))),
        company="escalated",
        attention="nobody_found",
    ),
    _without_a_referral("without a referral", at(2, 14)),
    _without_a_referral("without a referral over Kafka", at(2, 15), channel="kafka"),
)


def by_name(name: str) -> Case:
    """The case of this name. Raises StopIteration when there is none."""
    return next(case for case in CASES if case.name == name)


def _number(case: Case) -> str:
    """The hospital's number of the appointment."""
    return f"S-{CASES.index(case) + 1:02d}"


def _body(
    number: str, case: Case, status: str, start: datetime, updated: datetime
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "Appointment",
        "meta": {"lastUpdated": updated.isoformat(timespec="milliseconds")},
        "identifier": [{"system": "https://hospital.example/appointments", "value": number}],
        "status": status,
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "participant": [
            _participant("Patient", "urn:oid:1.2.208.176.1.2", case.cpr),
            _participant("Location", "https://brobyg.dk/locations", case.location),
        ],
    }
    if status == "cancelled":
        body["cancelationReason"] = {"text": "moved to another hospital"}
    return body


def _participant(kind: str, system: str, value: str) -> dict[str, Any]:
    return {
        "actor": {"type": kind, "identifier": {"system": system, "value": value}},
        "status": "accepted",
    }


def _message(
    number: str, case: Case, moment: datetime, body: object, *, first: bool, expect: str, note: str
) -> HospitalMessage:
    search = f"/fhir/Appointment?identifier=https://hospital.example/appointments|{number}"
    path, method = ("/fhir/Appointment", "POST") if first else (search, "PUT")
    over_kafka = case.channel == "kafka"
    organisation = "hospital-grenaa" if case.location.startswith("grenaa") else "hospital-randers"
    return HospitalMessage(
        at=moment,
        channel="kafka" if over_kafka else "fhir",
        organisation=None if over_kafka else organisation,
        keys=(number, *(_number(one) for one in CASES if one.name == case.after)),
        method=None if over_kafka else method,
        path="hospital.appointment.v1" if over_kafka else path,
        body=msgspec.Raw(msgspec.json.encode(body)),
        expect=msgspec.convert(expect, Any),
        note=note,
    )


def _messages() -> list[HospitalMessage]:
    made = []
    for case in CASES:
        number = _number(case)
        for step, (moment, status, start) in enumerate(case.steps):
            body = _body(number, case, status, start, moment)
            made.append(
                _message(
                    number, case, moment, body, first=step == 0, expect=case.expect, note=case.name
                )
            )
    return made + _odd_ones()


def _odd_ones() -> list[HospitalMessage]:
    """A repeat, a late one and two broken ones."""
    moved, company = by_name("moved"), by_name("company")
    moved_number, company_number = _number(moved), _number(company)
    booked_at, _, start = company.steps[0]
    repeat = _body(company_number, company, "booked", start, booked_at)
    late = _body(moved_number, moved, "booked", at(2, 15.5), at(0, 20))
    bogus = _body("S-90", company, "bogus", at(3, 8), at(0, 7))
    return [
        _message(
            company_number,
            company,
            at(0, 9),
            repeat,
            first=True,
            expect="repeat",
            note="sent again",
        ),
        _message(
            moved_number,
            moved,
            at(1, 3),
            late,
            first=False,
            expect="stale",
            note="older than the move",
        ),
        _message(
            "S-90", company, at(0, 7), bogus, first=False, expect="rejected", note="unknown status"
        ),
        _message(
            "S-91",
            by_name("Kafka again"),
            at(0, 7),
            "{no JSON",
            first=True,
            expect="rejected",
            note="not JSON",
        ),
    ]


def small_week() -> Week:
    """The small week: volunteers of Randers say yes, those of Grenaa say no."""
    example = load(EXAMPLE)
    wanted = {case.cpr for case in CASES}
    referrals = tuple(referral for referral in example.referrals if _cpr(referral) in wanted)
    volunteers = [_with_habit(one) for one in example.volunteers if one.key in VOLUNTEERS]
    messages = sorted(_messages(), key=lambda message: message.at)
    return Week(tuple(messages), referrals, tuple(volunteers))


VOLUNTEERS = {
    f"v{number:02d}" for number in (1, 2, 3, 5, 6, 7, 9, 10, 12, 16, 17, 19, 22, 23, 25, 26, 32, 39)
}


def _with_habit(volunteer: PlayedVolunteer) -> PlayedVolunteer:
    habit = NO if volunteer.key in VOLUNTEERS_OF_GRENAA else YES
    return msgspec.structs.replace(volunteer, habit=habit)


def _cpr(referral: Referral) -> str:
    body = msgspec.json.decode(referral.body, type=dict[str, Any])
    return str(body["citizen"]["cpr"])


def personal(week: Week) -> set[str]:
    """What must be found nowhere outside its owner: CPR numbers, names and addresses."""
    found: set[str] = set()
    for referral in week.referrals:
        citizen = msgspec.json.decode(referral.body, type=dict[str, Any])["citizen"]
        full_name = f"{citizen['given_name']} {citizen['family_name']}"
        found |= {citizen["cpr"], full_name, citizen["given_name"], citizen.get("email", "")}
    for volunteer in week.volunteers:
        body = msgspec.json.decode(volunteer.registration, type=dict[str, Any])
        found |= {body["name"], body["email"]}
    return found - {""}
