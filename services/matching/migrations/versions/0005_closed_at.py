"""When a need was closed: how long it is kept counts from it."""

import sqlalchemy as sa
from alembic import op

revision = "matching_closed_at"
down_revision = "matching_retention"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count for those that are closed already from now on."""
    op.add_column(
        "need",
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was closed last: how long it is kept counts.",
        ),
    )
    op.execute("update need set closed_at = now() where state = 'closed'")
