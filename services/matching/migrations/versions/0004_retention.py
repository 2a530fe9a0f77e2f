"""Since when a helper can't be asked: how long they are kept counts from it."""

import sqlalchemy as sa
from alembic import op

revision = "matching_retention"
down_revision = "matching_restriction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count for those who are there from now on."""
    op.add_column(
        "helper",
        sa.Column(
            "inactive_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when they can't be asked: how long they are kept counts from it.",
        ),
    )
    op.execute("update helper set inactive_since = now() where status <> 'active'")
