"""What must be true of each service once the last release's database is migrated."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg
from brobyg_contracts import CitizenErased
from brobyg_kit.database import Database
from brobyg_kit.event import decode, encode, encode_data
from brobyg_kit.ids import derived_id
from brobyg_kit.service import Service
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_notification.bootstrap import SERVICE as NOTIFICATION
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from brobyg_reporting.adapters.versions import VersionTables
from brobyg_reporting.bootstrap import SERVICE as REPORTING
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.testing import interleave, make_history
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild
from msgspec import structs
from sqlalchemy import text

from tests.upgrade.before_privacy import KEYS, Record, publish, records

_DEPARTMENT = "randers-norddjurs"
COORDINATOR = bearer("coordinator", organisation=_DEPARTMENT, department=_DEPARTMENT)
WEEK = "week.ndjson.gz"
#: What the owner sees of a migrated database before the service starts, by what is asked.
Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One service, and what is claimed of it."""

    service: Service
    settings: Mapping[str, object] = field(default_factory=dict)
    #: The file with what was on the topics.
    log: str = WEEK
    #: What arrives once the service has started.
    later: Callable[[], list[Record]] = list
    #: The last revision's number before which `fill` adds what no dump of that time can hold.
    halfway: str = ""
    fill: str = ""
    migrated: Facts
    #: How much somebody who asks sees; it never falls.
    seen: Callable[[Running], Awaitable[int]]
    works: Callable[[Running], Awaitable[None]]
    erases: Callable[[Running], Awaitable[None]]
    #: Counts of what retention ends.
    over: Sequence[str] = ()


def database_of(running: Running) -> Database:
    assert running.runtime.database is not None
    return running.runtime.database


async def values(running: Running, sql: str) -> list[Any]:
    """The first column that the SQL gives."""
    async with database_of(running).connect() as connection:
        return list(await connection.scalars(text(sql)))


async def becomes(running: Running, sql: str, expected: object) -> None:
    """Return when the SQL gives this one value."""

    async def so() -> bool:
        return await values(running, sql) == [expected]

    await eventually(so, f"{sql} gives {expected}", timeout=30)


async def asked(running: Running, path: str, **body: Any) -> Any:
    """What the service answers a coordinator."""
    client = running.client
    posted = client.post(path, json=body, headers=COORDINATOR) if body else None
    got = await (posted or client.get(path, headers=COORDINATOR))
    assert got.status_code == 200, (path, got.text)
    return got.json()


async def tell_of_erasure(running: Running, citizen_id: str) -> None:
    """The event by which referral tells the others."""
    topic = CitizenErased.TOPIC
    some = next(one for one in records(WEEK) if one.topic == topic and one.value)
    said = CitizenErased(citizen_id=citizen_id, reason="requested")
    event = structs.replace(
        decode(some.value or b""),
        id=derived_id("erased", citizen_id),
        type=CitizenErased.EVENT_TYPE,
        dataschema=CitizenErased.DATASCHEMA,
        subject=citizen_id,
        sequence=1,
        data=encode_data(said),
    )
    address = running.runtime.settings.kafka
    await publish(address, [Record(topic, citizen_id, encode(event))])


# Referral.


async def _found_by_name(running: Running) -> int:
    return len((await asked(running, "/citizens/search", name="Test", limit=50))["citizens"])


async def _identities_open(running: Running) -> None:
    await becomes(
        running,
        "select count(*) from citizen where sealed is not null"
        " and citizen_id not in (select citizen_id from name_token)",
        0,
    )
    citizens = await values(running, "select citizen_id from citizen where sealed is not null")
    assert len(citizens) == await _found_by_name(running) == 13
    contacts = [await asked(running, f"/citizens/{one}/contact?purpose=call") for one in citizens]
    assert all("Test" in one["name"] for one in contacts)
    found = await asked(running, "/citizens/search", name="einer lauridsen")
    [einer] = [one["citizen_id"] for one in found["citizens"]]
    contact = await asked(running, f"/citizens/{einer}/contact?purpose=call")
    assert contact["email"] == "einer.lauridsen@citizen.example"


async def _referral_erases(running: Running) -> None:
    [citizen] = await values(
        running,
        "select citizen_id from appointment where announced = 'booked' and starts_at > '2026-12-04'"
        " order by starts_at desc limit 1",
    )
    path = f"/citizens/{citizen}"
    gone = await running.client.delete(f"{path}?reason=requested", headers=COORDINATOR)
    assert gone.status_code == 202, gone.text
    after = await running.client.get(f"{path}/contact?purpose=call", headers=COORDINATOR)
    assert after.status_code == 410
    for table in ("person_key where person_id", "name_token where citizen_id"):
        assert await values(running, f"select count(*) from {table} = '{citizen}'") == [0]


