"""The hash of a request goes with the person whom it named."""

import sqlalchemy as sa
from alembic import op

revision = "referral_erasure"
down_revision = "referral_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the hash be missing, and find requests by what they made."""
    op.alter_column(
        "idempotency_key",
        "request_hash",
        existing_type=sa.LargeBinary(),
        nullable=True,
        comment="Null once the person was erased whom the request named.",
    )
    op.create_index("idempotency_key_made", "idempotency_key", ["made_id"], unique=False)
