"""What is over is found by its time."""

import sqlalchemy as sa
from alembic import op

revision = "matching_kept"
down_revision = "matching_closed_at"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make an index of each time that retention counts from."""
    op.create_index(
        "helper_left",
        "helper",
        ["inactive_since"],
        unique=False,
        postgresql_where=sa.text("status in ('applied', 'paused')"),
    )
    op.create_index("registration_kept", "registration", ["registered_at"], unique=False)
    op.create_index("access_log_kept", "access_log", ["read_at"], unique=False)
    op.create_index(
        "need_kept",
        "need",
        [sa.text("greatest(opened_at, ends_at, closed_at)")],
        unique=False,
        postgresql_where=sa.text("state = 'closed'"),
    )
