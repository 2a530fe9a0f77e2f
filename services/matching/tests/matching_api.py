"""What the tests of the API have in common."""

from typing import Any

from brobyg_kit.event import Event, decode
from brobyg_kit.health import Heartbeat
from brobyg_kit.testing import Running, bearer
from brobyg_kit.timers import Timers
from matching_samples import an_id, query

LINK_KEY = "a-link-key-of-these-tests-only"
KEYS: dict[str, Any] = {
    "matching_link_keys": LINK_KEY,
    "matching_registration_keys": "a-registration-key-of-these-tests",
}
COORDINATOR, NOTIFICATION, PORTAL = bearer("coordinator"), bearer("service"), bearer("portal")
READY = {
    "confidentiality_signed_on": "2026-09-01",
    "record_checked_on": "2026-09-02",
    "introduced_on": "2026-09-03",
}


def somebody(number: int = 0, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "name": "Ida Test Lauridsen",
        "email": f"ida{number}@example.org",
        "language": "da",
        "pool": "student",
        "department": "randers",
        "languages": ["da"],
        "gender": "female",
        "home_postcode": "8900",
        "range_metres": 30000,
        "travel": "car",
        "availability": [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)],
        "weekly_limit": 5,
    }
    return body | changes


async def active(matching: Running, number: int = 0, **changes: object) -> str:
    made = await matching.client.post(
        "/volunteers", json=somebody(number, **changes), headers=COORDINATOR
    )
    assert made.status_code == 201, made.text
    volunteer_id: str = made.json()["volunteer_id"]
    done = await matching.client.post(
        f"/volunteers/{volunteer_id}/activate", json=READY, headers=COORDINATOR
    )
    assert (done.status_code, done.json()["status"]) == (200, "active")
    return volunteer_id


async def tell(matching: Running, *events: Event) -> None:
    handle = matching.runtime.parts.handle
    assert handle is not None
    assert matching.runtime.database is not None
    async with matching.runtime.database.transaction() as tx:
        await handle(tx, events)


async def rows(matching: Running, statement: str) -> list[tuple[Any, ...]]:
    assert matching.runtime.database is not None
    return await query(matching.runtime.database, statement)


async def said(matching: Running) -> list[str]:
    found = await rows(matching, "select value from outbox order by id")
    return [decode(value).type.removeprefix("dk.brobyg.") for (value,) in found]


async def open_offers(matching: Running) -> list[tuple[str, str]]:
    found = await rows(
        matching,
        "select offer_id::text, volunteer_id::text from offer where state = 'open' order by rank",
    )
    return [(str(offer), str(volunteer)) for offer, volunteer in found]


async def fire(matching: Running) -> None:
    """Carry out what is due, as the service does when it runs whole."""
    runtime = matching.runtime
    assert runtime.database is not None
    timers = Timers(
        runtime.database,
        runtime.clock,
        runtime.parts.timers,
        runtime.metrics,
        Heartbeat("timers of a test"),
    )
    while await timers.fire():
        pass


async def block(matching: Running, volunteer_id: str, headers: dict[str, str] = COORDINATOR) -> int:
    body = {"citizen_id": an_id("citizen of referral"), "asked_by": "citizen"}
    return (
        await matching.client.post(f"/volunteers/{volunteer_id}/blocks", json=body, headers=headers)
    ).status_code
