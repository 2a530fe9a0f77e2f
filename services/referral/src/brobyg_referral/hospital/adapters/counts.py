"""The totals of the intake in PostgreSQL."""

from brobyg_kit.database import Transaction
from brobyg_kit.statements import unnest
from sqlalchemy import BigInteger, Text, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from brobyg_referral.hospital.adapters.tables import intake_count
from brobyg_referral.hospital.ports import IntakeChannel, IntakeOutcome

_SHARDS = 64


class PostgresIntakeCounts:
    """Implements `hospital.ports.IntakeCounts`."""

    async def add(
        self, tx: Transaction, channel: IntakeChannel, counts: dict[IntakeOutcome, int]
    ) -> None:
        """As the port says.

        A total is the sum of its shards. Each transaction adds to the first shard that no other is
        adding to, so that none waits for another's commit, unless all are taken.
        """
        if not counts:
            return
        shard = func.generate_series(0, _SHARDS - 1).column_valued("shard")
        lock = func.pg_try_advisory_xact_lock(func.hashtext(intake_count.name), shard)
        free = select(shard).where(lock).limit(1).scalar_subquery()
        given = unnest({"outcome": Text(), "total": BigInteger()}, sorted(counts.items()))
        statement = insert(intake_count).from_select(
            ["channel", "outcome", "shard", "total"],
            select(
                literal(channel),
                given.c.outcome,
                func.coalesce(free, func.pg_backend_pid() % _SHARDS),
                given.c.total,
            ),
        )
        total = intake_count.c.total + statement.excluded.total
        await tx.connection.execute(
            statement.on_conflict_do_update(
                index_elements=intake_count.primary_key.columns, set_={"total": total}
            )
        )

    async def totals(self, tx: Transaction) -> dict[IntakeOutcome, int]:
        """As the port says."""
        total = func.sum(intake_count.c.total, type_=BigInteger())
        found = await tx.connection.execute(
            select(intake_count.c.outcome, total).group_by(intake_count.c.outcome)
        )
        return {outcome: int(number) for outcome, number in found}
