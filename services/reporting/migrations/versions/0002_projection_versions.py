"""A version of its own for each projection.

The table `version` goes rather than changes: a process of the release before this one that still
runs waits for it as for any table that is missing, and parks nothing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reporting_0002"
down_revision = "reporting_0001"
branch_labels = None
depends_on = None

_SCHEMA = "reporting"
#: The tables that a version had, each of which is now a version of its own.
_TABLES = (
    "event_log",
    "referral",
    "appointment",
    "need",
    "offer",
    "match",
    "helper",
    "notification",
    "attention",
)


def upgrade() -> None:
    """Keep the live version of every table, as one of other code; forget unfinished builds."""
    op.create_table(
        "projection_version",
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="Of the build."
        ),
        sa.Column(
            "projection", sa.Text(), nullable=False, comment="The table; event_log too is one."
        ),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment=(
                "building; verifying: built to be compared only; built: can be switched to; live:"
                " shown by the views and written by the consumer; replaced: was live; dropped"
                " before it was live."
            ),
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="The code that writes it."),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=True, comment="Events that its build read."),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column(
            "result",
            postgresql.JSONB(),
            nullable=True,
            comment="What the comparison with the version before it found.",
        ),
        sa.CheckConstraint(
            "state in ('building', 'verifying', 'built', 'live', 'replaced', 'dropped')",
            name="projection_version_state_check",
        ),
        sa.PrimaryKeyConstraint("number", "projection"),
        schema=_SCHEMA,
        comment=(
            "Every version of each projection that was ever begun; a build makes one or several."
        ),
    )
    op.create_index(
        "projection_version_live",
        "projection_version",
        ["projection"],
        unique=True,
        schema=_SCHEMA,
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "lag",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "projection", "topic", "partition"),
        schema=_SCHEMA,
        comment=(
            "From which offset a version of a projection lacks the events of a partition. A live"
            " one without a row has folded all that the event log holds; of a whole build it is the"
            " end up to which the topics are read."
        ),
    )
    op.execute(
        f"""
        insert into {_SCHEMA}.projection_version (
            number, projection, state, fingerprint, started_at, finished_at, events, seconds
        )
        select number, unnest(array{list(_TABLES)!r}),
            case state when 'live' then state else 'replaced' end,
            fingerprint, started_at, finished_at, events, seconds
        from {_SCHEMA}.version
        """  # noqa: S608  # constants of ours
    )
    op.drop_constraint("version_share_number_fkey", "version_share", schema=_SCHEMA)
    op.execute(f"delete from {_SCHEMA}.version_share")  # noqa: S608  # a constant of ours
    op.drop_table("version", schema=_SCHEMA)
    op.execute(
        f"comment on table {_SCHEMA}.topic_offset is 'The first offset of each partition that the"
        " live event log does not hold. Written in the transaction that writes the events.'"
    )
