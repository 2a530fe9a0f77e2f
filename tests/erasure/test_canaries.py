"""People whose every value is known are used, searched for, erased, and found nowhere.

Two searches of the whole system, before and after: a control that is planted in each kind of place
is found by both.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest
from brobyg_contracts.events import (
    AppointmentCompleted,
    NotificationFailed,
    NotificationSent,
    OfferAccepted,
    VolunteerMatched,
)
from brobyg_kit.event import EventData
from brobyg_local.canaries import Canary, Finding, Places, Searched, search
from brobyg_local.canaries.places import KINDS
from brobyg_local.demo.access import SystemAccess
from brobyg_local.demo.erasure import proven, shorten_segments, sweep
from brobyg_local.demo.history import read_events
from brobyg_local.demo.registration import register
from brobyg_local.demo.results import fetch_intake
from brobyg_local.demo.run import play
from brobyg_local.demo.tally import Tally
from brobyg_local.state import StateFolder
from brobyg_local.supervisor import wait_until
from brobyg_local.system import PROVIDER_SETTING, System
from brobyg_local.traces import collecting

from tests.e2e.run import FACTOR
from tests.e2e.small_week import MONDAY
from tests.erasure.canary_week import (
    DEPARTMENT,
    ENDS,
    canary_week,
    mail_server,
    next_day,
    registered,
    write_it_everywhere,
)
from tests.erasure.planted import CONTROL, DEAD, EVERYWHERE, plant_in_the_stores, planted

pytestmark = pytest.mark.timeout(500)

HOSPITAL, RECORD = "hospital.appointment.v1", "brobyg.citizen.v1"
#: Where something of a citizen stands while they are with us, beside the id: the record that says
#: what helpers must know, with the postcode, and its one copy. No name, no number, no address.
TABLES = ("brobyg_referral.public.citizen", "brobyg_matching.public.citizen")
RECORDS = {
    ("topic", RECORD),
    ("segment", RECORD),
    *((kind, table) for table in TABLES for kind in ("table", "dump", "data file")),
}
#: Rows on their way to the broker, deleted since; their space is not yet used again.
ON_THE_WAY = {("data file", "brobyg_referral.public.outbox")}
#: Where something of a helper stands beside the id: the register, where they live.
REGISTER = {(kind, "brobyg_matching.public.helper") for kind in ("table", "dump", "data file")}
#: What the hospital itself wrote, for seven days.
WRITTEN = {(kind, HOSPITAL) for kind in ("topic", "segment", "file")}
#: Mails in the boxes of those to whom they were written.
OWN, TOLD = ("mail body", "their own"), ("mail body", "of who was to meet them")


@dataclass
class Lived:
    """The canaries' day, and what was found before and after their erasure."""

    counts: Counter[str]
    answers: list[int]
    #: What each erasure was answered, and whether all were complete in the end.
    erasures: list[int]
    complete: bool
    before: Searched
    after: Searched

    def found(self, searched: Searched, *whose: int) -> set[tuple[str, str]]:
        """Where; 0 and 1 are the citizens, 2 is the helper, 3 the control."""
        return {(one.kind, one.where) for one in searched.findings if one.whose in whose}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = StateFolder(tmp_path_factory.mktemp("canaries").resolve())
    with mail_server(folder.mail) as smtp, collecting(folder.traces) as collector:
        given = {"BROBYG_NOTIFICATION_SMTP": smtp, PROVIDER_SETTING: ""}
        made = System(folder, given=given, ports={}, owner=os.getpid(), durable=False)
        clock = f"{MONDAY.isoformat()};{FACTOR:g};{datetime.now(UTC).isoformat()}"
        try:
            made.up({"BROBYG_CLOCK": clock, "BROBYG_OTLP_ENDPOINT": collector})
            yield asyncio.run(_lived(made))
        finally:
            made.reset()


