"""Of whom nothing is done with what is held (GDPR art. 18), and who was given all of it."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0003"
down_revision = "delivery_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "restriction",
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="Who asked, as an id that names nobody."
        ),
        sa.Column("restricted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        comment="Of whom what is held is kept and nothing is done with it, until that is lifted.",
    )
    op.create_table(
        "export_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Who was given all that this service holds of whom, and when.",
    )
    op.create_index("export_log_person", "export_log", ["person_id", "id"], unique=False)