# Matching.


async def _needs(running: Running) -> int:
    return len((await asked(running, "/needs?limit=200"))["items"])


async def _helpers_are_reached(running: Running) -> None:
    helpers = await values(running, "select helper_id from helper order by helper_id")
    contacts = [await asked(running, f"/volunteers/{one}/contact?purpose=call") for one in helpers]
    assert len(contacts) == 20
    assert all(" Test " in one["name"] for one in contacts)
    assert "anne.holm@volunteer.example" in {one["email"] for one in contacts}
    [away] = await values(running, "select helper_id from helper where cardinality(away) > 0")
    shown = await asked(running, f"/volunteers/{away}")
    assert [one["date"] for one in shown["exceptions"]] == [
        "2026-12-02", "2026-12-03", "2026-12-04", "2026-12-09",
    ]  # fmt: skip


async def _matching_erases(running: Running) -> None:
    [citizen] = await values(
        running,
        "select citizen_id from citizen join need using (citizen_id)"
        " where state = 'filled' and postcode is not null order by starts_at desc limit 1",
    )
    await tell_of_erasure(running, str(citizen))
    known = f"select count(postcode) from citizen where citizen_id = '{citizen}'"
    await becomes(running, known, 0)
    [helper] = await values(
        running, "select helper_id from seat where state = 'filled' order by need_id limit 1"
    )
    path = f"/volunteers/{helper}"
    gone = await running.client.delete(f"{path}?reason=requested", headers=COORDINATOR)
    assert gone.status_code == 202, gone.text
    after = await running.client.get(f"{path}/contact?purpose=call", headers=COORDINATOR)
    assert after.status_code == 410
    for table in ("person_key where person_id", "helper_contact where helper_id"):
        assert await values(running, f"select count(*) from {table} = '{helper}'") == [0]


# Notification.


async def _told(running: Running) -> int:
    return len((await asked(running, "/notifications?limit=200"))["notifications"])


async def _what_waits_still_waits(running: Running) -> None:
    waiting = await asked(running, "/notifications?limit=200&state=waiting")
    assert waiting["notifications"]


async def _notification_erases(running: Running) -> None:
    waits = "select recipient_id from notification where state = 'waiting' and recipient_role ="
    citizen = (await values(running, f"{waits} 'citizen' order by position limit 1"))[0]
    await tell_of_erasure(running, citizen)
    left = (
        f"select count(*) from notification where state = 'waiting' and recipient_id = '{citizen}'"
    )
    await becomes(running, left, 0)


# Reporting.


async def _logged(running: Running) -> int:
    return int((await values(running, "select count(*) from reporting.event_log"))[0])


def _new_history() -> list[Record]:
    random = Random(12)
    told = interleave(random, make_history(random, 25))
    return [Record(topic, event.subject, encode(event)) for topic, event in told]


async def _all_is_of_this_code(running: Running) -> None:
    database = database_of(running)

    async def own() -> bool:
        async with database.connect() as connection:
            live = await VersionTables(connection).live()
        return all(one.own for one in live.values()) and "citizen" in live

    await eventually(own, "all is of this code", timeout=60)
    ports = rebuild_ports(running.runtime.settings.kafka, database.url)
    verified = await rebuild(ports, RebuildRequest((), "verify"), lambda *_: None)
    assert (verified.equal, verified.skipped) == (True, 0)


async def _reporting_erases(running: Running) -> None:
    citizen = (
        await values(
            running, "select citizen_id from reporting.referral where citizen_id is not null"
        )
    )[0]
    await tell_of_erasure(running, str(citizen))
    erased = f"select count(erased_at) from reporting.citizen where citizen_id = '{citizen}'"
    await becomes(running, erased, 1)


def _indexes(*names: str) -> Facts:
    return {f"select count(*) from pg_indexes where indexname = '{one}'": 1 for one in names}


_WITHDRAWN = (
    "citizen where erased_at is null and citizen_id in (select citizen_id from referral"
    " where status = 'consent_withdrawn')"
)

