"""A cookie's former one is good until the new one is used."""

import sqlalchemy as sa
from alembic import op

revision = "portal_0002"
down_revision = "portal_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say when a session's new cookie was first used, and keep the provider's token until then."""
    op.add_column(
        "session",
        sa.Column(
            "taken_up_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the token of the last rotation first came back.",
        ),
    )
    op.add_column(
        "session",
        sa.Column(
            "previous_id_token",
            sa.LargeBinary(),
            nullable=True,
            comment="Sealed under the token before the last rotation, until that is taken up.",
        ),
    )
    # Of what was rotated before it can't be told whether its new token came back.
    op.execute("update session set taken_up_at = rotated_at where previous_hash is not null")
