"""Of whom a service keeps what it has and does nothing with it (GDPR art. 18)."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0003"
down_revision = "delivery_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
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
