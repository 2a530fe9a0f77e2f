"""The service as its callers see it, for the tests beside this."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
from brobyg_kit.database import Database
from brobyg_kit.event import Event
from brobyg_kit.parking import Origin
from brobyg_kit.testing import Running, bearer
from brobyg_referral.hospital.use_cases.hospital_records import HOSPITAL_TOPIC, REJECTED_TOPIC
from referral_samples import SYSTEM, referral
from sqlalchemy import text

KEYS = {
    "referral_encryption_key": base64.b64encode(b"e" * 32).decode(),
    "referral_cpr_key": base64.b64encode(b"c" * 32).decode(),
    "referral_kafka_organisation": "hospital-randers",
    "referral_rising_versions": "hospital-randers",
}
HOSPITAL = bearer("hospital", organisation="hospital-randers")
OTHER_HOSPITAL = bearer("hospital", organisation="hospital-horsens")
REFERRER = bearer("referrer", organisation="gp-4411")
FHIR_JSON = {"Content-Type": "application/fhir+json"}


@dataclass(frozen=True)
class Served:
    """The service as a caller sees it, with a look into its database."""

    running: Running

    async def refer(
        self, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return await self.running.client.post(
            "/referrals", json=body or referral(), headers=REFERRER | (headers or {})
        )

    async def referred(self, **changes: Any) -> dict[str, Any]:
        answer = await self.refer(referral(**changes))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def fhir(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        content = (
            body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        )
        return await self.running.client.request(
            method, f"/fhir{path}", content=content, headers=HOSPITAL | FHIR_JSON | (headers or {})
        )

    async def put(
        self, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        number = body["identifier"][0]["value"]
        return await self.fhir("PUT", f"/Appointment?identifier={SYSTEM}|{number}", body, headers)

    @property
    def database(self) -> Database:
        """The service's own database."""
        assert self.running.runtime.database is not None
        return self.running.runtime.database

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.database.connect() as connection:
            result = await connection.execute(text(query))
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Type (without the prefix) and data of what waits in the outbox."""
        rows = await self.rows(
            "select value from outbox where topic = 'brobyg.referral.v1' order by id"
        )
        events = [msgspec.json.decode(row["value"]) for row in rows]
        return [(event["type"].removeprefix("dk.brobyg."), event["data"]) for event in events]

    async def needs(self) -> list[tuple[str, dict[str, Any]]]:
        """What was told of needs: opened, changed or closed, and the data."""
        return [
            (kind.removeprefix("need."), data)
            for kind, data in await self.events()
            if kind.startswith("need.")
        ]

    async def attention(self) -> list[tuple[str, dict[str, Any]]]:
        """What was told of items that need a human: raised, claimed or settled, and the data."""
        return [
            (kind.removeprefix("attention."), data)
            for kind, data in await self.events()
            if kind.startswith("attention.")
        ]

    async def records(self) -> list[dict[str, Any]]:
        """What was told of citizens for helpers to know."""
        rows = await self.rows(
            "select value from outbox where topic = 'brobyg.citizen.v1' and value is not null"
            " order by id"
        )
        return [msgspec.json.decode(row["value"])["data"] for row in rows]

    async def told(self) -> list[str]:
        """Types of the appointment events."""
        return [
            kind.removeprefix("appointment.")
            for kind, _ in await self.events()
            if kind.startswith("appointment.")
        ]

    async def counts(self) -> dict[str, int]:
        answer = await self.running.client.get("/counts", headers=bearer("analyst"))
        assert answer.status_code == 200
        return dict(answer.json())


def events_of(service: Served, *bodies: object) -> list[Event]:
    """These records as the consumer hands them on, each without a key."""
    decode = service.running.runtime.parts.decoders[HOSPITAL_TOPIC]
    return [
        decode(
            Origin(HOSPITAL_TOPIC, 0, offset),
            None,
            body if isinstance(body, bytes) else msgspec.json.encode(body),
        )
        for offset, body in enumerate(bodies)
    ]


async def handled(service: Served, *bodies: object) -> list[dict[str, Any]]:
    """Handle these records in one transaction; return what the rejected topic is sent."""
    handle = service.running.runtime.parts.handle
    assert handle is not None
    async with service.database.transaction() as tx:
        await handle(tx, events_of(service, *bodies))
    rows = await service.rows(
        f"select value from outbox where topic = '{REJECTED_TOPIC}' order by id"
    )
    return [json.loads(row["value"]) for row in rows]


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


async def every_row(service: Served) -> dict[str, int]:
    """How many rows each table has, the counts left out."""
    tables = await service.rows(
        "select table_name from information_schema.tables"
        " where table_schema = 'public' and table_name <> 'intake_count'"
    )
    return {
        row["table_name"]: (await service.rows(f"select count(*) from {row['table_name']}"))[0][
            "count"
        ]
        for row in tables
    }
