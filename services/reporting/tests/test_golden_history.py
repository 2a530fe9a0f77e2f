"""The history of 1.x plays into today's projections, live and rebuilt, alone and before 2.x."""

import gzip
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from brobyg_kit import upcasting
from brobyg_kit.database import Database
from brobyg_kit.event import encode
from brobyg_kit.testing import Running, eventually
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.testing import interleave, make_history

from .conftest import Publisher, Rebuilder, scalar

Serve = Callable[..., AbstractAsyncContextManager[Running]]
#: Topic, key and value of a record.
Record = tuple[str, str, bytes]

GOLDEN = Path(__file__).parents[3] / "tests/golden/1.1.0/events.ndjson.gz"
LINES = [json.loads(line) for line in gzip.decompress(GOLDEN.read_bytes()).splitlines()]
RECORDS: list[Record] = [(one["topic"], one["key"], one["value"].encode()) for one in LINES]
#: The figures, as each is counted in the views' tables.
FIGURES = {
    "referrals": "select count(*) from reporting.referral",
    "appointments": "select count(*) from reporting.appointment",
    "cancelled": "select count(*) from reporting.appointment where state = 'cancelled'",
    "completed": "select count(*) from reporting.appointment where state = 'completed'",
    "missed": "select count(*) from reporting.appointment where state = 'missed'",
    "moved": "select sum(times_rescheduled) from reporting.appointment",
    "needs": "select count(*) from reporting.need where about_kind = 'appointment'",
    "needs open": "select count(*) from reporting.need where state = 'open'",
    "matches": "select count(*) from reporting.match",
    "released": "select count(*) from reporting.match where state = 'released'",
    "escalations": "select sum(escalations) from reporting.need",
    "offers": "select count(*) from reporting.offer",
    "accepted": "select sum(offers_accepted) from reporting.need",
    "helpers": "select count(*) from reporting.helper where status = 'active'",
    "sent": "select sum(notifications_sent) from reporting.need",
    "failed": "select count(*) from reporting.notification where state = 'failed'",
}


@pytest.fixture(autouse=True)
def history_of_1x(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The installation's history began under 1.x."""
    monkeypatch.setenv("BROBYG_UNVERSIONED_MAJOR", "1")
    upcasting.unversioned_major.cache_clear()
    yield
    upcasting.unversioned_major.cache_clear()


def counted(records: list[Record]) -> dict[str, int]:
    """The figures, counted from the records of 1.x as they are."""
    told = [json.loads(value) for _, _, value in records]
    types = Counter(one["type"].removeprefix("dk.brobyg.") for one in told)
    last: dict[str, str] = {}
    for one in told:
        if one["type"].startswith("dk.brobyg.appointment."):
            last[one["data"]["appointment_id"]] = one["type"].removeprefix("dk.brobyg.appointment.")
    states = Counter(last.values())
    return {
        "referrals": types["referral.created"],
        "appointments": len(last),
        "cancelled": states["cancelled"],
        "completed": states["completed"],
        "missed": states["missed"],
        "moved": types["appointment.rescheduled"],
        "needs": len(last),
        "needs open": states["booked"] + states["rescheduled"],
        "matches": types["volunteer.matched"],
        "released": types["match.released"],
        "escalations": types["match.escalated"],
        "offers": types["offer.made"],
        "accepted": types["offer.accepted"],
        "helpers": types["volunteer.activated"],
        "sent": types["notification.sent"],
        "failed": types["notification.failed"],
    }


async def figures(database: Database) -> dict[str, int]:
    return {name: int(str(await scalar(database, sql))) for name, sql in FIGURES.items()}


def needs_made(records: list[Record]) -> int:
    """How many events more than records: an appointment's event is its need's too."""
    return sum(b"dk.brobyg.appointment." in value for _, _, value in records)


async def live_has(running: Running, number: int) -> Database:
    database = running.runtime.database
    assert database is not None

    async def arrived() -> bool:
        return await scalar(database, "select count(*) from reporting.event_log") == number

    await eventually(arrived, f"{number} events are logged", timeout=60)
    return database


async def test_the_golden_history_gives_the_same_rows_live_and_rebuilt_and_its_own_figures(
    serve: Serve, publisher: Publisher
) -> None:
    await publisher.send_raw(RECORDS)
    async with serve(SERVICE, role="run") as running:
        database = await live_has(running, len(RECORDS) + needs_made(RECORDS))
        assert await figures(database) == counted(RECORDS)
        outcome = await Rebuilder(publisher.address, database.url).run()
        assert (outcome.equal, outcome.switched, outcome.skipped) == (True, True, 0)
        assert await figures(database) == counted(RECORDS)
        assert await scalar(database, "select count(*) from parked_event") == 0
        unknown = "select count(*) from reporting.event_log where not folded"
        assert await scalar(database, unknown) == 0


def a_year(random: Random) -> list[Record]:
    """1.x for half a year: each week two referrals of the golden history, moved and renamed."""
    referrals = sorted({key for topic, key, _ in RECORDS if topic == "brobyg.referral.v1"})
    helpers = [
        one for one in RECORDS if b"dk.brobyg.volunteer." in one[2] and one[1] not in referrals
    ]
    year = list(helpers)
    for week in range(26):
        chosen = set(random.sample(referrals, 2))
        for topic, key, value in RECORDS:
            if key in chosen:
                event = _moved(json.loads(value), week, random.random() < 0.1)
                year.append((topic, event["subject"], json.dumps(event).encode()))
    return year


def _moved(event: dict[str, Any], week: int, escaped: bool) -> dict[str, Any]:
    """The event some weeks later, about other things; helpers stay who they are."""

    def moved(name: str, value: Any) -> Any:
        if name in ("time", "starts_at", "ends_at", "expires_at", "meet_at", "home_at"):
            return (
                (datetime.fromisoformat(value) + timedelta(weeks=week))
                .isoformat()
                .replace("+00:00", "Z")
            )
        own = name == "id" or (name.endswith(("_id", "subject")) and name != "volunteer_id")
        if own and isinstance(value, str) and len(value) == 36:
            return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{week} {value}"))
        if name == "data":
            return {inner: moved(inner, one) for inner, one in value.items()}
        return value

    return {name: moved(name, value) for name, value in event.items()}


async def test_a_year_of_1x_and_then_2x_gives_the_same_rows_live_and_rebuilt(
    serve: Serve, publisher: Publisher
) -> None:
    random = Random(1112)
    old = a_year(random)
    new = [
        (topic, event.subject, encode(event))
        for topic, event in interleave(random, make_history(random, 120))
    ]
    await publisher.send_raw(old + new[: len(new) // 2])
    async with serve(SERVICE, role="run") as running:
        await publisher.send_raw(new[len(new) // 2 :])
        database = await live_has(running, len(old) + needs_made(old) + len(new))
        outcome = await Rebuilder(publisher.address, database.url, in_process_limit=-1).run()
        assert (outcome.equal, outcome.switched, outcome.skipped) == (True, True, 0)
        found, told = await figures(database), counted(old)
        assert found["referrals"] >= told["referrals"] == 52
        matched = "select count(*) from reporting.match where pool = 'unknown'"
        assert await scalar(database, matched) == told["matches"]
        escalated = "select sum(escalations) from reporting.need where need_id = any(:ids)"
        ids = {json.loads(value)["data"].get("appointment_id") for _, _, value in old} - {None}
        assert await scalar(database, escalated, ids=list(ids)) == told["escalations"]
        assert await scalar(database, "select count(*) from parked_event") == 0
