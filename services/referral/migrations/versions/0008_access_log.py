"""The access log moves to the one that is sealed."""

from alembic import op

revision = "referral_access_log"
down_revision = "referral_kept"
branch_labels = None
depends_on = "delivery_0005"


def upgrade() -> None:
    """Take over what was recorded, in its order; in which role it was read was not recorded."""
    op.execute(
        "insert into access_entry (person_id, read_at, reader, roles, organisation, purpose)"
        " select citizen_id, accessed_at, subject, '{}', organisation,"
        " case when starts_with(purpose, 'notify_') then 'message' else purpose end"
        " from access_log order by accessed_at, access_id"
    )
    op.drop_table("access_log")
