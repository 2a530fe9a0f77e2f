"""The relay from batch to batch: order, what is refused, and signs of life."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from functools import partial

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from brobyg_kit import faultpoints, kafka
from brobyg_kit import relay as relaying
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.relay import Relay
from brobyg_kit.testing import eventually
from delivery_parts import Parts, going

from .test_controls import sent

_TAKE = (
    "with taken as (delete from outbox where id = any($1::bigint[]) returning *)"
    " select * from taken order by id"
)
_PUT = (
    "insert into outbox (id, topic, key, value, content_type)"
    " overriding system value values ($1, $2, $3, $4, $5)"
)


async def empty(parts: Parts) -> bool:
    return await parts.pool.fetchval("select count(*) from outbox") == 0


async def test_what_fills_many_batches_is_sent_once_and_in_order(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "_BATCH", 10)
    await parts.emit(range(95))
    async with going(parts.relay()):
        assert await sent(parts, 95) == list(range(1, 96))


async def _late_commit(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows 1 to 10 are in flight, but for 5, which commits only now; 11 is of the same subject."""
    monkeypatch.setattr(relaying, "_BATCH", 10)
    await parts.emit(range(11))
    ids = [row["id"] for row in await parts.pool.fetch("select id from outbox order by id")]
    late = await parts.pool.fetch(_TAKE, [ids[4], ids[10]])

    async def commit() -> None:
        connection = await asyncpg.connect(parts.database.url)
        await connection.executemany(_PUT, [tuple(row)[:5] for row in late])
        await connection.close()

    reached: list[str] = []

    def reach(point: str) -> None:
        reached.append(point)
        if reached == [faultpoints.AFTER_COMMIT_BEFORE_SEND]:
            _elsewhere(lambda: asyncio.run(commit()))

    monkeypatch.setattr(faultpoints, "reach", reach)
    async with going(parts.relay()):
        return await sent(parts, 11)


def _elsewhere(work: Callable[[], None]) -> None:
    """As another process would: while this loop stands still."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_a_late_commit_is_neither_skipped_nor_overtaken_by_its_subjects_next(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _late_commit(parts, monkeypatch) == [1, 2, 3, 4, 6, 7, 8, 9, 10, 5, 11]


async def test_control_without_the_count_the_next_overtakes_a_late_commit(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded = (
        "select id, topic, key, value, content_type from outbox"
        " where (id < $2 or id > $3) and $4::int > 0 order by id limit $1"
    )
    monkeypatch.setattr(relaying, "_FETCH_NEXT", unguarded)
    assert await _late_commit(parts, monkeypatch) == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 5]


async def test_a_refused_record_waits_and_what_the_broker_took_is_not_sent_again(
    parts: Parts,
) -> None:
    async with parts.database.transaction() as tx:
        tx.send("no.such.topic", "a", b"{}")
    await parts.emit(range(20))
    metrics, heartbeat = Metrics(), Heartbeat("relay")

    async def told() -> bool:
        return "a record was not sent" in heartbeat.trouble

    async def only_the_refused() -> bool:
        rows = await parts.pool.fetch("select topic from outbox")
        return [row["topic"] for row in rows] == ["no.such.topic"]

    async with going(Relay(parts.database.url, parts.kafka, "test", metrics, heartbeat)):
        assert await sent(parts, 20) == list(range(1, 21))
        await eventually(told, "the relay says that something is refused")
        await parts.emit([20])
        assert await sent(parts, 21) == list(range(1, 22))
        await eventually(
            only_the_refused, "what the broker took is gone from the outbox", timeout=40
        )


async def limit_records(parts: Parts, size: int) -> None:
    """Have the broker refuse record batches of the topic that are larger than `size` bytes.

    It applies a limit after it has taken it.
    """
    limit = {"max.message.bytes": str(size)}

    async def applied() -> bool:
        asked = ConfigResource(ConfigResourceType.TOPIC, parts.topic, dict.fromkeys(limit))
        [response] = await admin.describe_configs([asked])
        return str(size) in [one[1] for one in response.resources[0][4]]

    async with kafka.admin(parts.kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, parts.topic, limit)])
        await eventually(applied, "the broker applies the limit")


async def _refused_for_a_while(parts: Parts) -> list[int]:
    """Three records of a subject, each in a batch of its own; the second is refused for a while."""
    await limit_records(parts, 1_000)
    async with parts.database.transaction() as tx:
        for number, size in enumerate((10, 3_000, 10)):
            tx.send(parts.topic, "a", b"%d%s" % (number, secrets.token_hex(size).encode()))
    heartbeat = Heartbeat("relay")
    # Idempotent, the broker itself would refuse what follows a refused batch, within one session.
    settings = {"max_batch_size": 1, "enable_idempotence": False}
    alone = partial(kafka.batch_producer, **settings)

    async def refused() -> bool:
        return "a record was not sent" in heartbeat.trouble

    async with going(Relay(parts.database.url, parts.kafka, "test", Metrics(), heartbeat, alone)):
        await eventually(refused, "the relay says that a record is refused")
        await limit_records(parts, 1_000_000)
        return [int((one.value or b"")[:1]) for one in await parts.read(3)]


async def test_a_record_that_is_refused_for_a_while_is_not_overtaken_by_its_subjects_next(
    parts: Parts,
) -> None:
    assert await _refused_for_a_while(parts) == [0, 1, 2]


async def test_control_sent_without_regard_to_what_was_refused_the_next_overtakes(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = Relay._send_part

    async def regardless(
        relay: Relay, producer: AIOKafkaProducer, part: relaying._Part
    ) -> tuple[list[int], str]:
        sent, failure = [], ""
        for batch in part.batches:
            alone = relaying._Part(part.topic, part.partition, [batch])
            ids, refused = await one_by_one(relay, producer, alone)
            sent, failure = sent + ids, failure or refused
        return sent, failure

    monkeypatch.setattr(Relay, "_send_part", regardless)
    assert await _refused_for_a_while(parts) == [0, 2, 1]


async def test_a_relay_that_is_never_idle_shows_that_it_lives(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "_BATCH", 1)
    left: list[int] = []

    class Counting(Heartbeat):
        def beat(self) -> None:
            left.append(1)
            super().beat()

    await parts.emit(range(30))
    async with going(Relay(parts.database.url, parts.kafka, "test", Metrics(), Counting("relay"))):
        await sent(parts, 30)
        await eventually(lambda: empty(parts), "the outbox is empty")
    assert len(left) >= 30


async def test_a_relay_whose_lock_another_session_has_says_who_once_rows_wait(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "LOCK_PATIENCE", 0.0)
    holder = await asyncpg.connect(parts.database.url)
    await holder.execute("select pg_advisory_lock($1)", relaying._LOCK)
    pid, beat = holder.get_server_pid(), Heartbeat("relay")

    async def content() -> bool:
        return not beat.trouble

    async def told() -> bool:
        return f"(pid {pid}, login " in beat.trouble

    async with going(Relay(parts.database.url, parts.kafka, "test", Metrics(), beat)):
        await eventually(content, "a second relay that has nothing to do is content")
        await parts.emit(range(1))
        await eventually(told, "the relay tells who has its lock")
        await holder.close()
        assert await sent(parts, 1) == [1]
        await eventually(content, "the relay is content again")
