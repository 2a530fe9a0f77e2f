"""What was told long ago is deleted, what waits or is still to come is not."""

from datetime import UTC, datetime, timedelta

from brobyg_contracts.retention import kinds
from brobyg_kit.clock import ManualClock
from brobyg_kit.ids import derived_id
from brobyg_kit.testing import fresh_database
from brobyg_notification.adapters.retention import RETENTION
from brobyg_notification.adapters.tables import called_off, notification
from brobyg_notification.bootstrap import SERVICE
from sqlalchemy import insert, select

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
#: By name: state, and days since it ended and since what it tells of was over.
NOTICES = {
    "sent long ago": ("sent", 366, 365.5),
    "given up long ago": ("failed", 400, None),
    "replaced long ago": ("superseded", 365.1, 366),
    "sent lately": ("sent", 364.9, 364.9),
    "tells of what is to come": ("sent", 400, -10),
    "over lately": ("sent", 400, 364.9),
    "waits": ("waiting", None, 400),
}
GONE = {"sent long ago", "given up long ago", "replaced long ago"}


def ago(days: float | None) -> datetime | None:
    return None if days is None else NOW - timedelta(days=days)


def a_notice(name: str, state: str, ended: float | None, over: float | None) -> dict[str, object]:
    return {
        "notification_id": derived_id("notice", name),
        "template": "matched",
        "recipient_role": "helper",
        "recipient_id": "somebody",
        "need_id": derived_id("need"),
        "pathway": "escort",
        "department": "randers",
        "cause": derived_id("cause", name),
        "cause_event": {},
        "thread": name,
        "state": state,
        "due_at": NOW,
        "created_at": NOW,
        "ended_at": ago(ended),
        "ends_at": ago(over),
    }


async def test_exactly_what_is_over_is_deleted_in_batches_and_a_second_run_does_nothing(
    postgres: str,
) -> None:
    days = {kind: kinds()[kind].days for kind in RETENTION}
    async with fresh_database(postgres, SERVICE, ManualClock(NOW)) as database:
        async with database.transaction() as tx:
            notices = [a_notice(name, *what) for name, what in NOTICES.items()]
            await tx.connection.execute(insert(notification), notices)
            for one in (364.9, 365.1, 800):
                off = {"need_id": derived_id("off", str(one)), "reason": "r", "event": {}}
                await tx.connection.execute(insert(called_off), off | {"happened_at": ago(one)})

        async def carry_out(kind: str) -> int:
            before = ago(days[kind])
            assert before is not None
            async with database.transaction() as tx:
                return await RETENTION[kind].carry_out(tx, before, 2)

        assert [await carry_out("notification") for _ in range(3)] == [2, 1, 0]
        assert [await carry_out("called_off") for _ in range(2)] == [2, 0]
        async with database.connect() as connection:
            left = set(await connection.scalars(select(notification.c.thread)))
            assert left == NOTICES.keys() - GONE
            happened = list(await connection.scalars(select(called_off.c.happened_at)))
            assert happened == [ago(364.9)]
