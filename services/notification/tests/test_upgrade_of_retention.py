"""Which needs are closed is read from what was called off before closed needs were stored."""

import json
import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    OfferMade,
    VolunteerMatched,
)
from brobyg_kit.event import EventData
from brobyg_kit.ids import derived_id
from brobyg_kit.migrate import migrate
from brobyg_notification.adapters.tables import metadata
from brobyg_notification.bootstrap import SERVICE

CLOSED_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BEFORE, AFTER = CLOSED_AT - timedelta(hours=1), CLOSED_AT + timedelta(hours=1)
LATER = AFTER + timedelta(hours=1)


class Told(NamedTuple):
    """What somebody was told."""

    template: str
    caused_by: type[EventData]
    #: When its cause took place.
    time: datetime
    reason: str | None = None


MATCHED = Told("matched_helper", VolunteerMatched, BEFORE)
MATCHED_SINCE = MATCHED._replace(time=AFTER)
#: By name: what was called off last, and what was told.
NEEDS: dict[str, tuple[type[EventData], list[Told]]] = {
    "closed, nobody was told": (NeedClosed, []),
    "closed after a match": (NeedClosed, [MATCHED]),
    "closed, and all told of it": (
        NeedClosed,
        [
            MATCHED,
            Told("released_citizen", NeedClosed, CLOSED_AT, "withdrawn"),
            Told("released_helper", MatchReleased, AFTER, "withdrawn"),
        ],
    ),
    "closed, and the coordinator phones": (
        NeedClosed,
        [Told("unreachable_citizen", NeedClosed, CLOSED_AT)],
    ),
    # The two topics have no order between them.
    "closed while somebody said yes": (
        NeedClosed,
        [MATCHED_SINCE, Told("released_helper", MatchReleased, LATER, "withdrawn")],
    ),
    "opened again and asked for": (NeedClosed, [Told("offer", OfferMade, AFTER)]),
    "opened again and matched": (NeedClosed, [MATCHED_SINCE]),
    "opened again, nobody found": (NeedClosed, [Told("escalated", MatchEscalated, AFTER)]),
    "opened again, and the helper fell ill": (
        NeedClosed,
        [MATCHED_SINCE, Told("released_helper", MatchReleased, LATER, "helper_withdrew")],
    ),
    "moved": (NeedChanged, [MATCHED]),
}
CLOSED = {name for name in NEEDS if name.startswith("closed")}


@pytest.fixture
async def before(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database of the revision before."""
    for name in ("0001_initial.py", "0002_erasure.py"):
        shutil.copy(SERVICE.versions / name, tmp_path)
    server = await asyncpg.connect(f"{postgres}/postgres")
    name = f"brobyg_notification_upgrade_{uuid.uuid4().hex[:10]}"
    await server.execute(f'create database "{name}"')
    try:
        await migrate(f"{postgres}/{name}", metadata, tmp_path)
        yield f"{postgres}/{name}"
    finally:
        await server.execute(f'drop database "{name}" with (force)')
        await server.close()


def an_event(kind: type[EventData], time: datetime) -> str:
    return json.dumps({"type": kind.EVENT_TYPE, "time": time.isoformat().replace("+00:00", "Z")})


async def fill(url: str) -> None:
    """The needs, handled long after their events took place."""
    connection = await asyncpg.connect(url)
    for name, (kind, told) in NEEDS.items():
        need_id = derived_id("need", name)
        await connection.execute(
            "insert into called_off (need_id, reason, happened_at, event)"
            " values ($1::text::uuid, 'withdrawn', $2, $3::text::jsonb)",
            need_id, CLOSED_AT, an_event(kind, CLOSED_AT),
        )  # fmt: skip
        for one in told:
            await connection.execute(
                "insert into notification (notification_id, template, recipient_role,"
                " recipient_id, need_id, pathway, department, cause, cause_event, thread, due_at,"
                " created_at, release_reason) values ($1::text::uuid, $2, 'helper', $2,"
                " $3::text::uuid, 'p', 'd', $1::text::uuid, $4::text::jsonb, $2, $5, $5, $6)",
                derived_id("notice", name, one.template), one.template, need_id,
                an_event(one.caused_by, one.time), LATER + timedelta(days=1), one.reason,
            )  # fmt: skip
    await connection.close()


async def test_a_need_that_was_opened_again_is_not_closed(before: str) -> None:
    await fill(before)
    assert "notification_retention" in await migrate(before, metadata, SERVICE.versions)
    connection = await asyncpg.connect(before)
    rows = await connection.fetch("select need_id, closed_at from closed_need")
    await connection.close()
    names = {derived_id("need", name): name for name in NEEDS}
    assert {names[str(row["need_id"])] for row in rows} == CLOSED
    assert {row["closed_at"] for row in rows} == {CLOSED_AT}
