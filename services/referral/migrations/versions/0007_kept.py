"""What a restriction holds back, when it was lifted, who was told; what is over is found."""

import sqlalchemy as sa
from alembic import op

revision = "referral_kept"
down_revision = "referral_forgotten_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and an index of each time that retention counts from."""
    op.create_table(
        "withheld_item",
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointment.appointment_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("appointment_id", "kind"),
        comment="What a coordinator is to look at once the restriction of its citizen is lifted.",
    )
    op.create_table(
        "course",
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "lifted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a restriction was lifted last: a sign of them.",
        ),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a coordinator was told that they are silent.",
        ),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.PrimaryKeyConstraint("citizen_id"),
        comment=(
            "What decides, beside referrals, consents and appointments, how long a citizen is kept."
            " Deleted when they are erased."
        ),
    )
    for name, table, columns, where in (
        ("course_told", "course", ["told_at"], "told_at is not null"),
        ("referral_kept", "referral", ["created_at"], "status = 'active'"),
        ("consent_kept", "consent", ["withdrawn_at"], "withdrawn_at is not null"),
        ("idempotency_key_kept", "idempotency_key", ["created_at"], None),
        ("appointment_citizen", "appointment", ["citizen_id"], None),
        (
            "appointment_kept",
            "appointment",
            [sa.text("greatest(starts_at, ends_at, last_updated)")],
            "announced not in ('booked', 'withheld')",
        ),
        ("access_log_kept", "access_log", ["accessed_at"], None),
    ):
        partial = {} if where is None else {"postgresql_where": sa.text(where)}
        op.create_index(name, table, columns, unique=False, **partial)
    op.create_table_comment(
        "appointment",
        "What is needed of the appointments of citizens with an active referral. Rows are deleted"
        " when consent is withdrawn; of somebody restricted when that is lifted.",
        existing_comment=(
            "What is needed of the appointments of citizens with an active referral. Rows are"
            " deleted when consent is withdrawn."
        ),
    )
