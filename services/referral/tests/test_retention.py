"""Whose time is over is erased, by themselves, and nobody else; what is over is deleted."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from brobyg_contracts.retention import kinds
from brobyg_kit.database import Transaction
from brobyg_kit.ids import derived_id
from brobyg_kit.restriction import lift, restrict
from brobyg_kit.retention import OWN, Carrier
from brobyg_kit.testing import as_owner, bearer
from brobyg_referral.cases.adapters.retention import PostgresCourses
from brobyg_referral.cases.adapters.tables import (
    appointment,
    consent,
    course,
    idempotency_key,
    referral,
)
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.domain.retention import Course
from brobyg_referral.people.adapters.tables import citizen
from hypothesis import given
from hypothesis import strategies as st
from referral_bench import Served
from referral_reference import DEPARTMENT
from sqlalchemy import Table, insert, select, text

TOLD = course
real = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HEAD_OFFICE = bearer("coordinator", organisation="brobyg")
PATHWAYS = ("escort", "virtual_escort", "social_prescription")


def ago(days: float) -> datetime:
    return NOW - days * DAY


# When a citizen's time is over


def a_referral(
    created: float, given_: float, withdrawn: float | None, pathway: str = "escort"
) -> Referral:
    return Referral(
        referral_id=derived_id("referral", str(created), str(given_), str(withdrawn)),
        citizen_id=derived_id("citizen"),
        pathway=pathway,
        department="randers",
        municipality_code="0730",
        referrer_kind="gp",
        organisation="gp-4411",
        consent_given_at=ago(given_),
        created_at=ago(created),
        consent_withdrawn_at=None if withdrawn is None else ago(withdrawn),
    )


DAYS = st.integers(-30, 3_000)
REFERRALS = st.lists(
    st.builds(a_referral, DAYS, DAYS, st.none() | DAYS, st.sampled_from(PATHWAYS)), max_size=4
)
TIMES = st.lists(DAYS.map(ago), max_size=4)


def has_a_case(referrals: list[Referral]) -> bool:
    return any(one.status == "active" and one.need(one.department) for one in referrals)


@given(REFERRALS, TIMES)
def test_a_course_has_ended_or_is_silent_and_never_both(
    referrals: list[Referral], times: list[datetime]
) -> None:
    course = Course(referrals, times)
    is_known = (course.ended_at is not None) + (course.silent_since is not None)
    assert is_known == (bool(referrals) and not has_a_case(referrals))
    if course.ended_at is not None:
        assert all(one.status == "consent_withdrawn" for one in referrals)


@given(REFERRALS, TIMES, REFERRALS, TIMES)
def test_whatever_comes_later_never_makes_it_over_earlier(
    referrals: list[Referral],
    times: list[datetime],
    more: list[Referral],
    more_times: list[datetime],
) -> None:
    """Whoever is kept longer while there is consent is kept no shorter for what is added."""
    before, after = Course(referrals, times), Course([*referrals, *more], [*times, *more_times])
    for first, then in (
        (before.ended_at, after.ended_at or after.silent_since),
        (before.silent_since, after.silent_since),
    ):
        kept = has_a_case([*referrals, *more])
        assert first is None or kept or (then is not None and first <= then)


@given(REFERRALS, TIMES)
def test_all_that_is_said_of_a_silent_course_is_no_later_than_its_last_sign(
    referrals: list[Referral], times: list[datetime]
) -> None:
    since = Course(referrals, times).silent_since
    said = [*times, *(one.created_at for one in referrals)]
    assert since is None or since >= max(said)


# On the real database


def carrier(service: Served, kind: str) -> Carrier:
    return {**OWN, **service.running.runtime.parts.retention}[kind]


def before(kind: str) -> datetime:
    days = kinds()[kind].days
    assert days is not None
    return NOW - days * DAY


async def carry_out(service: Served, kind: str, batch: int | None = None) -> list[int]:
    """As the timer does: batch by batch, each in its transaction; how many each ended."""
    how, ended = carrier(service, kind), [1]
    while ended[-1]:
        async with service.database.transaction() as tx:
            ended.append(await how.carry_out(tx, before(kind), batch or how.batch))
    return ended[1:]


class Copies:
    """Citizens as one who was referred through the API, each with a course of their own."""

    def __init__(self, service: Served, citizen_row: Any, referral_row: Any) -> None:
        self._database = service.database
        self._citizen, self._referral = dict(citizen_row), dict(referral_row)

    @classmethod
    async def of(cls, service: Served) -> "Copies":
        made = await service.referred()
        async with service.database.transaction() as tx:
            rows = [
                (await tx.connection.execute(select(table))).mappings().one()
                for table in (citizen, referral)
            ]
        # Whoever is there already is none of those that the test is about.
        await as_owner(service.database, "truncate citizen cascade")
        assert made["citizen_id"] == rows[0]["citizen_id"]
        return cls(service, *rows)

    async def add(self, name: str, course: Course, told: float | None = 30.1) -> str:
        """The coordinator of one who is silent was told so many days ago."""
        citizen_id = derived_id("copied", name)
        changed = {"citizen_id": citizen_id, "cpr_hash": name.encode().ljust(32)}
        async with self._database.transaction() as tx:
            await put(tx, citizen, self._citizen | changed | {"created_at": ago(4_000)})
            for number, one in enumerate(course.referrals):
                own = {
                    "referral_id": derived_id("copied", name, str(number)),
                    "citizen_id": citizen_id,
                    "pathway": one.pathway,
                    "status": one.status,
                }
                await put(tx, referral, self._referral | own | {"created_at": one.created_at})
                await put(tx, consent, consent_of(one, own["referral_id"], citizen_id))
            for number, at in enumerate(course.appointments):
                await put(tx, appointment, an_appointment(name, number, citizen_id, at))
            since = course.silent_since
            if told is not None and since is not None and since < ago(700 + told):
                await put(tx, TOLD, {"citizen_id": citizen_id, "told_at": ago(told)})
        return citizen_id


def consent_of(one: Referral, referral_id: str, citizen_id: str) -> dict[str, Any]:
    return {
        "referral_id": referral_id,
        "citizen_id": citizen_id,
        "scope": "processing",
        "by_guardian": False,
        "given_at": one.consent_given_at,
        "withdrawn_at": one.consent_withdrawn_at,
    }


def an_appointment(
    name: str, number: int, citizen_id: str, at: datetime, announced: str = "completed"
) -> dict[str, Any]:
    # The last time may be any of the three.
    last = ("starts_at", "ends_at", "last_updated")[number % 3]
    return {
        "appointment_id": derived_id("appointment", name, str(number)),
        "is_entered": True,
        "referral_id": derived_id("copied", name, "0"),
        "citizen_id": citizen_id,
        "status": "booked",
        "patient_status": "accepted",
        "location_status": "accepted",
        "announced": announced,
        "version": 1,
        "last_updated": at - 3 * DAY,
    } | {last: at}


async def put(tx: Transaction, table: Table, row: Any) -> None:
    await tx.connection.execute(insert(table).values(row))


def generated(random: Random) -> Course:
    """About the limits of both kinds, and far from them."""
    least = random.choice([0, 179, 729, 731])
    near = [one for one in (0, 1, 179, 180, 181, 400, 729, 730, 731, 1_500) if one >= least]

    def days() -> float:
        return random.choice(near) + random.choice([-0.5, 0.5])

    referrals = [
        a_referral(created := days(), created, random.choice([None, days(), days()]), pathway)
        for pathway in PATHWAYS[: random.randint(1, 3)]
    ]
    return Course(referrals, [ago(days()) for _ in range(random.choice([0, 0, 1, 3]))])


@real
async def test_exactly_those_whose_time_is_over_are_erased_one_by_one_and_once(
    service: Served,
) -> None:
    copies, random = await Copies.of(service), Random(20261130)
    courses = {
        await copies.add(f"citizen {number}", course): course
        for number, course in enumerate(generated(random) for _ in range(60))
    }
    over = {
        kind: {
            one
            for one, course in courses.items()
            if (at := course.ended_at if kind == "citizen_ended" else course.silent_since)
            is not None
            and at < before(kind)
        }
        for kind in ("citizen_ended", "citizen_silent")
    }
    assert all(5 < len(ids) < 55 for ids in over.values()), over
    for kind, ids in over.items():
        assert await carry_out(service, kind) == [1] * len(ids) + [0]
    rows = await service.rows("select citizen_id::text, sealed, cpr_hash, record from citizen")
    gone = over["citizen_ended"] | over["citizen_silent"]
    assert {row["citizen_id"] for row in rows if row["sealed"] is None} == gone
    assert {row["citizen_id"] for row in rows if row["cpr_hash"] is not None} == (
        courses.keys() - gone
    )
    told = [data for kind, data in await service.events() if kind == "citizen.erased"]
    assert {one["citizen_id"] for one in told} == gone
    assert len(told) == len(gone)
    assert {one["reason"] for one in told} == {"retention_over"}
    proofs = await service.rows("select person_id::text, reason, actor from erasure")
    assert {one["person_id"] for one in proofs} == gone
    assert {(one["reason"], one["actor"]) for one in proofs} == {("retention_over", "referral")}
    assert [await carry_out(service, kind) for kind in over] == [[0], [0]]


@real
async def test_what_stood_open_for_a_silent_citizen_is_closed(service: Served) -> None:
    copies = await Copies.of(service)
    await service.rows("delete from outbox")
    await copies.add("silent", Course([a_referral(900, 900, None)], [ago(800)]))
    await service.rows("update appointment set announced = 'booked', starts_at = last_updated")
    assert await carry_out(service, "citizen_silent") == [1, 0]
    told = [kind for kind, _ in await service.events()]
    assert told == ["consent.withdrawn", "need.closed", "citizen.erased"]
    assert await service.rows("select 1 from appointment") == []


@real
async def test_nobody_is_erased_whom_somebody_has_in_hand(service: Served) -> None:
    copies = await Copies.of(service)
    ended = Course([a_referral(900, 900, 300), a_referral(800, 800, 200, PATHWAYS[1])])
    first, second = [await copies.add(name, ended) for name in ("first", "second")]
    held = (
        select(citizen).where(citizen.c.citizen_id == first).with_for_update(key_share=True),
        select(referral).where(referral.c.citizen_id == second).limit(1).with_for_update(),
    )
    async with service.database.transaction() as tx:
        for one in held:
            await tx.connection.execute(one)
        assert await carry_out(service, "citizen_ended") == [0]
    assert await carry_out(service, "citizen_ended") == [1, 1, 0]


@real
async def test_nobody_is_erased_who_is_restricted_and_their_appointments_stay(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = await Copies.of(service)
    ended = await copies.add("ended", Course([a_referral(900, 900, 300)], [ago(800)]))
    silent = await copies.add("silent", Course([a_referral(900, 900, None)], [ago(800)]))
    async with service.database.transaction() as tx:
        for one in (ended, silent):
            await restrict(tx, one, "objection", "somebody")
    kinds_ = ("citizen_ended", "citizen_silent", "appointment")
    assert [await carry_out(service, one) for one in kinds_] == [[0], [0], [0]]

    # One who was restricted since they were found stays too.
    async def found(*_: object) -> list[str]:
        return [ended]

    monkeypatch.setattr(PostgresCourses, "ended", found)
    assert await carry_out(service, "citizen_ended") == [0]


@real
async def test_whoever_was_referred_anew_since_they_were_found_stays(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = await Copies.of(service)
    new = await copies.add(
        "new", Course([a_referral(900, 900, 300), a_referral(0, 0, None, PATHWAYS[1])])
    )

    async def found(*_: object) -> list[str]:
        return [new]

    monkeypatch.setattr(PostgresCourses, "ended", found)
    monkeypatch.setattr(PostgresCourses, "silent", found)
    assert [await carry_out(service, one) for one in ("citizen_ended", "citizen_silent")] == [
        [0],
        [0],
    ]


@real
async def test_what_is_over_is_deleted_in_bounded_batches_and_nothing_else(
    service: Served,
) -> None:
    copies = await Copies.of(service)
    who = await copies.add("one", Course([a_referral(10, 10, None)]))
    days = [1, 729.9, *(730.1 + number for number in range(7))]
    async with service.database.transaction() as tx:
        for number, one in enumerate(days):
            await put(tx, appointment, an_appointment("one", number, who, ago(one)))
        booked = an_appointment("one", 99, who, ago(1_000), "booked")
        await put(tx, appointment, booked)
        for number, one in enumerate([89.9, 90.1, 200]):
            key = {"sender": "s", "key_hash": bytes([number]), "request_hash": b"h"}
            made = {"made_id": derived_id("made"), "created_at": ago(one)}
            await put(tx, idempotency_key, key | made)
    assert await carry_out(service, "appointment", 3) == [3, 3, 1, 0]
    assert await carry_out(service, "idempotency_key") == [2, 0]
    left = await service.rows("select appointment_id::text as id from appointment")
    assert {one["id"] for one in left} == {
        booked["appointment_id"],
        *(an_appointment("one", number, who, NOW)["appointment_id"] for number in (0, 1)),
    }
    assert await service.rows("select created_at from idempotency_key") == [
        {"created_at": ago(89.9)}
    ]


@real
async def test_nobody_is_silent_whom_a_case_of_long_ago_helps(service: Served) -> None:
    copies = await Copies.of(service)
    await copies.add("helped", Course([a_referral(900, 900, None, "toy_caseload")]))
    assert await carry_out(service, "citizen_silent") == [0]


# Somebody is told before, and a lifted restriction counts


async def warn(service: Served) -> int:
    """As the timer does, thirty days ahead of the erasure."""
    how = carrier(service, "citizen_silent").warn
    assert how is not None
    async with service.database.transaction() as tx:
        return await how(tx, before("citizen_silent") + 30 * DAY, 100)


async def items(service: Served) -> list[tuple[str, str]]:
    """What was told of what needs a human: the event, and the outcome or the kind."""
    return [
        (kind, data.get("outcome") or data["kind"])
        for kind, data in await service.events()
        if kind.startswith("attention.")
    ]


@real
async def test_a_coordinator_is_told_thirty_days_before_a_silent_citizen_is_erased(
    service: Served,
) -> None:
    copies = await Copies.of(service)
    silent = await copies.add("silent", Course([a_referral(900, 900, None)], [ago(731)]), None)
    await copies.add("soon", Course([a_referral(900, 900, None)], [ago(701)]), None)
    await copies.add("heard", Course([a_referral(900, 900, None)], [ago(699)]), None)
    assert await carry_out(service, "citizen_silent") == [0]
    assert [await warn(service), await warn(service)] == [2, 0]
    raised = [data for kind, data in await service.events() if kind == "attention.raised"]
    assert {one["citizen_id"] for one in raised} == {silent, derived_id("copied", "soon")}
    assert {(one["kind"], one["department"], one["due_at"]) for one in raised} == {
        ("citizen_silent", DEPARTMENT, "2026-12-30T08:00:00Z")
    }
    assert await carry_out(service, "citizen_silent") == [0]
    await service.rows("update course set told_at = told_at - interval '29.9 days'")
    assert await carry_out(service, "citizen_silent") == [0]
    await service.rows("update course set told_at = told_at - interval '0.2 days'")
    assert await carry_out(service, "citizen_silent") == [1, 0]
    assert (await items(service))[2:] == [("attention.settled", "no_longer_so")]
    left = await service.rows("select citizen_id::text from course")
    assert left == [{"citizen_id": derived_id("copied", "soon")}]


@real
async def test_nobody_is_told_again_of_what_they_have_settled(service: Served) -> None:
    copies = await Copies.of(service)
    await copies.add("silent", Course([a_referral(900, 900, None)]), None)
    assert await warn(service) == 1
    await service.rows("update attention set settled_by = 'a', settled_at = now(), outcome = 'x'")
    assert await warn(service) == 0
    assert await items(service) == [("attention.raised", "citizen_silent")]


@real
async def test_whoever_is_heard_of_is_silent_no_longer_and_told_of_anew_later(
    service: Served,
) -> None:
    copies = await Copies.of(service)
    citizen_id = await copies.add("silent", Course([a_referral(900, 900, None)]), None)
    assert await warn(service) == 1
    async with service.database.transaction() as tx:
        await put(tx, appointment, an_appointment("silent", 0, citizen_id, NOW + DAY))
    assert await warn(service) == 1
    assert (await items(service))[1:] == [("attention.settled", "no_longer_so")]
    assert await service.rows("select told_at from course") == [{"told_at": None}]
    await service.rows("delete from appointment")
    assert await warn(service) == 1
    assert (await items(service))[2:] == [("attention.raised", "citizen_silent")]


@real
@pytest.mark.parametrize("withdrawn", [None, 300])
async def test_nobody_is_erased_the_night_after_a_restriction_is_lifted(
    service: Served, withdrawn: float | None
) -> None:
    copies = await Copies.of(service)
    kind = "citizen_silent" if withdrawn is None else "citizen_ended"
    who = await copies.add("one", Course([a_referral(900, 900, withdrawn)]))
    path, client = f"/citizens/{who}/restriction", service.running.client
    answer = await client.put(path, json={"reason": "objection"}, headers=HEAD_OFFICE)
    assert answer.status_code == 200
    assert await carry_out(service, kind) == [0]
    assert (await client.delete(path, headers=HEAD_OFFICE)).status_code == 204
    assert await carry_out(service, kind) == [0]
    await service.rows("update course set lifted_at = lifted_at - interval '731 days'")
    assert await carry_out(service, kind) == [1, 0]


@real
async def test_nobody_is_told_of_somebody_restricted_and_anew_only_when_they_are_silent_again(
    service: Served,
) -> None:
    copies = await Copies.of(service)
    who = await copies.add("silent", Course([a_referral(900, 900, None)]), None)
    assert await warn(service) == 1
    path, client = f"/citizens/{who}/restriction", service.running.client
    answer = await client.put(path, json={"reason": "objection"}, headers=HEAD_OFFICE)
    assert answer.status_code == 200
    assert (await items(service))[1:] == [("attention.settled", "no_longer_so")]
    assert await warn(service) == 0
    assert (await client.delete(path, headers=HEAD_OFFICE)).status_code == 204
    assert [await warn(service), await warn(service)] == [1, 0], "heard of, and told no longer"
    await service.rows("update course set lifted_at = lifted_at - interval '731 days'")
    assert await warn(service) == 1
    assert (await items(service))[2:] == [("attention.raised", "citizen_silent")]


@real
async def test_requests_of_somebody_restricted_stay(service: Served) -> None:
    copies = await Copies.of(service)
    who = await copies.add("one", Course([a_referral(10, 10, None)], [ago(5)]))
    made = (derived_id("copied", "one", "0"), derived_id("appointment", "one", "0"))
    async with service.database.transaction() as tx:
        for number, one in enumerate(made):
            key = {"sender": "s", "key_hash": bytes([number]), "request_hash": b"h"}
            await put(tx, idempotency_key, key | {"made_id": one, "created_at": ago(4_000)})
        await restrict(tx, who, "objection", "somebody")
    assert await carry_out(service, "idempotency_key") == [0]
    async with service.database.transaction() as tx:
        await lift(tx, who)
    assert await carry_out(service, "idempotency_key") == [2, 0]


MANY = """
insert into access_entry (person_id, read_at, reader, roles, purpose, seal)
select citizen_id, now() - n * interval '1 hour', 'r', '{}', 'p', n
from citizen, generate_series(1, 4000) n;
insert into access_seal (no, sealed_at, entries, last_read_at, previous, hash)
select n, now(), 1, now() - n * interval '1 hour', '', '' from generate_series(1, 4000) n;
insert into idempotency_key (sender, key_hash, request_hash, made_id, created_at)
select 's', int4send(n), 'h', gen_random_uuid(), now() - n * interval '1 minute'
from generate_series(1, 4000) n;
insert into appointment (appointment_id, is_entered, referral_id, citizen_id, status,
 patient_status, location_status, announced, version, last_updated)
