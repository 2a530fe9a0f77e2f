"""What the last release before citizens could be erased has left: databases and topics."""

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import msgspec
from brobyg_kit import kafka

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden" / "before_privacy"


class Record(NamedTuple):
    """A record of a topic."""

    topic: str
    key: str
    value: bytes | None


def _key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


#: The keys with which the week was played, made up for it, and those that came later.
KEYS = {
    "referral": {"referral_encryption_key": _key("e"), "referral_cpr_key": _key("c")},
    "matching": {
        "matching_link_keys": _key("l"),
        "matching_registration_keys": _key("r"),
        "matching_encryption_key": _key("m"),
        "matching_lookup_key": _key("k"),
    },
}


def records(file: str) -> list[Record]:
    """The records in a file of the folder, in their order on each partition."""
    lines = gzip.decompress((FOLDER / file).read_bytes()).splitlines()
    return [
        Record(one["topic"], one["key"], one["value"] and one["value"].encode())
        for one in map(msgspec.json.decode, lines)
    ]


async def publish(address: str, given: list[Record]) -> None:
    """Put them on the topics as they were; a record without a value is a tombstone."""
    producer = kafka.batch_producer(address, "upgrade-tests")
    await producer.start()
    try:
        sent = [await producer.send(one.topic, one.value, one.key.encode()) for one in given]
        await producer.flush()
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


@asynccontextmanager
async def restored(server: str, service: str, name: str) -> AsyncIterator[str]:
    """The owner's address of the service's database as it was then; dropped at the end."""
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f'create database "{name}"')
        connection = await asyncpg.connect(f"{server}/{name}")
        dump = gzip.decompress((FOLDER / f"{service}.sql.gz").read_bytes()).decode()
        await connection.execute(dump)
        await connection.close()
        yield f"{server}/{name}"
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close()
