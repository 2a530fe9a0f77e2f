"""Two pathways that TOML files alone declare, and a department that comes while all runs.

On the whole system, through the doors that people use. Toy session: two roles, three seats, a least
crew, a room, asking in turn. Toy caseload: a caseload, assigned, a waiting list, claims.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.event import Event
from brobyg_kit.testing import eventually
from brobyg_local.demo.access import SystemAccess, http_client
from brobyg_local.demo.history import read_events
from brobyg_local.services import BROBYG
from brobyg_local.supervisor import without_settings
from brobyg_local.system import PROVIDER_SETTING, System

from tests.e2e.run import own_system
from tests.e2e.small_week import ROOT

pytestmark = pytest.mark.timeout(400)

TOYTOWN = "toytown"
#: Long enough for a machine that is busy with other tests.
PATIENCE = 60.0
WEEKDAYS = [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)]
#: The citizen agrees to messages.
MESSAGES = {
    "scope": "contact",
    "given_at": "2026-11-23T10:00:00+01:00",
    "text_id": "messages",
    "text_version": 1,
    "how": "oral",
}
PAPERS = {
    "confidentiality_signed_on": "2026-09-01",
    "record_checked_on": "2026-09-08",
    "introduced_on": "2026-09-15",
}
POOLS = """pools:
  - {id: toy_guide, label: Guider, organisation: toy-house, employed: false, capacity: span}
  - {id: toy_host, label: Værter, organisation: toy-house, employed: true, capacity: span}
  - id: navigator
    label: Navigatører
    organisation: toy-house
    employed: true
    capacity: caseload
    limit: 1
"""
ORGANISATIONS = """organisations:
  - {id: toy-house, label: Legehuset}
"""
DEPARTMENTS = """departments:
  - id: toytown
    label: Viborg
    municipalities: ["0791"]
    pools: [student, toy_guide, toy_host, navigator]
    pathways: [escort, toy_session, toy_caseload]
    senders: [hospital-randers]
    languages: [da]
    quiet_from: "21:00"
    quiet_to: "08:00"
    zone: Europe/Copenhagen
"""
PLACES = """places:
  - id: toy-house
    label: Legehuset
    postcode: "8800"
    latitude: 56.45
    longitude: 9.4
    municipality_code: "0791"
    resources: [{resource_id: toy-room, kind: video_room, label: Rummet}]
