"""The bare hops: each step of a request on its way to a mail, with nothing of ours around it.

`python -m benchmarks.hops` serves the bare HTTP application on the port given, in a process of its
own as the services are.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiosmtplib import SMTP
from brobyg_kit import kafka
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import eventually

from benchmarks import ground

Scope = dict[str, object]
Receive = Callable[[], Awaitable[dict[str, object]]]
Send = Callable[[Mapping[str, object]], Awaitable[None]]

_MAIL = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: bare\r\n\r\n"
    + (b"x" * 70 + b"\r\n") * 30
)
_BODY = b'{"resourceType":"Appointment"}' + b" " * 700


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer any request with a few bytes, its body read."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "http.response.body", "body": b'{"ok":true}'})


@dataclass(frozen=True, slots=True)
class Hops:
    """The hops, ready to be taken. Each method takes one and returns its milliseconds."""

    http: httpx2.AsyncClient
    database: "asyncpg.Connection[asyncpg.Record]"
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    topic: str
    smtp: SMTP

    async def post(self) -> float:
        """An HTTP POST of a FHIR-sized body to a server that does nothing."""
        began = time.perf_counter()
        await self.http.post("/", content=_BODY)
        return _since(began)

    async def get(self) -> float:
        """An HTTP GET from the same server."""
        began = time.perf_counter()
        await self.http.get("/")
        return _since(began)

    async def commit(self) -> float:
        """A transaction of one inserted row, synchronous_commit on."""
        began = time.perf_counter()
        async with self.database.transaction():
            await self.database.execute("insert into bare (value) values ($1)", _BODY)
        return _since(began)

    async def record(self) -> float:
        """A record from producer (idempotent, acks=all, no linger) to consumer."""
        began = time.perf_counter()
        await self.producer.send(self.topic, _BODY, b"key", partition=0)
        if not await self.consumer.getmany(timeout_ms=10_000, max_records=1):
            raise TimeoutError("a bare record did not come through within 10 s")
        return _since(began)

    async def mail(self) -> float:
        """A mail over a connection that is open."""
        began = time.perf_counter()
        await self.smtp.sendmail("a@example.org", ["b@example.org"], _MAIL)
        return _since(began)


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1_000


@asynccontextmanager
async def hops(address: str, server: str, smtp_port: int) -> AsyncIterator[Hops]:
    """All of them against this broker, database server and mail server, warmed up."""
    topic = ground.unique("hop")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ground.topics(address, [topic], partitions=1))
        database = await stack.enter_async_context(ground.database(server, "hop"))
        connection = await asyncpg.connect(database.url, timeout=10)
        stack.push_async_callback(connection.close)
        await connection.execute(
            "create table bare"
            " (id bigint generated always as identity primary key, value bytea not null)"
        )
        http = await stack.enter_async_context(_served())
        smtp = SMTP(hostname="127.0.0.1", port=smtp_port, start_tls=False, timeout=10)
        await smtp.connect()
        stack.push_async_callback(smtp.quit)
        consumer = await stack.enter_async_context(kafka.reader(address))
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        producer = kafka.batch_producer(address, "bench-hop", linger_ms=0)
        await producer.start()
        stack.push_async_callback(producer.stop)
        made = Hops(
            http,
            connection,
            producer,
            consumer,
            topic,
            smtp,
        )
        for _ in range(10):
            for hop in (made.post, made.get, made.commit, made.record, made.mail):
                await hop()
        yield made


@asynccontextmanager
async def _served() -> AsyncIterator[httpx2.AsyncClient]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.hops", str(port)
    )
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False
        ) as client:

            async def answers() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    return (await client.get("/")).status_code == 200
                return False

            await eventually(answers, "the bare HTTP server answers")
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


if __name__ == "__main__":
    uvicorn.run(
        application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False
    )
