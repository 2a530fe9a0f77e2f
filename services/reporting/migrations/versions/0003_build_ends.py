"""Up to where a whole build reads the topics, apart from what a version lacks."""

import sqlalchemy as sa
from alembic import op

revision = "reporting_0003"
down_revision = "reporting_0002"
branch_labels = None
depends_on = None

_SCHEMA = "reporting"
_LAG = (
    "From which offset a version of a projection lacks the events of a partition. A live one"
    " without a row has folded all that the event log holds; a build without one has nothing yet."
)


def upgrade() -> None:
    """Move the ends of builds that are not finished."""
    op.create_table(
        "build_end",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("end_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "topic", "partition"),
        schema=_SCHEMA,
        comment=(
            "Up to which offset (exclusive) a build of all tables reads a partition of the topics."
        ),
    )
    # Our own names.
    whole = f"{_SCHEMA}.lag where projection = 'event_log'"
    op.execute(
        f"insert into {_SCHEMA}.build_end"  # noqa: S608
        f" select number, topic, partition, next_offset from {whole}"
    )
    op.execute(f"delete from {whole}")  # noqa: S608
    op.create_table_comment("lag", _LAG, schema=_SCHEMA)
