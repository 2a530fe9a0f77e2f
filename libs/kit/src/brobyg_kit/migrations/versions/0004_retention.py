"""What is over is found by its time."""

from alembic import op

revision = "delivery_0004"
down_revision = "delivery_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Find exports by when they were made."""
    op.create_index("export_log_kept", "export_log", ["exported_at"], unique=False)
