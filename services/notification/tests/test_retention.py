"""What was told long ago is deleted, what waits or is still to come is not."""

from datetime import UTC, datetime, timedelta

import pytest
from brobyg_contracts import (
    CitizenErased,
    CitizenRestricted,
    CitizenUnrestricted,
    HelperErased,
    HelperRestricted,
    HelperUnrestricted,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    VolunteerMatched,
)
from brobyg_contracts.retention import kinds
from brobyg_kit.clock import ManualClock
from brobyg_kit.event import Event, encode_data
from brobyg_kit.ids import derived_id
from brobyg_kit.tables import restriction
from brobyg_kit.testing import fresh_database
from brobyg_notification.adapters.retention import RETENTION
from brobyg_notification.adapters.tables import called_off, closed_need, notification
from brobyg_notification.bootstrap import SERVICE
from msgspec import structs
from sqlalchemy import insert, select, update

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
    "of a case still open": ("sent", 800, None),
    "of a case closed lately": ("sent", 800, None),
    "given up after the case was closed": ("failed", 300, None),
}
#: By name of a notice: days since its need was closed.
CLOSED = {
    "given up long ago": 366,
    "of a case closed lately": 364.9,
    "given up after the case was closed": 400,
    "over lately": 400,
}
LONG_AGO = NOW - timedelta(days=3_000)
GONE = {"sent long ago", "given up long ago", "replaced long ago"}


def ago(days: float | None) -> datetime | None:
    return None if days is None else NOW - timedelta(days=days)


def a_notice(name: str, state: str, ended: float | None, over: float | None) -> dict[str, object]:
    return {
        "notification_id": derived_id("notice", name),
        "template": "matched",
        "recipient_role": "helper",
        "recipient_id": "somebody",
        "need_id": derived_id("need", name),
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
            closed = [
                {"need_id": derived_id("need", name), "closed_at": ago(days_)}
                for name, days_ in CLOSED.items()
            ]
            await tx.connection.execute(insert(closed_need), closed)
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
        # The need that nothing more counts from is forgotten; the others are not.
        assert [await carry_out("closed_need") for _ in range(2)] == [1, 0]


async def test_how_long_a_case_is_kept_counts_from_its_last_closing(
    parts_for, cause, clock
) -> None:
    async with parts_for(clock) as parts:
        closed, opened = cause(NeedClosed), _opened(cause)
        closings = select(closed_need.c.need_id, closed_need.c.closed_at)
        await parts.receive(opened, closed)
        assert list(await parts.rows(closings)) == [(closed.subject, closed.time)]
        await parts.receive(structs.replace(opened, id=derived_id("again")))
        assert list(await parts.rows(closings)) == []
        # In one batch the last says how it is.
        first, last = cause(NeedClosed, number=8), _opened(cause, number=9)
        await parts.receive(first, last)
        assert list(await parts.rows(closings)) == []


def _opened(cause, number: int = 5) -> Event:
    told = cause(NeedChanged, number=number)
    return structs.replace(told, type=NeedOpened.EVENT_TYPE)


@pytest.mark.parametrize(
    ("restricts", "lifts", "who"),
    [
        (CitizenRestricted, CitizenUnrestricted, derived_id("citizen")),
        (HelperRestricted, HelperUnrestricted, derived_id("helper")),
    ],
)
async def test_what_was_told_to_somebody_restricted_stays_until_that_is_lifted(
    parts_for, cause, clock, restricts, lifts, who
) -> None:
    async with parts_for(clock) as parts:

        async def carry_out() -> int:
            async with parts.database.transaction() as tx:
                return await RETENTION["notification"].carry_out(tx, tx.now, 100)

        await parts.receive(cause(VolunteerMatched), _about(cause, restricts, who))
        await parts.rows(
            update(notification)
            .values(state="sent", ended_at=LONG_AGO, ends_at=LONG_AGO)
            .returning(notification.c.position)
        )
        assert await carry_out() == 0
        await parts.receive(_about(cause, lifts, who))
        assert await carry_out() == 2


@pytest.mark.parametrize(
    ("restricts", "erases", "who"),
    [
        (CitizenRestricted, CitizenErased, derived_id("citizen")),
        (HelperRestricted, HelperErased, derived_id("helper")),
    ],
)
async def test_nobody_who_is_erased_is_restricted(
    parts_for, cause, clock, restricts, erases, who
) -> None:
    async with parts_for(clock) as parts:
        people = select(restriction.c.person_id)
        await parts.receive(_about(cause, restricts, who))
        assert [one.person_id for one in await parts.rows(people)] == [who]
        await parts.receive(_about(cause, erases, who))
        assert list(await parts.rows(people)) == []
        again = structs.replace(_about(cause, restricts, who), id=derived_id("late"))
        await parts.receive(again)
        assert list(await parts.rows(people)) == []


def _about(cause, kind: type, who: str) -> Event:
    name = "citizen_id" if kind.EVENT_TYPE.startswith("dk.brobyg.citizen") else "helper_id"
    fields = {name: who, "reason": "objection"}
    data = kind(**{one: fields[one] for one in kind.__struct_fields__})
    said = structs.replace(cause(VolunteerMatched), id=derived_id(kind.EVENT_TYPE, who))
    return structs.replace(said, type=kind.EVENT_TYPE, subject=who, data=encode_data(data))
