"""From the real broker and back onto it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from brobyg_contracts import OfferMade, ReferralCreated
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event, decode, encode
from brobyg_kit.kafka import batch_producer
from brobyg_kit.testing import Running, eventually
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.bootstrap import SERVICE
from brobyg_matching.ports import Contact
from matching_api import KEYS
from matching_samples import a_booking, a_volunteer, event, referral_created

OFFER_MADE = OfferMade.EVENT_TYPE
Serve = Callable[..., AbstractAsyncContextManager[Running]]


async def publish(address: str, events: list[Event]) -> None:
    async with batch_producer(address, "referral") as producer:
        for one in events:
            await producer.send_and_wait(
                ReferralCreated.TOPIC, key=one.subject.encode(), value=encode(one)
            )


@pytest.mark.timeout(180)
async def test_a_booking_becomes_offers_on_the_stream_and_silence_asks_the_next(
    topics: str, serve: Serve, clock: ManualClock
) -> None:
    async with serve(SERVICE, clock=clock, role="run", **KEYS) as running:
        database = running.runtime.database
        assert database is not None
        volunteers = PostgresVolunteers(database)
        contact = Contact(name="Ida Test", email="ida@example.org", phone=None, language="da")
        async with database.transaction() as tx:
            for number in range(5):
                await volunteers.add(tx, a_volunteer(f"v{number}"), contact)
        await publish(topics, [event(referral_created()), event(a_booking())])
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
        assert len({offer.volunteer_id for offer in seen}) == 5
