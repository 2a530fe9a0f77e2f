"""What an operator sees of a service and does about what it could not handle, over HTTP.

The same as `brobyg dlq`, about nobody, and only for operators.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from brobyg_kit.api import create_app
from brobyg_kit.auth import Verifier
from brobyg_kit.clock import WallClock
from brobyg_kit.event import Event
from brobyg_kit.health import Check, Health, report_of
from brobyg_kit.ids import new_id
from brobyg_kit.metrics import Metrics
from brobyg_kit.operations import HELPS, Trouble, troubles_of
from brobyg_kit.operations_api import PAGE, dead_letters_router, operations_router
from brobyg_kit.parking import DISCARD_REASONS, Origin, Parking, Received
from brobyg_kit.service import Parts as ServiceParts
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import bearer, token_keys
from delivery_parts import Parts

OPERATOR = "0199a000-0000-7000-8000-000000000001"


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[httpx2.AsyncClient]:
    """An operator's, at a service that has a database of its own."""

    async def report() -> dict[str, object]:
        return await report_of("test", Health(), figures)

    async def figures() -> dict[str, object]:
        return {"outbox": {"rows": 1, "oldest_seconds": 61.0}, "parked": 2, "dead_letters": 1}

    routers = [operations_router(report), dead_letters_router(parts.database, Parking("test"))]
    served = ServiceParts(routers=routers)
    application = create_app(
        Service("test", "test", KitSettings, lambda _: served), served, WallClock(),
        Verifier.of_files(token_keys()[1], None, WallClock()), Metrics(), Health(), figures,
    )  # fmt: skip
    transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers=bearer("operator", subject=OPERATOR)
    ) as made:
        yield made


async def park(parts: Parts, number: int = 1, subject: str = "a") -> list[int]:
    """Park so many dead events; all ids that are parked."""
    async with parts.database.transaction() as tx:
        for _ in range(number):
            event = Event(
                id=new_id(parts.database.clock), source="test", type="t", subject=subject,
                time=tx.now, dataschema="", correlationid="c", sequence=1,
                data=msgspec.Raw(b'{"name":"MARKER"}'),
            )  # fmt: skip
            received = Received(event, Origin("hospital.topic", 0, 1))
            await Parking("test").park(tx, received, ValueError("MARKER"), permanent=True)
    return [one.id for one in await Parking("test").listed(parts.database, 1000)]


async def posted(client: httpx2.AsyncClient, path: str, **body: str) -> tuple[int, dict[str, Any]]:
    answer = await client.post(f"/dead-letters/{path}", json=body or None)
    return answer.status_code, answer.json()


