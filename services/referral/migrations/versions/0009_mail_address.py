"""Citizens are found by their mail address too.

The service fills that in for those who are there (`adapters.name_rebuild`).
"""

from alembic import op

revision = "referral_mail_address"
down_revision = "referral_access_log"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say so."""
    op.create_table_comment(
        "name_token",
        "What citizens are searched by: keyed hashes (HMAC-SHA256, half of it) of their names as"
        " written, as they sound and by their first letters, of the phone's last digits, of the"
        " date of birth and of the mail address. Deleted when the citizen is erased.",
    )
