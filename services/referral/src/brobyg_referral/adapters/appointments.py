"""Appointments in PostgreSQL. Every statement takes arrays: one message or two thousand cost the same number of round trips."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
from brobyg_kit.database import Transaction

from brobyg_referral.domain.appointment import Announced, Appointment, Plan, Status
from brobyg_referral.fhir.reading import BusinessIdentifier
from brobyg_referral.ports import ActiveReferral, Door, IntakeOutcome, Kept

# Of the pathways only escort goes along to the hospital's appointments; the others have no use for them, and what is of no use is not kept.
# "for no key update" does not block the foreign keys of others, and always in one order: no two transactions wait for each other.
_LOCK_REFERRALS = """
select c.cpr_hash, c.citizen_id, r.referral_id
from referral r join citizen c using (citizen_id)
where c.cpr_hash = any($1::bytea[]) and r.status = 'active' and r.pathway = 'escort'
order by r.referral_id
for no key update of r
"""
_BY_IDENTIFIER = """
select * from named_appointment where appointment_id in (
  select i.appointment_id from appointment_identifier i join unnest($2::text[], $3::text[]) as wanted(system, value) using (system, value)
  where i.organisation = $1)
"""
_BY_ID = (
    "select * from named_appointment where organisation = $1 and appointment_id = any($2::uuid[])"
)
_SAVE = """
insert into appointment (appointment_id, organisation, referral_id, citizen_id, status, starts_at, ends_at, location_id,
  last_updated, own_time, announced, announced_starts_at, announced_ends_at, announced_location_id, version)
select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
  $9::timestamptz[], $10::timestamptz[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::int[])
on conflict (appointment_id) do update set status = excluded.status, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
  location_id = excluded.location_id, last_updated = excluded.last_updated, own_time = excluded.own_time, announced = excluded.announced,
  announced_starts_at = excluded.announced_starts_at, announced_ends_at = excluded.announced_ends_at,
  announced_location_id = excluded.announced_location_id, version = excluded.version
"""
_NAME = """
insert into appointment_identifier (organisation, system, value, appointment_id) select * from unnest($1::text[], $2::text[], $3::text[], $4::uuid[])
"""
# A total is the sum of its shards. Each transaction adds to the first shard that no other is adding to, so that none waits for another's commit; only
# when all 64 are taken may it have to.
_COUNT = """
insert into intake_count as c (door, outcome, shard, total)
select $1, o, coalesce(
  (select s from generate_series(0, 63) as s where pg_try_advisory_xact_lock(hashtext('intake_count'), s) limit 1), pg_backend_pid() % 64), n
from unnest($2::text[], $3::bigint[]) as u(o, n) order by o
on conflict (door, outcome, shard) do update set total = c.total + excluded.total
"""


class PostgresAppointments:
    """Implements `ports.AppointmentStore`."""

    async def lock_active_referrals(
        self, tx: Transaction, cpr_hashes: Collection[bytes]
    ) -> dict[bytes, ActiveReferral]:
        """As the port says."""
        rows = await tx.driver.fetch(_LOCK_REFERRALS, list(cpr_hashes))
        return {
            row["cpr_hash"]: ActiveReferral(str(row["referral_id"]), str(row["citizen_id"]))
            for row in rows
        }

    async def by_identifier(
        self, tx: Transaction, organisation: str, identifiers: Collection[BusinessIdentifier]
    ) -> list[Kept]:
        """As the port says."""
        systems, values = [one.system for one in identifiers], [one.value for one in identifiers]
        return [
            kept(row)
            for row in await tx.driver.fetch(_BY_IDENTIFIER, organisation, systems, values)
        ]

    async def by_id(
        self, tx: Transaction, organisation: str, appointment_ids: Collection[str]
    ) -> list[Kept]:
        """As the port says."""
        return [
            kept(row) for row in await tx.driver.fetch(_BY_ID, organisation, list(appointment_ids))
        ]

    async def save(
        self,
        tx: Transaction,
        touched: Sequence[Kept],
        names: Sequence[tuple[BusinessIdentifier, Kept]],
    ) -> None:
        """As the port says. Raises asyncpg.UniqueViolationError when another transaction gave one of the identifiers to another appointment meanwhile."""
        if touched:
            await tx.driver.execute(_SAVE, *zip(*(_row(one) for one in touched), strict=True))
        if names:
            rows = [
                (kept.organisation, name.system, name.value, kept.appointment_id)
                for name, kept in names
            ]
            await tx.driver.execute(_NAME, *zip(*rows, strict=True))

    async def count(self, tx: Transaction, door: Door, counts: dict[IntakeOutcome, int]) -> None:
        """As the port says."""
        if counts:
            await tx.driver.execute(_COUNT, door, list(counts), list(counts.values()))


def kept(row: asyncpg.Record) -> Kept:
    """A row as the use cases know it."""
    announced = Announced(row["announced"])
    announced_plan = Plan(
        row["announced_starts_at"], row["announced_ends_at"], row["announced_location_id"]
    )
    return Kept(
        appointment_id=str(row["appointment_id"]),
        organisation=row["organisation"],
        identifiers=tuple(
            map(BusinessIdentifier, row["identifier_systems"], row["identifier_values"])
        ),
        referral=ActiveReferral(str(row["referral_id"]), str(row["citizen_id"])),
        state=Appointment(
            status=Status(row["status"]),
            plan=Plan(row["starts_at"], row["ends_at"], row["location_id"]),
            last_updated=row["last_updated"],
            own_time=row["own_time"],
            announced=announced,
            announced_plan=None if announced is Announced.NOTHING else announced_plan,
            version=row["version"],
        ),
    )


def _row(one: Kept) -> tuple[str | int | datetime | None, ...]:
    state, told = one.state, one.state.announced_plan or Plan(None, None, None)
    return (
        one.appointment_id, one.organisation, one.referral.referral_id, one.referral.citizen_id,
        state.status.value, state.plan.starts_at, state.plan.ends_at, state.plan.location_id, state.last_updated, state.own_time,
        state.announced.value,
        told.starts_at, told.ends_at, told.location_id, state.version,
    )  # fmt: skip
