"""From the real broker and back onto it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from brobyg_contracts import CitizenRecorded, ConsentGiven, NeedOpened, OfferMade
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event, decode, encode
from brobyg_kit.kafka import batch_producer
from brobyg_kit.testing import Running, eventually
from brobyg_matching.bootstrap import SERVICE
from matching_api import KEYS, READY_CITIZEN, give, give_reference
from matching_samples import a_helper, event, facts, need_opened

OFFER_MADE = OfferMade.EVENT_TYPE
TOPICS = {kind.EVENT_TYPE: kind.TOPIC for kind in (CitizenRecorded, ConsentGiven, NeedOpened)}
Serve = Callable[..., AbstractAsyncContextManager[Running]]


async def publish(address: str, events: list[Event]) -> None:
    async with batch_producer(address, "referral") as producer:
        for one in events:
            await producer.send_and_wait(
                TOPICS[one.type], key=one.subject.encode(), value=encode(one)
            )


@pytest.mark.timeout(180)
async def test_a_need_becomes_offers_on_the_stream_and_silence_asks_the_next(
    topics: str, serve: Serve, clock: ManualClock
) -> None:
    async with serve(SERVICE, clock=clock, role="run", **KEYS) as running:
        database = running.runtime.database
        assert database is not None
        await give_reference(database)
        await give(running, *(a_helper(f"v{number}") for number in range(5)))
        start = clock.now() + timedelta(days=3, hours=2)
        await publish(topics, [event(need_opened(facts(starts_at=start))), *READY_CITIZEN])
        seen: list[OfferMade] = []
        consumer = AIOKafkaConsumer(
            OfferMade.TOPIC, bootstrap_servers=topics, auto_offset_reset="earliest"
        )

        async def offers(number: int) -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                said = [decode(record.value) for record in records]
                seen.extend(one.decode(OfferMade) for one in said if one.type == OFFER_MADE)
            return len(seen) >= number

        async with consumer:
            await eventually(lambda: offers(3), "the first wave is asked", timeout=60)
            clock.advance(timedelta(hours=8))
            await eventually(lambda: offers(5), "silence asks the next wave", timeout=60)
        assert {offer.wave for offer in seen} == {1, 2}
        assert len({offer.helper_id for offer in seen}) == 5
