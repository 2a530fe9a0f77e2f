"""Nothing leads from a request to whom it named, once they or their appointment are gone."""

import sqlalchemy as sa
from alembic import op

revision = "referral_forgotten_requests"
down_revision = "referral_restriction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forget what was left of such requests."""
    op.alter_column(
        "idempotency_key",
        "made_id",
        existing_type=sa.Uuid(as_uuid=False),
        nullable=True,
        comment="The referral, appointment or session made; null likewise.",
        existing_comment="The referral, appointment or session made.",
    )
    op.execute("update idempotency_key set made_id = null where request_hash is null")
    op.execute(
        "delete from idempotency_key where made_id is not null"
        " and made_id not in (select referral_id from referral)"
        " and made_id not in (select appointment_id from appointment)"
        " and made_id not in (select session_id from session)"
    )
    op.create_check_constraint(
        "idempotency_key_forgotten_check",
        "idempotency_key",
        "(made_id is null) = (request_hash is null)",
    )