"""


@dataclass
class Town:
    """The system with the toys' reference data, and what people do in it."""

    system: System
    access: SystemAccess
    helpers: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def coordinator(self) -> dict[str, str]:
        """Signed in for the new department."""
        return self.access.sign_in("coordinator", organisation=TOYTOWN, department=TOYTOWN)

    def helper(self, name: str) -> dict[str, str]:
        """Signed in as this helper."""
        return self.access.sign_in("volunteer", subject=self.helpers[name])

    async def call(
        self,
        method: str,
        service: str,
        path: str,
        headers: dict[str, str],
        body: object = None,
        expect: int = 200,
    ) -> Any:
        """The answer's JSON, which must have this status."""
        async with http_client() as http:
            url = self.access.url(service) + path
            answer = await http.request(method, url, headers=headers, json=body)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text[:400]}"
        return answer.json() if answer.content else None

    async def registers(self, name: str, pool: str, **more: object) -> None:
        """A helper of the new department, active."""
        self.number += 1
        body = {
            "name": f"{name} Test",
            "email": f"{self.number}@volunteer.example",
            "language": "da",
            "pool": pool,
            "department": TOYTOWN,
            "languages": ["da"],
            "gender": "female",
            "competences": [],
            "home_postcode": "8800",
            "range_metres": 50_000,
            "travel": "car",
            "availability": WEEKDAYS,
            "weekly_limit": 20,
        } | more
        made = await self.call("POST", "matching", "/volunteers", self.coordinator, body, 201)
        self.helpers[name] = made["helper_id"]
        path = f"/volunteers/{made['helper_id']}/activate"
        await self.call("POST", "matching", path, self.coordinator, PAPERS)

    async def refers(self, cpr: str, pathway: str, language: str = "da") -> str:
        """A consented referral; the department is that of the postcode."""
        headers = self.access.sign_in("referrer", organisation="gp-4411")
        body = {
            "citizen": {
                "cpr": cpr,
                "given_name": "Test",
                "family_name": "Test",
                "language": "da",
                "email": f"{cpr[:6]}@citizen.example",
            },
            "pathway": pathway,
            "referrer_kind": "gp",
            "consent": {"given": True, "given_at": "2026-11-23T10:00:00+01:00"},
            "needs": {
                "languages": [language],
                "gender_wish": None,
                "mobility": "independent",
                "meeting": "at_location",
                "postcode": "8800",
            },
            "consents": [MESSAGES],
        }
        made = await self.call("POST", "referral", "/referrals", headers, body, 201)
        assert made["department"] == TOYTOWN
        referral_id: str = made["referral_id"]
        return referral_id

    async def need(self, need_id: str) -> dict[str, Any]:
        """As the coordinator sees it; nothing while matching has not heard of it."""
        async with http_client() as http:
            url = f"{self.access.url('matching')}/needs/{need_id}"
            answer = await http.get(url, headers=self.coordinator)
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    async def when(
        self, need_id: str, what: str, true: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """The need, as soon as it is so."""
        found: dict[str, Any] = {}

        async def so() -> bool:
            nonlocal found
            found = await self.need(need_id)
            return bool(found) and true(found)

        try:
            await eventually(so, what, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(found)[:2000]}") from error
        return found

    async def answers(self, need_id: str, choose: Callable[[str], str]) -> None:
        """Each helper who is asked answers as `choose` says of their name, once."""
        names = {helper_id: name for name, helper_id in self.helpers.items()}
        for offer in open_offers(await self.need(need_id)):
            name = names[offer["helper_id"]]
            path = f"/offers/{offer['offer_id']}/{choose(name)}"
            await self.call("POST", "matching", path, self.helper(name))


def open_offers(need: dict[str, Any]) -> list[dict[str, Any]]:
    return [offer for offer in need.get("offers", ()) if offer["state"] == "open"]


def states(need: dict[str, Any]) -> list[str]:
    return [seat["state"] for seat in need["seats"]]


def apply_reference(environment: dict[str, str], folder: Path) -> dict[str, Any]:
    """`brobyg reference apply`, as an operator does it."""
    done = subprocess.run(
        [BROBYG, "reference", "apply", str(folder), "--json"],
        env={**without_settings(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    applied: dict[str, Any] = json.loads(done.stdout)
    return applied


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The whole system with the toys' policies; the town comes while all runs."""
    system = own_system(ROOT / "var" / "test-toys", lambda _: None)
    folder = Path(
        shutil.copytree(
            ROOT / "schemas" / "reference", tmp_path_factory.mktemp("toys") / "reference"
        )
    )
    for file, more in (
        ("organisations.yaml", ORGANISATIONS),
        ("pools.yaml", POOLS),
        ("departments.yaml", DEPARTMENTS),
        ("places.yaml", PLACES),
    ):
        path, heading = folder / file, more.partition("\n")[0] + "\n"
        assert heading in path.read_text()
        path.write_text(path.read_text().replace(heading, more, 1))
    try:
        system.reset()
        environment = system.up(
            {"BROBYG_PATHWAYS": str(ROOT / "tests" / "pathways"), PROVIDER_SETTING: ""}
        )
        applied = apply_reference(environment, folder)
        assert "place/toy-house" in applied["added"]
        yield Town(system, SystemAccess(environment, system.folder.mail))
    finally:
        system.down()


def at_ten(days: int) -> datetime:
    day = datetime.now(LOCAL_ZONE) + timedelta(days=days)
    return day.replace(hour=10, minute=0, second=0, microsecond=0)


async def plan_session(town: Town, start: datetime) -> str:
    body = {
        "pathway": "toy_session",
        "department": TOYTOWN,
        "location_id": "toy-house",
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=2)).isoformat(),
    }
    made = await town.call("POST", "referral", "/sessions", town.coordinator, body, 201)
    session_id: str = made["session_id"]
    return session_id


async def known(town: Town, work: Callable[[], Awaitable[object]]) -> None:
    """Do it as soon as the service knows the new reference data."""

    async def done() -> bool:
        try:
            await work()
        except AssertionError:
            return False
        return True

    await eventually(done, "the new department is known", PATIENCE)


async def test_a_session_with_two_roles_a_room_and_a_least_crew_is_asked_in_turn(
    town: Town,
) -> None:
    await known(town, lambda: town.registers("Guide 1", "toy_guide"))
    for name in ("Guide 2", "Guide 3"):
        await town.registers(name, "toy_guide")
    await town.registers("Host 1", "toy_host", competences=["first_aid"])
    start = at_ten(6)
    session_id = await plan_session(town, start)
    need = await town.when(
        session_id, "all seats are asked about", lambda n: len(open_offers(n)) == 3
    )
    assert need["resource_id"] == "toy-room"
    assert [(one["seat_no"], one["holder"]) for one in need["bookings"]] == [(0, "toy-room")]
    assert sorted(seat["role"] for seat in need["seats"]) == ["guide", "guide", "host"]

    # Of the two guides who are asked, one at a time for each seat, the first says no.
    asked = [offer["helper_id"] for offer in open_offers(need)]
    names = [name for name in town.helpers if town.helpers[name] in asked and "Guide" in name]
    assert len(names) == 2
    refuses = names[0]
    await town.answers(session_id, lambda name: "decline" if name == refuses else "accept")
    need = await town.when(
        session_id, "the next in turn is asked", lambda n: len(open_offers(n)) == 1
    )
    assert need["state"] == "filled", "a guide and a host are the least crew"
    assert town.helpers[refuses] != open_offers(need)[0]["helper_id"]
    await town.answers(session_id, lambda _: "accept")
    need = await town.when(
        session_id, "all seats have somebody", lambda n: states(n) == ["filled"] * 3
    )
    assert need["missing"] == 0

    # The room is taken: nobody is asked for another session, and the coordinator is told.
    other = await plan_session(town, start + timedelta(hours=1))
    need = await town.when(other, "there is no room", lambda n: states(n) == ["escalated"] * 3)
    assert {seat["reason"] for seat in need["seats"]} == {"no_room"}
    assert (need["offers"], need["bookings"]) == ([], [])
    await on_the_worklist(town, other)

    # The first is called off; the second, searched once more, has the room.
    path = f"/sessions/{session_id}"
    await town.call("DELETE", "referral", path, town.coordinator, expect=204)
    await town.when(session_id, "it is called off", lambda n: n["state"] == "closed")
    await town.call("POST", "matching", f"/needs/{other}/reopen", town.coordinator)
    await town.when(other, "it has the room", lambda n: n["resource_id"] == "toy-room")


async def on_the_worklist(town: Town, need_id: str) -> None:
    async def there() -> bool:
        found = await town.call("GET", "reporting", "/attention", town.coordinator)
        return any(item["need_id"] == need_id for item in found["attention"])

    await eventually(there, "it is on the worklist", PATIENCE)


async def test_cases_are_assigned_below_the_limit_wait_and_are_claimed(town: Town) -> None:
    await known(town, lambda: town.registers("Navigator 1", "navigator"))
    await town.registers("Navigator 2", "navigator")
    cases = [await town.refers(cpr, "toy_caseload") for cpr in ("0201609995", "0201609996")]
    needs = [
        await town.when(one, "it is assigned", lambda n: states(n) == ["filled"]) for one in cases
    ]
    given = {need["seats"][0]["helper_id"] for need in needs}
    assert given == {town.helpers["Navigator 1"], town.helpers["Navigator 2"]}
    assert {need["seats"][0]["way"] for need in needs} == {"assigned"}

    # Both have all they can: the others wait, and a case that ends makes room for the older one.
    waiting = [await town.refers(cpr, "toy_caseload") for cpr in ("0504909995", "0504909989")]
    for one in waiting:  # first perhaps for the record of the citizen, which comes by itself
        await town.when(
            one,
            "it waits for room",
            lambda n: states(n) == ["waiting"] and n["seats"][0]["reason"] == "capacity",
        )
    referrer = town.access.sign_in("referrer", organisation="gp-4411")
    await town.call("DELETE", "referral", f"/referrals/{cases[0]}/consent", referrer)
    await town.when(waiting[0], "the older one is taken", lambda n: states(n) == ["filled"])
    assert states(await town.need(waiting[1])) == ["waiting"]

    # A navigator who is asked for nothing, so far from all, takes the other unasked.
    await town.registers("Navigator 3", "navigator", range_metres=0, home_postcode="8500")
    path = f"/needs/{waiting[1]}/seats/1/claim"
    answer = await town.call("POST", "matching", path, town.helper("Navigator 3"))
    assert answer == {"state": "filled"}
    need = await town.need(waiting[1])
    assert (need["seats"][0]["way"], need["seats"][0]["helper_id"]) == (
        "claimed",
        town.helpers["Navigator 3"],
    )


async def test_an_appointment_in_a_new_department_at_a_new_place_is_matched_without_a_restart(
    town: Town,
) -> None:
    await known(town, lambda: town.registers("Student 1", "student", languages=["da", "pl"]))
    await town.registers("Student 2", "student")
    await town.refers("0201919995", "escort", language="pl")
    start = at_ten(7)
    hospital = town.access.sign_in("hospital", organisation="hospital-randers")
    body = {
        "resourceType": "Appointment",
        "identifier": [{"system": "https://hospital.example/appointments", "value": "TOY-1"}],
        "status": "booked",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "participant": [
            _participant("Patient", "urn:oid:1.2.208.176.1.2", "0201919995"),
            _participant("Location", "https://brobyg.dk/locations", "toy-house"),
        ],
    }
    headers = {**hospital, "Content-Type": "application/fhir+json"}
    await town.call("POST", "referral", "/fhir/Appointment", headers, body, 201)
    found: list[str] = []

    async def opened() -> bool:
        page = await town.call("GET", "matching", "/needs", town.coordinator)
        found[:] = [one["need_id"] for one in page["items"] if one["pathway"] == "escort"]
        return bool(found)

    await eventually(opened, "matching knows of the need", PATIENCE)
    await town.when(found[0], "the student is asked", lambda n: len(open_offers(n)) == 1)
    await town.answers(found[0], lambda _: "accept")
    need = await town.when(found[0], "it is matched", lambda n: n["state"] == "filled")
    assert need["seats"][0]["helper_id"] == town.helpers["Student 1"], "the other speaks no Polish"
    assert need["location_id"] == "toy-house"
    told = await explained(town, found[0])
    assert (told["department_name"], told["policy_versions"]) == ("Viborg", [1])
    assert "not_suitable" in [one["rule"] for one in told["decisions"][0]["ruled_out"]]


async def explained(town: Town, need_id: str) -> dict[str, Any]:
    """What `brobyg explain` tells, as soon as reporting knows of the match."""
    told: dict[str, Any] = {}

    def command() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BROBYG, "explain", need_id, "--json"],
            env={**without_settings(), **town.access.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )

    async def tells() -> bool:
        done = await asyncio.to_thread(command)
        told.update(json.loads(done.stdout) if done.returncode == 0 else {})
        return bool(told.get("matches"))

    await eventually(tells, "the match is explained", PATIENCE)
    return told


def _participant(kind: str, system: str, value: str) -> dict[str, Any]:
    actor = {"type": kind, "identifier": {"system": system, "value": value}}
    return {"actor": actor, "status": "accepted"}


async def test_what_was_done_in_the_toys_stands_in_the_history_with_the_policys_version(
    town: Town,
) -> None:
    events = await read_events(town.access.kafka)
    matched = [
        data(one) for one in events if one.type.endswith((".volunteer.matched", ".staff.matched"))
    ]
    assert {(one["pathway"], one["policy_version"]) for one in matched} >= {
        ("toy_session", 3),
        ("toy_caseload", 7),
    }
    staff = [data(one) for one in events if one.type.endswith(".staff.matched")]
    assert {one["pool"] for one in staff} == {"toy_host", "navigator"}


def data(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(event.data))
    return found
