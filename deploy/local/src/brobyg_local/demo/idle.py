"""Whether a system is idle: everything published, everything handled, everybody told."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx2

from brobyg_local.services import SERVICES, Readiness, readiness
from brobyg_local.topics import read_topics

from .access import SystemAccess, http_client
from .history import EVENT_TOPICS

#: Wall seconds between looks; so many in a row must find nothing moving.
LOOK, LOOKS = 0.5, 3
PATIENCE = 90.0


@dataclass(frozen=True)
class IdleState:
    """Whether the system became idle, and what had not been published or handled."""

    idle: bool
    unpublished: int
    dead_letters: int
    #: What was still moving or not ready, in words.
    busy: tuple[str, ...] = ()


async def wait_until_idle(access: SystemAccess, patience: float = PATIENCE) -> IdleState:
    """Return when nothing has moved for some looks in a row, or after `patience` wall seconds."""
    deadline, idle_looks, before = time.monotonic() + patience, 0, -1
    async with http_client() as http:
        while True:
            asked = (asyncio.to_thread(readiness, one, access.url(one)) for one in SERVICES)
            states = dict(zip(SERVICES, await asyncio.gather(*asked), strict=True))
            published, unread = await _topics(access)
            busy = tuple(_busy(states, unread, await _unsent(http, access)))
            idle_looks = 0 if busy or published != before else idle_looks + 1
            if idle_looks >= LOOKS or time.monotonic() > deadline:
                unpublished = sum(state.outbox[0] or 0 for state in states.values())
                dead = sum(state.number("dead_letters") or 0 for state in states.values())
                return IdleState(idle_looks >= LOOKS, unpublished, dead, busy)
            before = published
            await asyncio.sleep(LOOK)


def _busy(states: Mapping[str, Readiness], unread: int, unsent: int) -> Iterator[str]:
    if unread:
        yield "the broker does not answer" if unread < 0 else f"{unread} records are not read yet"
    if unsent < 0:
        yield "notification does not say what waits"
    elif unsent:
        yield f"{unsent} messages or more wait to be sent"
    for service, state in states.items():
        if not state.ready:
            yield f"{service} is not ready: {state.why}"
        rows = (state.outbox[0] or 0, state.number("parked") or 0, state.number("lag") or 0)
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
    url = f"{access.url('notification')}/notifications?state=waiting&limit=200"
    try:
        response = await http.get(url, headers=access.sign_in("coordinator"))
        return len(response.json()["notifications"])
    except (httpx2.TransportError, ValueError, KeyError):
        return -1
