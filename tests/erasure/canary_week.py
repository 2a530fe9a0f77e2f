"""Two citizens and a helper whose every value is known, and a day on which all is done with them.

One is escorted. The other's mails are refused by the mail server, which says whose they were. The
hospital sends broken records about them, and people write their names and numbers where they do
not belong.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.free_ports import free_port
from brobyg_local.canaries import Canary
from brobyg_local.demo.access import SystemAccess, http_client
from brobyg_local.demo.erasure import canaries_of
from brobyg_local.demo.registration import register_volunteer
from brobyg_local.demo.week import HospitalMessage, PlayedVolunteer, Referral, Week, load
from brobyg_local.mail import MailFolder

from tests.e2e.small_week import EXAMPLE, MONDAY, YES

DEPARTMENT = "randers-norddjurs"
#: Official test persons. No subscriber's number begins with 1.
ESCORTED: dict[str, Any] = {
    "cpr": "2311143995",
    "given_name": "Cæsar Test",
    "family_name": "Østergård",
    "language": "da",
    "email": "caesar.oestergaard@citizen.example",
    "phone": "+4510847392",
    "address": {"line": "Østertestgade 47, 2. tv", "postcode": "8930"},
}
UNREACHABLE: dict[str, Any] = {
    "cpr": "0506889996",
    "given_name": "Sille June Test",
    "family_name": "Mosebrygersen",
    "language": "da",
    "email": "sille.mosebrygersen@citizen.example",
    "phone": "+4510765938",
    "address": {"line": "Mosetestvej 113", "postcode": "8920"},
}
CITIZENS = {"K-1": ESCORTED, "K-2": UNREACHABLE}
HELPER = {
    "name": "Ragnfred Test Thunbo",
    "email": "ragnfred.thunbo@volunteer.example",
    "phone": "+4510938475",
    "home_postcode": "8981",
}
#: Hours of the day in which it is played: the first message, the appointments, the end.
FIRST, STARTS, ENDS = timedelta(hours=5), timedelta(hours=15), timedelta(hours=16.5)


def next_day(now: datetime) -> datetime:
    """The midnight of the next day of which nothing is missed."""
    today = now.astimezone(LOCAL_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return today if now < today + FIRST - timedelta(hours=1) else today + timedelta(days=1)


def canary_week(day: datetime = MONDAY) -> Week:
    """Two appointments at one time of the day, so that both volunteers go."""
    messages = [
        message
        for number, citizen in CITIZENS.items()
        for message in (
            _told(number, citizen["cpr"], day, FIRST, "booked"),
            _told(number, citizen["cpr"], day, timedelta(hours=16), "fulfilled"),
            _broken(number, citizen, day, timedelta(hours=6)),
        )
    ]
    return Week(
        tuple(sorted(messages, key=lambda one: one.at)),
        tuple(_referral(number, citizen) for number, citizen in CITIZENS.items()),
        tuple(_volunteers()),
    )


def _referral(number: str, citizen: dict[str, Any]) -> Referral:
    needs = {
        "languages": ["da"],
        "gender_wish": None,
        "mobility": "independent",
        "meeting": "home",
        "postcode": citizen["address"]["postcode"],
    }
    body = {
        "citizen": citizen,
        "pathway": "escort",
        "referrer_kind": "gp",
        "department": DEPARTMENT,
        "consent": {"given": True, "given_at": "2026-11-23T10:00:00+01:00"},
        "needs": needs,
    }
    # A key that somebody made of the number, as a careless programme would.
    key = f"{citizen['cpr']}-{number}"
    raw = msgspec.Raw(msgspec.json.encode(body))
    return Referral(organisation="gp-4411", idempotency_key=key, body=raw)


def _volunteers() -> Iterator[PlayedVolunteer]:
    example = [one for one in load(EXAMPLE).volunteers if one.key in {"v01", "v02"}]
    for one, told in zip(example, (HELPER, {}), strict=True):
        registration = msgspec.json.decode(one.registration, type=dict[str, Any]) | told
        everyday = [{"weekday": day, "from": "06:00", "to": "20:00"} for day in range(1, 8)]
        raw = msgspec.Raw(msgspec.json.encode(registration | {"availability": everyday}))
        yield msgspec.structs.replace(one, registration=raw, habit=YES)


def _told(number: str, cpr: str, day: datetime, after: timedelta, status: str) -> HospitalMessage:
    at = day + after
    body = _appointment(number, cpr, day, status, at.isoformat())
    return _message(number, at, body, "kept")


def _broken(
    number: str, citizen: dict[str, Any], day: datetime, after: timedelta
) -> HospitalMessage:
    """A record that says who it is about wherever it can, and is refused."""
    name = f"{citizen['given_name']} {citizen['family_name']}"
    body = _appointment(f"{number}-{citizen['cpr']}", citizen["cpr"], day, name, name)
    body |= {"description": name, "comment": citizen["email"], citizen["cpr"]: name}
    return _message(f"{number}-broken", day + after, body, "rejected")


def _message(number: str, at: datetime, body: object, expect: Any) -> HospitalMessage:
    over_kafka = number.startswith("K-2")
    search = f"/fhir/Appointment?identifier=https://hospital.example/appointments|{number}"
    return HospitalMessage(
        at=at,
        channel="kafka" if over_kafka else "fhir",
        organisation=None if over_kafka else "hospital-randers",
        keys=(number,),
        method=None if over_kafka else "PUT",
        path="hospital.appointment.v1" if over_kafka else search,
        body=msgspec.Raw(msgspec.json.encode(body)),
        expect=expect,
        note=number,
    )


def _appointment(number: str, cpr: str, day: datetime, status: str, updated: str) -> dict[str, Any]:
    start = day + STARTS

    def participant(kind: str, system: str, value: str) -> dict[str, Any]:
        identifier = {"system": system, "value": value}
        return {"actor": {"type": kind, "identifier": identifier}, "status": "accepted"}

    return {
        "resourceType": "Appointment",
        "meta": {"lastUpdated": updated},
        "identifier": [{"system": "https://hospital.example/appointments", "value": number}],
        "status": status,
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "participant": [
            participant("Patient", "urn:oid:1.2.208.176.1.2", cpr),
            participant("Location", "https://brobyg.dk/locations", "randers-hospital"),
        ],
    }


async def write_it_everywhere(access: SystemAccess) -> list[int]:
    """Requests with names and numbers in places where they do not belong; how each was answered."""
    answers = []
    referrer = access.sign_in("referrer", organisation="gp-4411")
    async with httpx2.AsyncClient(timeout=10.0, trust_env=False, follow_redirects=True) as http:
        for citizen in CITIZENS.values():
            name, cpr = f"{citizen['given_name']} {citizen['family_name']}", citizen["cpr"]
            url, matching = access.url("referral"), access.url("matching")
            wrong = {"citizen": {"cpr": name, cpr: name}, "department": name, name: cpr}
            told = referrer | {
                "X-Correlation-Id": cpr,
                "X-Request-Id": cpr,
                "User-Agent": citizen["email"],
            }
            coordinator = access.sign_in("coordinator", department=DEPARTMENT)
            requests = (
                http.post(f"{url}/referrals", headers=told, json=wrong),
                http.post(f"{url}/referrals", headers=told, content=f'{{"{name}'.encode()),
                http.get(f"{url}/referrals/{cpr}", headers=told),
                http.get(f"{url}/citizens/{uuid.uuid4()}/contact?purpose={cpr}", headers=told),
                http.delete(f"{url}/citizens/{cpr}?reason={name}", headers=coordinator),
                http.get(f"{url}/{cpr}/{name}"),
                http.post(f"{matching}/volunteers", headers=coordinator, json=wrong),
                http.get(f"{access.url('portal')}/answer/{cpr}.{name}"),
                http.get(f"{access.url('reporting')}/referrals/{cpr}/timeline", headers=told),
                http.get(f"{access.url('notification')}/notifications?state={cpr}", headers=told),
            )
            answers += [(await request).status_code for request in requests]
    return answers


async def registered(access: SystemAccess, week: Week) -> tuple[list[Canary], Canary]:
    """The canaries: the citizens, and the first helper, who may have met either of them."""
    citizens = await canaries_of(access, week, week.referrals)
    helper = week.volunteers[0]
    async with http_client() as http:
        made = await register_volunteer(http, access, helper)
    registration = msgspec.json.decode(helper.registration)
    met = [one.mailbox for one in citizens if helper.known.email in one.readers]
    return citizens, Canary.of_helper(registration, made["helper_id"], met)


class _PickyMailServer(MailFolder):
    """Refuses one reader, and says whom, as mail servers do."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """See aiosmtpd."""
        if address == UNREACHABLE["email"]:
            return f"550 5.1.1 <{address}> ({UNREACHABLE['given_name'].split()[0]}) is unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@contextmanager
def mail_server(folder: Path) -> Iterator[str]:
    """Its address; the mails that it takes are in the folder."""
    port = free_port()
    server = Controller(_PickyMailServer(folder), hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        server.stop()
