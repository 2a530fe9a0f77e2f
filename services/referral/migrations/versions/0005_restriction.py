"""An appointment that was booked is withheld while processing of its citizen is restricted."""

from alembic import op

revision = "referral_restriction"
down_revision = "referral_consent"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let `announced` say so."""
    op.drop_constraint("appointment_announced_check", "appointment")
    op.create_check_constraint(
        "appointment_announced_check",
        "appointment",
        "announced in ('nothing', 'booked', 'withheld', 'cancelled', 'completed', 'missed')",
    )
