"""The tables of the ways in."""

from sqlalchemy import BigInteger, CheckConstraint, Column, SmallInteger, Table, Text

from brobyg_referral.metadata import metadata

intake_count = Table(
    "intake_count",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
    CheckConstraint("channel in ('http', 'kafka')", name="intake_count_channel_check"),
    CheckConstraint(
        "outcome in ('rejected', 'dropped_without_consent', 'kept', 'unchanged')",
        name="intake_count_outcome_check",
    ),
    comment=(
        "What became of the hospital's messages; the one trace of those dropped. Sharded so that"
        " requests do not wait for each other; the total is the sum over shard."
    ),
)
