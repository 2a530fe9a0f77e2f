"""Whether a system is idle: everything published, everything handled, everybody told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2
import msgspec

from brobyg_local.services import SERVICES
from brobyg_local.topics import read_topics

from .access import SystemAccess, http_client
from .history import EVENT_TOPICS

__all__ = ["IdleState", "wait_until_idle"]

#: Wall seconds between looks; so many in a row must find nothing moving.
LOOK, LOOKS = 0.5, 3
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
class IdleState:
    """Whether the system became idle, and what had not been published or handled."""

    quiet: bool
    unpublished: int
    dead_letters: int
    #: What was still moving or not ready, in words.
    busy: tuple[str, ...] = ()


async def wait_until_idle(access: SystemAccess, patience: float = PATIENCE) -> IdleState:
    """Return when nothing has moved for some looks in a row, or after `patience` wall seconds."""
    deadline, calm, before = time.monotonic() + patience, 0, -1
    async with http_client() as http:
        while True:
            states = await asyncio.gather(*(_ready(http, access, service) for service in SERVICES))
            published, unread = await _topics(access)
            unsent = await _unsent(http, access)
            busy = tuple(_busy(states, unread, unsent))
            calm = 0 if busy or published != before else calm + 1
            if calm >= LOOKS or time.monotonic() > deadline:
                return IdleState(
                    calm >= LOOKS,
                    sum(state.outbox.rows for state in states),
                    sum(state.dead_letters for state in states),
                    busy,
                )
            before = published
            await asyncio.sleep(LOOK)


def _busy(states: Sequence[_Ready], unread: int, unsent: int) -> Iterator[str]:
    if unread < 0:
        yield "the broker does not answer"
    elif unread:
        yield f"{unread} records are not read yet"
    if unsent < 0:
        yield "notification does not say what waits"
    elif unsent:
        yield f"{unsent} messages or more wait to be sent"
    for service, state in zip(SERVICES, states, strict=True):
        if not state.ready:
            failing = (name for name, check in state.checks.items() if not check.ok)
            yield f"{service} is not ready: {', '.join(failing)}"
        rows = (state.outbox.rows, state.parked, state.lag)
        if any(rows):
            yield f"{service} has {rows[0]} to publish, {rows[1]} parked, {rows[2]} to read"


async def _topics(access: SystemAccess) -> tuple[int, int]:
    """Records in all event topics, and those not yet read; -1 while the broker can't say.

    The broker is asked, as a service that has lost its assignment knows of no lag.
    """
    states, why = await read_topics(access.kafka, SERVICES)
    if why:
        return -1, -1
    records = sum(state.events for state in states if state.name in EVENT_TOPICS)
    return records, sum(sum(state.lag.values()) for state in states)


async def _unsent(http: httpx2.AsyncClient, access: SystemAccess) -> int:
    """Messages that wait to be sent, at most a page of them; -1 while notification can't say.

    Its list is asked and not its metrics, which are some seconds old.
    """
    try:
        response = await http.get(
            f"{access.url('notification')}/notifications?state=waiting&limit=200",
            headers=access.sign_in("coordinator"),
        )
        return len(msgspec.json.decode(response.content, type=_Page).notifications)
    except (httpx2.TransportError, msgspec.DecodeError):
        return -1


async def _ready(http: httpx2.AsyncClient, access: SystemAccess, service: str) -> _Ready:
    try:
        response = await http.get(f"{access.url(service)}/readyz")
        return msgspec.json.decode(response.content, type=_Ready)
    except (httpx2.TransportError, msgspec.DecodeError):
        return _Ready(ready=False)