async def test_dead_letters_are_told_page_by_page_without_any_of_their_content(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    ids = await park(parts, PAGE + 1)
    first = (await client.get("/dead-letters")).json()
    second = (await client.get("/dead-letters", params={"after": first["after"]})).json()
    assert [one["id"] for one in first["letters"] + second["letters"]] == ids
    assert (first["total"], second["after"]) == (PAGE + 1, None)
    one = await client.get(f"/dead-letters/{ids[0]}")
    assert one.json() == first["letters"][0]
    assert (one.json()["state"], one.json()["topic"]) == ("dead", "hospital.topic")
    assert "MARKER" not in json.dumps([first, second, one.json()])


async def test_one_is_replayed_however_often_it_is_asked_for(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    (one,) = await park(parts)
    for _ in range(2):
        assert await posted(client, f"{one}/replay") == (
            200, {"id": one, "state": "retrying", "reason": None},
        )  # fmt: skip
    assert (await posted(client, f"{one}/discard", reason="mistaken"))[0] == 409
    assert (await posted(client, f"{one + 1}/replay"))[0] == 404
    assert (await client.get(f"/dead-letters/{one + 1}")).status_code == 404


async def test_one_is_discarded_with_a_reason_that_is_kept_with_who_gave_it(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    (one,) = await park(parts)
    assert (await posted(client, f"{one}/discard"))[0] == 415
    assert (await posted(client, f"{one}/discard", reason="MARKER"))[0] == 422
    for _ in range(2):
        assert await posted(client, f"{one}/discard", reason="sent_again") == (
            200, {"id": one, "state": "discarded", "reason": "sent_again"},
        )  # fmt: skip
    assert (await posted(client, f"{one}/discard", reason="mistaken"))[0] == 409
    assert (await posted(client, f"{one}/replay"))[0] == 409
    assert (await client.get("/dead-letters")).json() == {"letters": [], "total": 0, "after": None}
    kept = await parts.pool.fetch("select id, reason, actor, topic from discarded_event")
    assert [tuple(row) for row in kept] == [(one, "sent_again", OPERATOR, "hospital.topic")]


async def test_one_that_waits_behind_another_is_settled_by_settling_the_other(
    parts: Parts, client: httpx2.AsyncClient
) -> None:
    await park(parts)
    async with parts.database.transaction() as tx:
        event = Event(
            id=new_id(parts.database.clock), source="test", type="t", subject="a", time=tx.now,
            dataschema="", correlationid="c", sequence=2, data=msgspec.Raw(b"null"),
        )  # fmt: skip
        await Parking("test").wait_behind(tx, [Received(event, Origin("hospital.topic", 0, 2))])
    dead, waiting = (one.id for one in await Parking("test").listed(parts.database))
    refused = await client.post(f"/dead-letters/{waiting}/replay")
    assert (refused.status_code, refused.json()["title"]) == (409, "It waits behind an earlier one")
    assert (await posted(client, f"{dead}/discard", reason="out_of_date"))[0] == 200
    assert (await client.get(f"/dead-letters/{waiting}")).json()["state"] == "retrying"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/operations"), ("GET", "/dead-letters"), ("GET", "/dead-letters/1"),
        ("POST", "/dead-letters/1/replay"), ("POST", "/dead-letters/1/discard"),
    ],
)  # fmt: skip
async def test_it_is_for_operators_and_nobody_else(
    client: httpx2.AsyncClient, method: str, path: str
) -> None:
    body = {"reason": "mistaken"} if path.endswith("discard") else None
    for role in ("coordinator", "analyst", "service", "data_protection", "volunteer"):
        refused = await client.request(method, path, json=body, headers=bearer(role))
        assert refused.status_code == 403, role
    client.headers.pop("authorization")
    assert (await client.request(method, path, json=body)).status_code == 401


async def test_operations_and_readiness_name_the_same_troubles_and_what_helps(
    client: httpx2.AsyncClient,
) -> None:
    told = (await client.get("/operations")).json()
    assert told == (await client.get("/readyz")).json()
    assert told["troubles"] == [
        {"cause": "outbox", "detail": "an event has waited 1 min 1 s to be published",
         "command": "brobyg local restart test"},
        {"cause": "parked", "detail": "2 events wait aside", "command": "brobyg dlq list test"},
        {"cause": "dead_letters", "detail": "1 dead letters", "command": "brobyg dlq list test"},
    ]  # fmt: skip


async def test_a_failing_check_is_a_trouble_with_the_command_of_its_cause() -> None:
    health = Health()
    checks = {
        "keys": Check(False, "one is missing"),
        "database": Check(False, "no tables", "not_migrated"),
        "mail": Check(True, "4 waiting"),
        "other": Check(False),
    }
    for name, check in checks.items():

        async def answer(check: Check = check) -> Check:
            return check

        health.checks[name] = answer

    async def nothing() -> dict[str, object]:
        return {}

    report = await report_of("thing", health, nothing, {"keys": "brobyg {service} keys status"})
    assert report["troubles"] == [
        {"cause": "keys", "detail": "keys: one is missing", "command": "brobyg thing keys status"},
        {"cause": "not_migrated", "detail": "database: no tables",
         "command": "brobyg thing migrate"},
        {"cause": "other", "detail": "other: not ok", "command": "brobyg local restart thing"},
    ]  # fmt: skip


def test_what_waits_for_a_moment_is_no_trouble() -> None:
    moment = {"outbox": {"rows": 9, "oldest_seconds": 3.0}, "parked": 0, "dead_letters": 0}
    assert troubles_of("test", moment) == []
    old = {"outbox": {"rows": 9, "oldest_seconds": 121.0}}
    assert troubles_of("test", old) == [], "its check says so"
    failing = {"checks": {"a": {"ok": False, "detail": "x", "cause": "broker"},
                          "b": {"ok": False, "detail": "y", "cause": "broker"}}}  # fmt: skip
    assert troubles_of("test", failing) == [Trouble("broker", "a: x; b: y", HELPS["broker"])]


def test_every_reason_has_its_words() -> None:
    assert all(words and not words.endswith(".") for words in DISCARD_REASONS.values())


def test_while_the_database_is_away_its_command_helps_all_that_wait_for_it() -> None:
    away = {"ok": False, "detail": "no answer"}
    checks = {"database": away, "consumer": away, "mail": away}
    [database, mail] = troubles_of("test", {"checks": checks})
    assert (database.cause, database.command) == ("database", HELPS["database"])
    assert "consumer: no answer" in database.detail
    assert mail.cause == "mail"
    [_, consumer, _] = troubles_of(
        "test", {"checks": {**checks, "database": {**away, "cause": "not_migrated"}}}
    )
    assert consumer.command == HELPS["consumer"]


def test_the_command_that_helps_stands_before_the_lines_of_a_log() -> None:
    told = str(Trouble("down", "it ended; the last lines of x.log:\n| a", "brobyg local start x"))
    assert told == "it ended: brobyg local start x; the last lines of x.log:\n| a"
