"""Whether the system has come to rest: everything published, everything handled, everybody told, nothing more on its way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2
import msgspec

from brobyg_local.topics import read_topics

from .history import EVENT_TOPICS
from .outside import SERVICES, Outside, client

__all__ = ["Rest", "come_to_rest"]

LOOK = 0.5
LOOKS = 3
"""So many looks in a row must find nothing moving."""
PATIENCE = 90.0


class _Outbox(msgspec.Struct, frozen=True):
    rows: int


class _Check(msgspec.Struct):
    ok: bool


class _Ready(msgspec.Struct):
    """What /readyz tells; a service without a database tells no numbers."""

    ready: bool
    checks: dict[str, _Check] = {}
    outbox: _Outbox = _Outbox(0)
    parked: int = 0
    dead_letters: int = 0
    lag: int = 0


class _Page(msgspec.Struct):
    """What /notifications tells; only how many there are matters here."""

    notifications: list[msgspec.Raw]


@dataclass(frozen=True)
class Rest:
    """What was found: `quiet` when nothing moved any more, and what had not been published or handled."""

    quiet: bool
    unpublished: int
    dead_letters: int
    restless: tuple[str, ...] = ()
    """What still moved or was not ready, in words."""


async def come_to_rest(outside: Outside, patience: float = PATIENCE) -> Rest:
    """Return when nothing has moved for some looks in a row, or after `patience` wall seconds. Blocks."""
    deadline, calm, before = time.monotonic() + patience, 0, -1
    async with client() as http:
        while True:
            states = await asyncio.gather(*(_ask(http, outside, service) for service in SERVICES))
            published, unread = await _topics(outside)
            untold = await _untold(http, outside)
            waiting = sum(state.outbox.rows + state.parked + state.lag for state in states)
            nothing_waits = not waiting and not unread and not untold
            at_rest = all(state.ready for state in states) and nothing_waits and published == before
            calm, before = (calm + 1 if at_rest else 0), published
            if calm >= LOOKS or time.monotonic() > deadline:
                unpublished, dead = (
                    sum(state.outbox.rows for state in states),
                    sum(state.dead_letters for state in states),
                )
                return Rest(
                    calm >= LOOKS, unpublished, dead, tuple(_restless(states, unread, untold))
                )
            await asyncio.sleep(LOOK)


def _restless(states: Sequence[_Ready], unread: int, untold: int) -> Iterator[str]:
    if unread:
        yield "the broker does not answer" if unread < 0 else f"{unread} records are not read yet"
    if untold:
        yield (
            "notification does not say what waits"
            if untold < 0
            else f"{untold} messages or more wait to be sent"
        )
    for service, state in zip(SERVICES, states, strict=True):
        if not state.ready:
            yield f"{service} is not ready: {', '.join(name for name, check in state.checks.items() if not check.ok)}"
        if state.outbox.rows or state.parked or state.lag:
            yield f"{service} has {state.outbox.rows} to publish, {state.parked} parked, {state.lag} to read"


async def _topics(outside: Outside) -> tuple[int, int]:
    """Records in all event topics, and those that a service has yet to read by what it has committed; -1 while the broker can't say.

    Asked of the broker, as a service that has lost its assignment knows of no lag.
    """
    states, why = await asyncio.to_thread(read_topics, outside.kafka, SERVICES)
    if why:
        return -1, -1
    records = sum(state.events for state in states if state.name in EVENT_TOPICS)
    return records, sum(sum(state.lag.values()) for state in states)


async def _untold(http: httpx2.AsyncClient, outside: Outside) -> int:
    """Messages that wait to be sent, at most a page of them; -1 while notification can't say.

    Asked of its list and not of its metrics, which tell of some seconds ago.
    """
    try:
        response = await http.get(
            f"{outside.url('notification')}/notifications?state=waiting&limit=200",
            headers=outside.tokens.header("coordinator"),
        )
        return (
            len(msgspec.json.decode(response.content, type=_Page).notifications)
            if response.is_success
            else -1
        )
    except (httpx2.TransportError, msgspec.DecodeError):
        return -1


async def _ask(http: httpx2.AsyncClient, outside: Outside, service: str) -> _Ready:
    try:
        response = await http.get(f"{outside.url(service)}/readyz")
        return msgspec.json.decode(response.content, type=_Ready)
    except (httpx2.TransportError, msgspec.DecodeError):
        return _Ready(ready=False)
