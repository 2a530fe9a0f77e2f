"""People whose every value is known are used, searched for, erased, and found nowhere."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import EmailMessage

import asyncpg
import httpx2
import psutil
import pytest
from brobyg_kit import kafka
from brobyg_local.canaries import Canary, Finding, Places, search
from brobyg_local.demo.erasure import proven, shorten_segments
from brobyg_local.state import StateFolder
from brobyg_local.supervisor import MARK
from brobyg_local.system import System

from tests.e2e.run import Played, play_week
from tests.erasure.canary_week import (
    DEPARTMENT,
    ENDS,
    canary_week,
    mail_server,
    registered,
    trace_collector,
    write_it_everywhere,
)

pytestmark = pytest.mark.timeout(500)

HOSPITAL, RECORD = "hospital.appointment.v1", "brobyg.citizen.v1"
#: Where something of a citizen stands while they are with us, beside the id: the record that says
#: what helpers must know, with the postcode, and its one copy. No name, no number, no address.
RECORDS = {
    ("topic", RECORD),
    ("segment", RECORD),
    ("table", "brobyg_referral.public.citizen"),
    ("dump", "brobyg_referral"),
    ("table", "brobyg_matching.public.citizen"),
    ("dump", "brobyg_matching"),
}
#: Where something of a helper stands beside the id: the register, where they live.
REGISTER = {("table", "brobyg_matching.public.helper"), ("dump", "brobyg_matching")}
#: What the hospital itself wrote, for seven days, and what was written to people.
THEIR_OWN = {("topic", HOSPITAL), ("segment", HOSPITAL), ("mail body", "mail")}


@dataclass
class Lived:
    """The canaries' day, played; its system is up."""

    played: Played
    citizens: list[Canary]
    helper: Canary
    answers: list[int]

    @property
    def places(self) -> Places:
        return Places.of(self.played.system)

    def find(self, *canaries: Canary) -> list[Finding]:
        return asyncio.run(search(self.places, canaries))

    def erase(self, service: str, path: str) -> int:
        headers = self.played.access.sign_in("coordinator", department=DEPARTMENT)
        url = f"{self.played.access.url(service)}{path}?reason=requested"
        return httpx2.delete(url, headers=headers, timeout=10.0).status_code


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = StateFolder(tmp_path_factory.mktemp("canaries").resolve())
    with mail_server(folder.mail) as smtp, trace_collector(folder.path / "traces") as collector:
        given = {"BROBYG_NOTIFICATION_SMTP": smtp, "BROBYG_OTLP_ENDPOINT": collector}
        made = System(folder, given=given, ports={}, owner=os.getpid(), durable=False)
        try:
            week = canary_week()
            played = play_week(made, week, ENDS, lambda _: None)
            answers = asyncio.run(write_it_everywhere(played.access))
            citizens, helper = asyncio.run(registered(played.access, week))
            yield Lived(played, citizens, helper, answers)
        finally:
            made.reset()


def places_of(found: list[Finding]) -> set[tuple[str, str]]:
    return {(one.kind, one.where) for one in found}


def test_much_was_done_with_them(system: Lived) -> None:
    """Escorted, asked and answering, told, refused by a mail server and by us."""
    counts = system.played.summary.counts
    assert (counts["booked"], counts["matched"], counts["completed"]) == (2, 2, 2)
    assert counts["offers_accepted"] == 2
    assert counts["notifications_sent"] > 3
    assert counts["notifications_failed"] > 0
    assert system.played.summary.rejected == 2
    assert min(system.answers) >= 400
    assert max(system.answers) < 500
    assert any((system.places.folder / "traces").iterdir())


def test_before_they_are_found_with_their_owner_alone(system: Lived) -> None:
    found = places_of(system.find(*system.citizens))
    assert found - RECORDS <= THEIR_OWN
    assert found >= RECORDS | THEIR_OWN


def test_a_helper_is_found_in_the_register_alone(system: Lived) -> None:
    found = places_of(system.find(system.helper))
    assert found == REGISTER | {("mail body", "mail")}


def test_after_an_erasure_they_are_found_nowhere(system: Lived) -> None:
    asyncio.run(shorten_segments(system.played.access.kafka))
    for citizen in system.citizens:
        assert system.erase("referral", f"/citizens/{citizen.person_id}") == 202
    assert asyncio.run(proven(system.played.access, system.citizens)) == len(system.citizens)
    found = places_of(system.find(*system.citizens))
    assert found <= THEIR_OWN
    assert ("topic", HOSPITAL) in found, "a search that finds nothing at all has not searched"


def test_after_an_erasure_a_helper_is_found_nowhere(system: Lived) -> None:
    assert system.erase("matching", f"/volunteers/{system.helper.person_id}") == 202
    headers = system.played.access.sign_in("coordinator", department=DEPARTMENT)
    url = f"{system.played.access.url('matching')}/erasures/{system.helper.person_id}"
    deadline = time.monotonic() + 60
    while httpx2.get(url, headers=headers).json()["completed_at"] is None:
        assert time.monotonic() < deadline
    assert places_of(system.find(system.helper)) == {("mail body", "mail")}


CONTROL = Canary(("Valdemar Prøve", "prøve@citizen.example"), cpr="1509819996")


def test_the_search_finds_what_is_planted_in_each_kind_of_place(system: Lived) -> None:
    places, name = system.places, CONTROL.values[0]
    expected = {
        ("topic", "brobyg.notification.v1"),
        ("segment", "brobyg.notification.v1"),
        ("table", "brobyg_reporting.public.planted"),
        ("dump", "brobyg_reporting"),
        ("log", "planted.log"),
        ("file", "planted.state"),
        ("mail header", "mail"),
        ("mail body", "mail"),
    }
    asyncio.run(_plant(places, name))
    (places.folder / "log" / "planted.log").write_bytes(rb'{"name": "valdemar pr\u00f8ve"}')
    (places.folder / "planted.state").write_bytes(name.encode("utf-16"))
    mail = EmailMessage()
    mail["To"], mail["Subject"] = "somebody@citizen.example", f"To {name}"
    mail.set_content(f"Dear {name}", cte="base64")
    (places.mail / "999999-planted.eml").write_bytes(mail.as_bytes())
    environment = os.environ | {MARK: "planted", "PLANTED": name}
    idle = [sys.executable, "-c", "import signal; signal.pause()"]
    other = subprocess.Popen(idle, env=environment)
    try:
        seen = replace(places, processes=[*places.processes, psutil.Process(other.pid)])
        found = places_of(asyncio.run(search(seen, [CONTROL])))
    finally:
        other.kill()
        other.wait()
    assert found >= expected
    assert any(kind == "process" for kind, _ in found)


async def _plant(places: Places, name: str) -> None:
    connection = await asyncpg.connect(f"{places.database}/brobyg_reporting")
    await connection.execute("create table planted (said bytea)")
    await connection.execute("insert into planted values ($1)", name.encode())
    await connection.close()
    producer = kafka.batch_producer(places.kafka, "planting")
    await producer.start()
    headers = [("name", name.encode())]
    await producer.send_and_wait("brobyg.notification.v1", b"{}", key=b"planted", headers=headers)
    await producer.stop()
