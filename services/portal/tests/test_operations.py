"""What the portal makes of what services say of themselves, or do not say."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_portal.adapters import operations
from brobyg_portal.adapters.http import HttpServices, Minter
from brobyg_portal.adapters.names import Names
from brobyg_portal.adapters.operations import ASKED, Operations
from brobyg_portal.domain.operations import Overview
from brobyg_portal.domain.session import Session
from brobyg_portal.errors import ServiceFailed, ServiceUnavailable
from brobyg_portal.ports import Answered

WHO = Session("s", "staff", "p", frozenset({"operator"}), None, None, WallClock().now())
WELL = {"ready": True, "troubles": []}
NO_LETTERS = {"letters": [], "total": 0}


class Said:
    """Services that say what a test has set up, by service and path."""

    def __init__(self, said: Mapping[tuple[str, str], Any]) -> None:
        self.said, self.asked = dict(said), 0

    async def ask(
        self, session: Session, service: str, method: str, path: str, **_: Any
    ) -> Answered:
        self.asked += 1
        default = WELL if path == "/operations" else NO_LETTERS
        found = self.said.get((service, path), default)
        if found == "hangs":
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            raise found
        if isinstance(found, int):
            return Answered(found, b"{}", "", "")
        return Answered(200, msgspec.json.encode(found), "", "")


async def own() -> dict[str, object]:
    return {"service": "portal", "ready": True, "troubles": [], "endings": []}


async def overview(**said: Any) -> Overview:
    """The overview where these services answer so at /operations."""
    services = Said({(name, "/operations"): found for name, found in said.items()})
    return await Operations(services, own).overview(WHO)


async def test_each_service_is_shown_though_others_are_silent_refuse_or_say_nonsense(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "_PATIENCE", 1.0)
    found = await overview(
        referral=ServiceUnavailable("x"), matching="hangs", notification=403, reporting=["?"]
    )
    states = {one.name: one.state for one in found.services}
    assert states == {
        "referral": "silent", "matching": "silent", "notification": "refused",
        "reporting": "refused", "portal": "ready",
    }  # fmt: skip
    told = [(one.service, one.trouble.cause, one.trouble.command, one.grave) for one in found.wrong]
    assert told == [
        ("referral", "down", "brobyg local start referral", True),
        ("matching", "down", "brobyg local start matching", True),
        ("notification", "refused", "brobyg config", True),
        ("reporting", "refused", "brobyg config", True),
    ]
    assert (await overview()).wrong == []


async def test_a_service_that_answers_with_an_error_is_not_told_to_be_down() -> None:
    found = await overview(referral=ServiceFailed("referral: 503"))
    assert [(one.service, one.trouble.detail) for one in found.wrong] == [
        ("referral", "referral: 503")
    ]
    assert found.services[0].state == "refused"
    first = {"cause": "erasures", "detail": "erasures: looks first", "command": "x"}
    services = Said(
        {
            ("matching", "/operations"): {"ready": False, "troubles": [first]},
            ("matching", "/dead-letters"): ServiceFailed("matching: 503"),
        }
    )
    found = await Operations(services, own).overview(WHO)
    assert [(one.service, one.trouble.cause) for one in found.wrong] == [("matching", "erasures")]


async def test_without_a_signing_key_it_is_not_the_services_that_are_down() -> None:
    services = HttpServices(Minter(None, WallClock()), {})
    found = await Operations(services, own).overview(WHO)
    assert {one.state for one in found.services if one.name != "portal"} == {"refused"}
    assert found.wrong[0].trouble.detail == "there is no signing key"


async def test_what_stops_a_service_comes_before_what_waits() -> None:
    waits = {"cause": "dead_letters", "detail": "2 dead letters", "command": "brobyg dlq list x"}
    stops = {"cause": "mail", "detail": "refused", "command": "brobyg local start mail"}
    found = await overview(
        referral={"ready": True, "dead_letters": 2, "troubles": [waits]},
        reporting={"ready": False, "dead_letters": 1, "troubles": [waits, stops]},
    )
    told = [(one.service, one.trouble.cause, one.grave, one.count) for one in found.wrong]
    assert told == [
        ("reporting", "mail", True, None),
        ("referral", "dead_letters", False, 2),
        ("reporting", "dead_letters", False, 1),
    ]


async def test_all_services_are_asked_once_each_and_about_their_letters() -> None:
    services = Said({})
    await Operations(services, own).overview(WHO)
    assert services.asked == 2 * len(ASKED)


async def test_names_are_asked_for_anew_after_minutes_and_a_failure_shows_those_of_before() -> None:
    entries = [{"id": "north", "label": "Nord", "former": ["old"], "version": 3}]
    kinds = ("department", "organisation")
    services = Said({("referral", f"/reference/{kind}"): entries for kind in kinds})
    clock = ManualClock(WallClock().now())
    names, known = Names(services, clock), {"north": "Nord", "old": "Nord"}
    for _ in range(2):
        assert await names.all(WHO) == {"departments": known, "organisations": known}
    assert services.asked == 2
    services.said["referral", "/reference/department"] = ServiceUnavailable("x")
    clock.advance(timedelta(minutes=6))
    for _ in range(2):
        assert await names.all(WHO) == {"departments": known, "organisations": known}
    assert services.asked == 4, "who does not answer is left in peace for a moment"