select gen_random_uuid(), true, referral_id, citizen_id, 'booked', 'accepted', 'accepted',
 'completed', 1, now() - n * interval '1 minute' from referral, generate_series(1, 4000) n;
insert into consent (citizen_id, referral_id, scope, by_guardian, given_at, withdrawn_at)
select citizen_id, referral_id, 'processing', false, now(), now()
from referral, generate_series(1, 4000) n;
analyze
"""


@real
async def test_a_night_s_work_reads_no_table_as_a_whole(service: Served) -> None:
    """Of a few thousand rows an index says which are over, a few at a time: none here."""
    copies = await Copies.of(service)
    await copies.add("one", Course([a_referral(10, 10, None)]))
    for one in MANY.split(";"):
        await as_owner(service.database, one)
    scans = text(
        "select relname, seq_scan from pg_stat_xact_user_tables where relname in"
        " ('access_entry', 'access_seal', 'idempotency_key', 'appointment', 'consent')"
    )
    for kind in ("access_log", "idempotency_key", "appointment", "citizen_ended"):
        async with service.database.transaction() as tx:
            # What the connection did before is counted too, until the server has noted it.
            before = {one.relname: one.seq_scan for one in await tx.connection.execute(scans)}
            await carrier(service, kind).carry_out(tx, ago(5_000), 10)
            after = {one.relname: one.seq_scan for one in await tx.connection.execute(scans)}
        assert after == before | dict.fromkeys(after.keys() - before.keys(), 0), kind