CASES = {
    "referral": Case(
        service=REFERRAL,
        settings=KEYS["referral"],
        migrated={
            "select count(*) from person_key": 13,
            "select count(*) from citizen where (sealed is not null)"
            " <> (citizen_id in (select person_id from person_key))": 0,
            "select count(*) from consent where scope = 'processing'": 14,
            "select count(*) from consent where scope = 'contact'": 14,
            "select count(*) from referral as r where (status = 'active') <> exists (select"
            " from consent as c where c.referral_id = r.referral_id and scope = 'processing' and"
            " withdrawn_at is null)": 0,
            "select count(*) from idempotency_key where (made_id is null)"
            " <> (request_hash is null)": 0,
            # 0008_access_log
            "select count(*) from access_entry where purpose = 'message' and roles = '{}'": 166,
            # 0007_kept
            "select count(*) from course": 0,
            "select count(*) from withheld_item": 0,
            **_indexes(
                "course_told",
                "referral_kept",
                "consent_kept",
                "idempotency_key_kept",
                "appointment_citizen",
                "appointment_kept",
            ),
        },
        seen=_found_by_name,
        works=_identities_open,
        erases=_referral_erases,
        over=(
            "access_entry",
            "idempotency_key",
            "appointment where announced in ('completed', 'cancelled', 'missed')",
            _WITHDRAWN,
        ),
    ),
    "matching": Case(
        service=MATCHING,
        settings=KEYS["matching"],
        migrated={
            "select to_regclass('helper_contact_open')::text": None,
            "select count(*) from person_key": 20,
            "select count(*) from helper_contact": 20,
            "select count(*) from helper where status = 'paused'": 1,
            "select count(*) from helper where (status = 'active') <> (inactive_since is null)": 0,
            "select count(*) from need where (state = 'closed') <> (closed_at is not null)": 0,
            # 0007_access_log
            "select count(*) from access_entry where purpose = 'message' and roles = '{}'": 439,
            # 0006_kept
            **_indexes("helper_left", "registration_kept", "need_kept"),
        },
        seen=_needs,
        works=_helpers_are_reached,
        erases=_matching_erases,
        over=(
            "access_entry",
            "registration",
            "need where state = 'closed' and ends_at < '2027-01-01'",
            "helper where status = 'paused'",
        ),
    ),
    "notification": Case(
        service=NOTIFICATION,
        settings={
            "notification_smtp": "smtp://127.0.0.1:1",
            "notification_sender": "Brobyg <brobyg@example.org>",
            "notification_coordinators": "randers=coordinator@example.org",
            # Nobody is there: what waits goes on to wait.
            "referral_url": "http://127.0.0.1:1",
            "matching_url": "http://127.0.0.1:1",
            "portal_url": "http://portal.example.org",
        },
        # Two that are told of their match wait to be: the week left nothing waiting. The service is
        # not ready while any has waited for long by the wall.
        fill="update notification set state = 'waiting', ended_at = null,"
        " kept_at = clock_timestamp() where position in (select position from notification"
        " where template = 'matched_citizen' and state = 'sent' order by starts_at desc limit 2)",
        migrated={
            # 0003_retention
            "select count(*) from called_off where event ->> 'type' = 'dk.brobyg.need.closed'": 18,
            "select count(*) from closed_need": 15,  # three were opened again
            "select count(*) from closed_need join called_off using (need_id)"
            " where closed_at <> happened_at": 0,
            **_indexes(
                "closed_need_kept",
                "called_off_kept",
                "notification_kept",
                "notification_recipient",
            ),
        },
        seen=_told,
        works=_what_waits_still_waits,
        erases=_notification_erases,
        over=("notification where state <> 'waiting'", "called_off", "closed_need"),
    ),
    "reporting": Case(
        service=REPORTING,
        log="events.ndjson.gz",
        later=_new_history,
        # 0003_build_ends moves the ends of a build that is not finished.
        halfway="0002",
        fill="insert into reporting.lag (number, projection, topic, partition, next_offset) values"
        " (9, 'event_log', 'brobyg.referral.v1', 0, 7), (9, 'need', 'brobyg.referral.v1', 0, 3)",
        migrated={
            "select count(*) from reporting.build_end where number = 9 and end_offset = 7": 1,
            "select count(*) from reporting.build_end": 1,
            "select count(*) from reporting.lag where projection = 'event_log'": 0,
            "select next_offset from reporting.lag where projection = 'need'": 3,
        },
        seen=_logged,
        works=_all_is_of_this_code,
        erases=_reporting_erases,
    ),
}


class Views:
    """Reads reporting's views as analysts do, again and again; a failure or a gap ends it."""

    NAMES = (
        "event_log", "referral", "need", "offer", "match", "helper", "attention", "notification",
        "decision",
    )  # fmt: skip

    def __init__(self) -> None:
        self.reads = 0

    async def run(self, url: str) -> None:
        """Until cancelled."""
        connection, seen = await asyncpg.connect(url), 300
        try:
            while True:
                number = await connection.fetchval("select count(*) from reporting.event_log")
                assert number >= seen
                seen = number
                for view in self.NAMES:
                    # As psql and most tools do: a prepared statement would hold old columns.
                    assert await connection.execute(f"select * from reporting.{view}") != "SELECT 0"
                self.reads += 1
        finally:
            await connection.close()
