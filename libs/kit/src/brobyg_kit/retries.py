"""Parked events tried again, one by one, beside the batches.

A parked event's record is read before its transaction begins, so that no row is locked while Kafka
is asked.
"""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from brobyg_kit.batches import Batches, Interrupted
from brobyg_kit.database import Database
from brobyg_kit.decoding import read
from brobyg_kit.errors import RecordGone
from brobyg_kit.health import Heartbeat
from brobyg_kit.kafka import Reader
from brobyg_kit.logs import get_logger
from brobyg_kit.parking import Parked, Received, is_permanent
from brobyg_kit.subscription import Subscription

log = get_logger(__name__)

#: How often it is looked whether a pause is over, seconds of wall time.
_EVERY = 0.5


class Retries:
    """Tries the parked events of one subscription again when their pauses are over."""

    def __init__(
        self, database: Database, subscription: Subscription, batches: Batches, reader: Reader
    ) -> None:
        """`reader` reads the records; it is the caller's to close."""
        self._database, self._subscription = database, subscription
        self._batches, self._reader = batches, reader
        self.heartbeat = Heartbeat("retries", trouble="")

    async def run(self) -> None:
        """Try again until cancelled, or stopped while waiting for the database."""
        while True:
            try:
                await self._batches.until_done(self.heartbeat, self._all_due)
            except Interrupted:
                return
            self.heartbeat.beat()
            await asyncio.sleep(_EVERY)

    async def _all_due(self, blaming: bool) -> None:
        while await self._one(blaming):
            self.heartbeat.beat()

    async def _one(self, blaming: bool) -> bool:
        """Try one parked event whose pause is over; True when there was one."""
        parking = self._batches.parking
        async with self._database.transaction() as tx:
            parked = await parking.due(tx)
        if parked is None:
            return False
        try:
            received = await self._read(parked)
        except (TimeoutError, KafkaError) as error:
            failure: Exception | None = error
            async with self._database.transaction() as tx:
                await parking.put_off(tx, parked)
        except RecordGone as error:
            failure = error
            async with self._database.transaction() as tx:
                await parking.failed(tx, parked, error, permanent=True)
        else:
            failure = await self._try(parked, received, blaming)
        log.info(
            "event.retried", origin=str(parked.origin), succeeded=failure is None, error=failure
        )
        return True

    async def _read(self, parked: Parked) -> list[Received]:
        """The events of its record, the parked one first.

        There may be others that this code makes of the record, and the code that parked it did not.
        """
        origin = parked.origin
        key, value = await self._reader.record(origin.topic, origin.partition, origin.offset)
        found = read(self._subscription, origin, key, value)
        return sorted(found, key=lambda one: one.event.id != parked.event_id)

    async def _try(
        self, parked: Parked, received: Sequence[Received], blaming: bool
    ) -> Exception | None:
        """Handle it and remove it, or record why not, which is returned.

        Raises an error that is the database's.
        """
        parking = self._batches.parking
        first, *others = received
        try:
            async with self._database.transaction() as tx:
                if await parking.claim(tx, parked):  # else another process was faster
                    await self._batches.handle_alone(tx, first)
                    for one in others:
                        if not await parking.is_parked(tx, one.event.id):
                            await self._batches.handle_alone(tx, one)
                    await parking.handled(tx, parked)
        except Exception as error:
            if not await self._batches.is_the_events(error, blaming=blaming):
                raise
            if self._batches.is_passed_over(first, error):
                await self._pass_over(parked, first, error)
                return error
            async with self._database.transaction() as tx:
                await parking.failed(tx, parked, error, permanent=is_permanent(error))
            return error
        return None

    async def _pass_over(self, parked: Parked, received: Received, error: Exception) -> None:
        """Remove it without effect: dead, it would hold up its subject."""
        async with self._database.transaction() as tx:
            if await self._batches.parking.claim(tx, parked):
                await self._batches.pass_over(tx, received, error)
                await self._batches.parking.handled(tx, parked)
