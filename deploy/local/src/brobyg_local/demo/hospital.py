"""The hospital's integration engine: sends the week's messages at their times, by HTTP or Kafka."""

import asyncio

import httpx2
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from brobyg_kit import kafka

from brobyg_local.errors import ServiceUnreachable

from .access import PATIENCE, SystemAccess, http_client, send_until_answered
from .tally import Tally
from .week import HospitalMessage


class Hospital:
    """Delivers each message once it is due, skips none, and keeps the order of an appointment's."""

    def __init__(self, access: SystemAccess, tally: Tally) -> None:
        """Nothing is connected yet."""
        self._access = access
        self._tally = tally

    async def play(self, messages: tuple[HospitalMessage, ...]) -> None:
        """Return when every message is delivered or was given up (the tally says so)."""
        latest: dict[str, asyncio.Task[None]] = {}
        tasks: list[asyncio.Task[None]] = []
        producer = kafka.batch_producer(self._access.kafka, "hospital-engine")
        await producer.start()
        try:
            async with http_client() as http:
                for message in messages:
                    before = [latest[key] for key in message.keys if key in latest]
                    task = asyncio.create_task(self._deliver(http, producer, message, before))
                    latest.update(dict.fromkeys(message.keys, task))
                    tasks.append(task)
                await asyncio.gather(*tasks)
        finally:
            await kafka.abandon(producer)

    async def _deliver(
        self,
        http: httpx2.AsyncClient,
        producer: AIOKafkaProducer,
        message: HospitalMessage,
        before: list[asyncio.Task[None]],
    ) -> None:
        await self._access.until(message.at)
        await asyncio.gather(*before)
        try:
            if message.channel == "kafka":
                outcome = await _publish(producer, message)
            else:
                outcome = await self._request(http, message)
        except ServiceUnreachable as error:
            self._tally.surprises.append(f"{message.keys[0]} was not delivered: {error}")
            return
        self._tally.was_late(self._access.late_seconds(message.at))
        self._tally.delivered[outcome] += 1
        if message.expect != "rejected":
            self._tally.keys.update(message.keys)

    async def _request(self, http: httpx2.AsyncClient, message: HospitalMessage) -> str:
        """Send over FHIR; returns what the hospital was told: kept, dropped, rejected."""
        sign_in = self._access.sign_in("hospital", organisation=message.organisation)
        response = await send_until_answered(
            http,
            str(message.method),
            self._access.url("referral") + message.path,
            headers={**sign_in, "Content-Type": "application/fhir+json"},
            content=message.content(),
            on_again=self._count_again,
        )
        outcomes = {_outcome(status) for status in _statuses(response)}
        outcome = outcomes.pop() if len(outcomes) == 1 else "mixed"
        # A repeat or an old version is accepted, it only has no effect.
        expected = "kept" if message.expect in {"repeat", "stale"} else message.expect
        if outcome != expected:
            self._tally.surprises.append(
                f"{message.keys[0]} ({message.note}): {response.status_code}, expected"
                f" {message.expect}"
            )
        return outcome

    def _count_again(self) -> None:
        self._tally.again += 1


async def _publish(producer: AIOKafkaProducer, message: HospitalMessage) -> str:
    """Return when the record is acknowledged, through outages. Raises `ServiceUnreachable`."""
    key, value = message.keys[0].encode(), message.content()
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await producer.send_and_wait(message.path, value, key)
                    return "kafka"
                except KafkaError:
                    await asyncio.sleep(1.0)
    except TimeoutError:
        said = f"the broker did not take a record of {message.path} for {PATIENCE:.0f} s"
        raise ServiceUnreachable(said) from None


def _statuses(response: httpx2.Response) -> list[int]:
    """The answer's status, or those of its entries where it is a Bundle."""
    if response.status_code == 200 and b"Bundle" in response.content[:400]:
        return [int(one["response"]["status"].split()[0]) for one in response.json()["entry"]]
    return [response.status_code]


def _outcome(status: int) -> str:
    if status == 202:
        return "dropped"
    if status < 300:
        return "kept"
    return "rejected" if status in {400, 404, 413, 415, 422} else str(status)
