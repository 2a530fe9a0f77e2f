"""Helpers who are restricted or erased: an erased one has neither language nor home."""

import sqlalchemy as sa
from alembic import op

revision = "matching_restriction"
down_revision = "matching_0002_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the status say so, and remember what it was before."""
    op.drop_constraint("helper_status", "helper")
    op.create_check_constraint(
        "helper_status",
        "helper",
        "status in ('applied', 'active', 'paused', 'restricted', 'erased')",
    )
    op.drop_constraint("helper_languages", "helper")
    op.create_check_constraint(
        "helper_languages", "helper", "status = 'erased' or cardinality(languages) > 0"
    )
    op.alter_column(
        "helper", "gender", existing_type=sa.Text(), nullable=True, comment="Null once erased."
    )
    op.add_column(
        "helper",
        sa.Column(
            "status_before",
            sa.Text(),
            nullable=True,
            comment="Of one who is restricted: the status once that is lifted.",
        ),
    )
    op.create_check_constraint(
        "helper_status_before",
        "helper",
        "(status = 'restricted') = (status_before is not null)",
    )
    op.create_index(
        "seat_filled",
        "seat",
        ["helper_id"],
        unique=False,
        postgresql_where=sa.text("state = 'filled'"),
    )
