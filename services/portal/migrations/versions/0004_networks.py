"""Requests for links are counted by the network that they come from too."""

import sqlalchemy as sa
from alembic import op

revision = "portal_0004"
down_revision = "portal_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those of before it is not known; they are gone within a day."""
    op.add_column(
        "sign_in_request",
        sa.Column(
            "network_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="As well, of it and the network that asked.",
        ),
    )
