"""Who is signed in."""

import sqlalchemy as sa
from alembic import op

revision = "portal_0001"
down_revision = None
branch_labels = ("portal",)
depends_on = None


def upgrade() -> None:
    """Create the portal's tables."""
    op.create_table(
        "session",
        sa.Column("session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "previous_hash",
            sa.LargeBinary(),
            nullable=True,
            comment=(
                "Of the token before the last rotation: requests on their way may still have it."
            ),
        ),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "subject",
            sa.Uuid(as_uuid=False),
            nullable=False,
            comment="Whose it is; an id that names nobody.",
        ),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column(
            "provider_session",
            sa.Text(),
            nullable=True,
            comment="The provider's own id of its session (sid).",
        ),
        sa.Column(
            "id_token",
            sa.LargeBinary(),
            nullable=True,
            comment="Sealed under the session's token; given back to the provider at sign-out.",
        ),
        sa.Column(
            "form_key", sa.LargeBinary(), nullable=False, comment="Signs the forms shown in it."
        ),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Its last request, to the minute.",
        ),
        sa.Column(
            "ends_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it ends at the latest.",
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was ended before that.",
        ),
        sa.CheckConstraint("kind in ('staff', 'helper', 'citizen')", name="session_kind_check"),
        sa.PrimaryKeyConstraint("session_id"),
        sa.UniqueConstraint("previous_hash"),
        sa.UniqueConstraint("token_hash"),
        comment="Who is signed in, and for a day who was.",
    )
    op.create_index(
        "session_subject",
        "session",
        ["subject"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_index(
        "session_provider_session",
        "session",
        ["provider_session"],
        unique=False,
        postgresql_where=sa.text("ended_at is null and provider_session is not null"),
    )
    op.create_index("session_kept", "session", ["ends_at"], unique=False)
    op.create_table(
        "administrator",
        sa.Column("subject", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        comment="Who may see and end sessions, whatever the provider says. Named by command.",
    )
    op.create_table(
        "kept_form",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Uuid(as_uuid=False), nullable=False, comment="Who typed it."),
        sa.Column("path", sa.Text(), nullable=False, comment="Where it was typed."),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
        comment="What was typed in a form when its session had ended, until it is sent.",
    )
    op.create_index("kept_form_kept", "kept_form", ["ends_at"], unique=False)
    op.create_table(
        "spent",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "led_to",
            sa.Text(),
            nullable=True,
            comment="The page that its effect was answered with.",
        ),
        sa.PrimaryKeyConstraint("key_hash"),
        comment=(
            "What acts once: keys of forms, states of sign-ins, the provider's sign-out tokens."
        ),
    )
    op.create_index("spent_kept", "spent", ["spent_at"], unique=False)
