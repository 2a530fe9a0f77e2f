"""Lanes side by side: each has partitions of its own, so that each subject keeps its order."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from brobyg_kit import kafka
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.health import Heartbeat
from brobyg_kit.parking import Parking, Received
from brobyg_kit.subscribers import Lane
from brobyg_kit.testing import eventually
from delivery_parts import Parts, committed, going, has_effects, record

EVENTS, SUBJECTS = 600, 30


async def in_order(parts: Parts) -> bool:
    seen: dict[str, list[int]] = {}
    for subject, number in await parts.recorded():
        seen.setdefault(subject, []).append(number)
    assert len(seen) == SUBJECTS
    return all(numbers == sorted(numbers) for numbers in seen.values())


async def consumed(parts: Parts, max_batch: int = 7) -> None:
    """All events through lanes of at most a few at a time, from a topic that holds them all."""
    await parts.emit(range(EVENTS), subjects=SUBJECTS)
    async with going(parts.relay()):
        await parts.sent_all()
    consumer = parts.consumer(record, max_batch=max_batch)
    async with going(consumer):
        await has_effects(parts, EVENTS)
    assert len(await parts.recorded()) == EVENTS


async def test_side_by_side_every_subject_keeps_its_order(parts: Parts) -> None:
    await consumed(parts)
    assert await in_order(parts)


async def test_control_dealt_out_without_regard_to_partitions_they_lose_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dealt_out(lane: Lane, batch: Sequence[Received], blaming: bool) -> None:
        process = lane._batches.process
        await asyncio.gather(*(process(batch[start::4], blaming=blaming) for start in range(4)))

    monkeypatch.setattr(Lane, "_process", dealt_out)
    await consumed(parts, max_batch=100)
    assert not await in_order(parts)


async def test_a_commit_that_no_broker_answers_is_tried_again_and_told(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "REQUEST_TIMEOUT", 0.2)
    given_up = 0
    commit = AIOKafkaConsumer.commit

    async def unanswered(client: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        nonlocal given_up
        if given_up < 3:
            try:
                await asyncio.Event().wait()
            finally:
                given_up += 1
        await commit(client, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", unanswered)
    told: list[str] = []
    struggle = Heartbeat.struggle

    def recorded(heartbeat: Heartbeat, trouble: str) -> None:
        told.append(trouble)
        struggle(heartbeat, trouble)

    monkeypatch.setattr(Heartbeat, "struggle", recorded)
    await parts.emit(range(EVENTS), subjects=SUBJECTS)

    async def all_committed() -> bool:
        return await committed(parts) == EVENTS

    async with going(parts.relay(), parts.consumer(record, max_batch=7)):
        await eventually(all_committed, "every offset is committed")
    assert given_up >= 3
    assert told.count("no broker answers, so no offsets are committed") == given_up
    assert len(await parts.recorded()) == EVENTS


async def test_an_event_that_fails_holds_up_its_own_subject_and_no_other_lane(parts: Parts) -> None:
    async def handle(tx: Transaction, events: Sequence[Event]) -> None:
        if any(event.decode(parts.kind).number == 3 for event in events):
            raise ValueError("a bug")
        await record(tx, events)

    await parts.emit(range(EVENTS), subjects=SUBJECTS)
    async with going(parts.relay(), parts.consumer(handle, max_batch=7)):
        await has_effects(parts, EVENTS - EVENTS // SUBJECTS)
    assert "subject-3" not in {subject for subject, _ in await parts.recorded()}
    parked = await Parking("test").listed(parts.database)
    assert {one.subject for one in parked} == {"subject-3"}
    assert len(parked) == EVENTS // SUBJECTS


async def test_records_that_the_broker_gathers_come_together(parts: Parts) -> None:
    """In one batch, or in two when the time to gather ended between them."""
    sizes: list[int] = []

    async def noted(tx: Transaction, events: Sequence[Event]) -> None:
        sizes.append(len(events))
        await record(tx, events)

    async with going(parts.relay(), parts.consumer(noted, lanes=1, gather=5.0)):
        for number in range(1, 6):
            await parts.emit([number])
            await parts.sent_all()
        await has_effects(parts, 5)
    assert len(sizes) <= 2
