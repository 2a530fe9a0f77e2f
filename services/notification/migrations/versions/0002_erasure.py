"""What was written to somebody is found when they are erased."""

from alembic import op

revision = "notification_erasure"
down_revision = "notification_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Find notices by their recipient."""
    op.create_index("notification_recipient", "notification", ["recipient_id"], unique=False)
