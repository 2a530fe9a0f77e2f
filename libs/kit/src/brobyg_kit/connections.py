"""Connections of HTTP: a client that only holds one is cut off, and keeps nobody else out.

Between requests a connection waits for the head of the next. It has so long for that and no longer,
and of those that wait too many the one that has waited longest makes way. So a place among the
requests in hand is taken by a whole head alone; what bounds bodies is `brobyg_kit.middleware`.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brobyg_kit.service import IDLE_CONNECTION_SECONDS

#: The head of a request takes so long at most, from the connection or its first byte, seconds.
HEAD_SECONDS = 10.0
#: Of an answer that waits to be taken off so many bytes are within so many seconds: 1 kB/s.
TAKEN_BYTES, TAKEN_SECONDS = 32 * 1024, 30.0
#: So many connections may wait for a request.
WAITING = 512
#: So many requests are in hand at once; one more is answered 503.
IN_HAND = 512


def config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How a service is served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        limit_concurrency=WAITING + IN_HAND,
        server_header=False,
    )


class Connection(HttpToolsProtocol):
    """See the module."""

    #: Since when it waits for a head, in the loop's time; None while a request is in hand.
    waits_since: float | None = None
    #: Bytes that waited to be taken off when that was last looked at.
    _left: int
    #: When its patience is over, for the head of a request and for the taking off of an answer.
    _ends: dict[str, asyncio.TimerHandle]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait, in the place of who waits longest where there are too many."""
        super().connection_made(transport)
        self._ends = {}
        self.waits_since = self.loop.time()
        self._until("head", HEAD_SECONDS, self.cut_off)
        if len(self.connections) > WAITING:
            _make_room([one for one in self.connections if isinstance(one, Connection)])

    def data_received(self, data: bytes) -> None:
        """Read on; what comes between requests is the beginning of a head."""
        if self.waits_since is not None:
            self._until("head", HEAD_SECONDS, self.cut_off)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A request is in hand from here on."""
        self.waits_since = None
        self._in_time("head")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it has come already."""
        came = bool(self.pipeline)
        super().on_response_complete()
        if not came:
            self.waits_since = self.loop.time()

    def pause_writing(self) -> None:
        """The client does not take off its answer."""
        super().pause_writing()
        self._left = self.transport.get_write_buffer_size()
        self._until("taken", TAKEN_SECONDS, self._look)

    def resume_writing(self) -> None:
        """It does again."""
        self._in_time("taken")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for any more."""
        self.waits_since = None
        for what in [*self._ends]:
            self._in_time(what)
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """Hang up at once, whatever has not been sent."""
        self.waits_since = None
        self.transport.abort()

    def _look(self) -> None:
        """Go on as long as enough is taken off."""
        self._in_time("taken")
        taken, self._left = self._left, self.transport.get_write_buffer_size()
        if taken - self._left < TAKEN_BYTES:
            self.cut_off()
        else:
            self._until("taken", TAKEN_SECONDS, self._look)

    def _until(self, what: str, seconds: float, then: Callable[[], None]) -> None:
        if what not in self._ends:
            self._ends[what] = self.loop.call_later(seconds, then)

    def _in_time(self, what: str) -> None:
        if (timer := self._ends.pop(what, None)) is not None:
            timer.cancel()


def _make_room(connections: list[Connection]) -> None:
    waiting = [one for one in connections if one.waits_since is not None]
    if len(waiting) > WAITING:
        min(waiting, key=lambda one: cast("float", one.waits_since)).cut_off()
