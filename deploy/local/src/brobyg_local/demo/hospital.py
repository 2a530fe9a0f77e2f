"""The hospital's integration engine: sends the week's messages when their time has come, through the public doors."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

import httpx2
import msgspec
from brobyg_kit.kafka import producer
from confluent_kafka import KafkaError
from confluent_kafka import Message as Record

from .outside import PATIENCE, Outside, Unreachable, client, persist
from .tally import Tally
from .week import Message

__all__ = ["Hospital"]

AT_ONCE = 8
"""Requests in flight; an engine has a few workers, not hundreds."""
FHIR_JSON = "application/fhir+json"


class Hospital:
    """Delivers each message once it is due, never skipping one, and those about one appointment in their order."""

    def __init__(self, outside: Outside, tally: Tally) -> None:
        """Nothing is connected yet."""
        self._outside = outside
        self._tally = tally
        self._workers = asyncio.Semaphore(AT_ONCE)

    async def play(self, messages: tuple[Message, ...]) -> None:
        """Return when every message is delivered or was given up (which the tally says). Blocks for the whole week."""
        latest: dict[str, asyncio.Task[None]] = {}
        tasks: list[asyncio.Task[None]] = []
        async with client() as http:
            with _Topic(self._outside.kafka) as topic:
                for message in messages:
                    before = [latest[key] for key in message.keys if key in latest]
                    task = asyncio.create_task(self._deliver(http, topic, message, before))
                    latest.update(dict.fromkeys(message.keys, task))
                    tasks.append(task)
                await asyncio.gather(*tasks)

    async def _deliver(
        self,
        http: httpx2.AsyncClient,
        topic: _Topic,
        message: Message,
        before: list[asyncio.Task[None]],
    ) -> None:
        await self._outside.until(message.at)
        await asyncio.gather(*before)
        async with self._workers:
            try:
                outcome = await self._send(http, topic, message)
            except Unreachable as error:
                self._tally.surprises.append(f"{message.keys[0]} was not delivered: {error}")
                return
        self._tally.delivered[outcome] += 1
        if message.expect != "rejected":
            self._tally.keys.update(message.keys)

    async def _send(self, http: httpx2.AsyncClient, topic: _Topic, message: Message) -> str:
        if message.door == "kafka":
            await topic.send(message.path, message.keys[0], message.content())
            return "kafka"
        response = await persist(
            http,
            str(message.method),
            self._outside.url("referral") + message.path,
            headers=self._outside.tokens.header("hospital", organisation=message.organisation)
            | {"Content-Type": FHIR_JSON},
            content=message.content(),
            on_again=self._count_again,
        )
        outcomes = {_outcome(status) for status in _statuses(response)}
        outcome = outcomes.pop() if len(outcomes) == 1 else "mixed"
        if outcome != _told(message):
            self._tally.surprises.append(
                f"{message.keys[0]} ({message.note}): {response.status_code}, expected {message.expect}"
            )
        return outcome

    def _count_again(self) -> None:
        self._tally.again += 1


def _told(message: Message) -> str:
    """What the hospital hears: a repeat or an old version is accepted, it only has no effect."""
    return "kept" if message.expect in {"repeat", "stale"} else message.expect


class _EntryResponse(msgspec.Struct):
    status: str


class _Entry(msgspec.Struct):
    response: _EntryResponse


class _BundleAnswer(msgspec.Struct):
    resourceType: str
    entry: list[_Entry] = []


def _statuses(response: httpx2.Response) -> list[int]:
    """The answer's status, or those of its entries where it is a Bundle."""
    if response.status_code == 200 and b"Bundle" in response.content[:400]:
        answer = msgspec.json.decode(response.content, type=_BundleAnswer)
        return [int(entry.response.status.split()[0]) for entry in answer.entry]
    return [response.status_code]


def _outcome(status: int) -> str:
    if status == 202:
        return "dropped"
    return (
        "kept"
        if status < 300
        else "rejected"
        if status in {400, 404, 413, 415, 422}
        else str(status)
    )


class _Topic:
    """The hospital's own producer. A thread serves its callbacks; a send ends when the broker has the record."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = producer(
            bootstrap, "hospital-engine", log_level=0
        )  # its complaints about an outage are no news here
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hospital-engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    async def send(self, topic: str, key: str, value: bytes) -> None:
        """Return when the record is acknowledged; the client itself keeps trying through an outage. Blocks; raises `Unreachable` in the end."""
        loop = asyncio.get_running_loop()
        while True:
            done: asyncio.Future[bool] = loop.create_future()

            def report(
                error: KafkaError | None, _: Record, done: asyncio.Future[bool] = done
            ) -> None:
                loop.call_soon_threadsafe(_resolve, done, error is None)

            self._producer.produce(topic, value, key, on_delivery=report)
            try:
                if await asyncio.wait_for(done, PATIENCE):
                    return
            except TimeoutError:
                raise Unreachable(
                    f"the broker did not take a record of {topic} for {PATIENCE:.0f} s"
                ) from None
            await asyncio.sleep(1.0)

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(0.05)


def _resolve(done: asyncio.Future[bool], delivered: bool) -> None:
    if not done.done():
        done.set_result(delivered)
