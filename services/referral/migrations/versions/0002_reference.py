"""The reference data."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "referral_0002"
down_revision = "referral_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the reference data."""
    op.create_table(
        "reference_entry",
        sa.Column(
            "key", sa.Text(), nullable=False, comment="Kind and id, such as department/north."
        ),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="The change that wrote it, counted up.",
        ),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False, comment="As it is in its event."),
        sa.PrimaryKeyConstraint("key"),
        comment=(
            "Places, departments, organisations, pools, postcodes and calendars, as they are now."
        ),
    )
    op.create_index("reference_entry_version", "reference_entry", ["version"], unique=False)