async def _lived(system: System) -> Lived:
    """Play the day that comes when all is up, however long that took."""
    access, places = SystemAccess(system.environment(), system.folder.mail), Places.of(system)
    await shorten_segments(access.kafka)
    await register(access, canary_week())
    day = next_day(access.clock.now())
    week = canary_week(day)
    await play(access, week, Tally(), day + ENDS, places)
    answers = await write_it_everywhere(access)
    counts = Counter(event.type for event in await read_events(access.kafka))
    counts["rejected"] = (await fetch_intake(access)).rejected
    citizens, helper = await registered(access, week)
    everybody = [*citizens, helper, CONTROL]
    await plant_in_the_stores(places)
    with planted(places) as seen:
        before = await search(seen, everybody)
        erasures = [_erase(access, "referral", f"citizens/{one.person_id}") for one in citizens]
        erasures.append(_erase(access, "matching", f"volunteers/{helper.person_id}"))
        complete = await _are_complete(access, citizens, helper)
        await sweep(places.database)
        after = await search(seen, everybody)
    return Lived(counts, answers, erasures, complete, before, after)


def _erase(access: SystemAccess, service: str, path: str) -> int:
    headers = access.sign_in("coordinator", department=DEPARTMENT)
    url = f"{access.url(service)}/{path}?reason=requested"
    return httpx2.delete(url, headers=headers, timeout=10.0).status_code


async def _are_complete(access: SystemAccess, citizens: Sequence[Canary], helper: Canary) -> bool:
    headers = access.sign_in("coordinator", department=DEPARTMENT)
    url = f"{access.url('matching')}/erasures/{helper.person_id}"

    def of_the_helper() -> bool:
        return httpx2.get(url, headers=headers).json()["completed_at"] is not None

    if await proven(access, citizens) != len(citizens):
        return False
    return await asyncio.to_thread(wait_until, of_the_helper, 60.0, every=0.5)


def test_much_was_done_with_them(system: Lived) -> None:
    """Escorted, asked and answering, told, refused by a mail server and by us."""

    def times(kind: type[EventData]) -> int:
        return system.counts[kind.EVENT_TYPE]

    assert times(VolunteerMatched) == times(OfferAccepted) == times(AppointmentCompleted) == 2
    assert times(NotificationSent) > 3
    assert times(NotificationFailed) > 0
    assert system.counts["rejected"] == 2
    assert min(system.answers) >= 400
    assert max(system.answers) < 500


def test_before_they_are_found_with_their_owner_alone(system: Lived) -> None:
    found = system.found(system.before, 0, 1)
    assert found >= RECORDS | {("topic", HOSPITAL), ("segment", HOSPITAL), OWN, TOLD}
    assert found <= RECORDS | ON_THE_WAY | WRITTEN | {OWN, TOLD}


def test_a_helper_is_found_in_the_register_alone(system: Lived) -> None:
    found = system.found(system.before, 2)
    assert found >= REGISTER | {OWN}
    assert found <= REGISTER | {OWN, TOLD}


def test_after_their_erasure_they_are_found_nowhere(system: Lived) -> None:
    assert system.erasures == [202, 202, 202]
    assert system.complete
    found = system.found(system.after, 0, 1)
    assert found <= WRITTEN | {OWN, TOLD}
    assert ("topic", HOSPITAL) in found, "a search that finds nothing at all has not searched"
    assert system.found(system.after, 2) <= {OWN, TOLD}


def test_both_searches_find_what_is_planted_in_each_kind_of_place(system: Lived) -> None:
    before, after = (system.found(one, 3) for one in (system.before, system.after))
    for found in (before, after):
        assert found >= EVERYWHERE
        assert {kind for kind, _ in found} == set(KINDS)
        assert any(where.startswith("pg_wal/") for _, where in found)
    assert DEAD in before
    assert DEAD not in after


def test_it_is_counted_how_much_was_searched_of_each_kind(system: Lived) -> None:
    for searched in (system.before, system.after):
        assert set(searched.pieces) == set(KINDS)
        assert min(searched.pieces.values()) > 0


def test_what_the_demo_calls_a_leak_is_one(system: Lived) -> None:
    """The demo's own judgement of the same findings."""

    def leaks(findings: Sequence[Finding], *, erased: bool) -> set[int]:
        return {
            one.whose
            for one in findings
            if not (one.is_with_its_owner or (one.is_a_record and not erased))
        }

    assert leaks(system.before.findings, erased=False) == {3}
    assert leaks(system.after.findings, erased=True) == {3}
