"""The versions of the projections, and how far the live one has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reporting_0001"
down_revision = None
branch_labels = ("reporting",)
depends_on = None

_SCHEMA = "reporting"


def upgrade() -> None:
    """Create the schema and its tables. The views come with the first version that is shown."""
    op.execute(f"create schema {_SCHEMA}")
    op.execute(
        f"comment on schema {_SCHEMA} is 'What analysts read: views on the live version of the"
        " projections. Query these and not the tables behind them, which a rebuild replaces.'"
    )
    op.create_table(
        "version",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment=(
                "building; live: shown by the views and written by the consumer; replaced: was"
                " live; differs: `verify` found it unlike the live one; dropped before it was live."
            ),
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="The code that writes it."),
        sa.Column(
            "watermarks",
            postgresql.JSONB(),
            nullable=False,
            comment="Ends of the partitions when its building began.",
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column(
            "result",
            postgresql.JSONB(),
            nullable=True,
            comment="What the comparison with the version before it found.",
        ),
        sa.CheckConstraint(
            "state in ('building', 'live', 'replaced', 'differs', 'dropped')",
            name="version_state_check",
        ),
        sa.PrimaryKeyConstraint("number"),
        schema=_SCHEMA,
        comment="Every version of the projections that was ever begun.",
    )
    op.create_index(
        "version_live",
        "version",
        ["state"],
        unique=True,
        schema=_SCHEMA,
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "version_share",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("share", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column(
            "skipped", sa.BigInteger(), nullable=False, comment="Records that are not events."
        ),
        sa.ForeignKeyConstraint(["number"], [f"{_SCHEMA}.version.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", "share"),
        schema=_SCHEMA,
        comment=(
            "Which shares (one partition number of all topics) a version being built holds. Written"
            " in the transaction that fills them, so that a stopped rebuild goes on where it was."
        ),
    )
    op.create_table(
        "topic_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition"),
        schema=_SCHEMA,
        comment=(
            "The first offset of each partition that the live version does not hold. Written in the"
            " transaction that writes the events."
        ),
    )
