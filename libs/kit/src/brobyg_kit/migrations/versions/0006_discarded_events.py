"""Which dead events somebody has given up on, and why."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0006"
down_revision = "delivery_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "discarded_event",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="As it had while parked.",
        ),
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("record_offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="A code of brobyg_kit.parking."),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="Who did it, as an id that names nobody."
        ),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment=(
            "Which dead events somebody has given up on, and why. Holds nothing of their content."
        ),
    )
    op.create_index("discarded_event_discarded_at", "discarded_event", ["discarded_at"])
