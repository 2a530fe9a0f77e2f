"""Notices, and what the referral service has called off."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "notification_0001"
down_revision = None
branch_labels = ("notification",)
depends_on = None


def upgrade() -> None:
    """Create the service's own tables."""
    op.create_table(
        "called_off",
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="In the words of match.released."),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "event", JSONB(), nullable=False, comment="The need.changed or need.closed event."
        ),
        sa.PrimaryKeyConstraint("need_id"),
        comment=(
            "What the referral service has called off: the newest event by which a need no longer"
            " stands as it did, or may stand otherwise."
        ),
    )
    op.create_table(
        "notification",
        sa.Column(
            "position",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="The order of causes. A thread's messages are sent in this order.",
        ),
        sa.Column("notification_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("recipient_role", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.Text(), nullable=False),
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "referral_id",
            sa.Uuid(as_uuid=False),
            nullable=True,
            comment="None for a need that is nobody's referral.",
        ),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column(
            "seat_role",
            sa.Text(),
            nullable=True,
            comment="Role of the helper's seat, if the message is about one.",
        ),
        sa.Column("cause", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("cause_event", JSONB(), nullable=False),
        sa.Column(
            "thread",
            sa.Text(),
            nullable=False,
            comment="Need and recipient. A newer message of a thread never overtakes an older.",
        ),
        sa.Column(
            "starts_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Start of what it tells of; none without a span.",
        ),
        sa.Column(
            "ends_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="End of what it tells of. After it there is nothing left to tell.",
        ),
        sa.Column(
            "match_event",
            JSONB(),
            nullable=True,
            comment="The match event it tells of: its cause, or the thread's last before.",
        ),
        sa.Column(
            "release_reason", sa.Text(), nullable=True, comment="Why what it tells of has ended."
        ),
        sa.Column("calendar_method", sa.Text(), nullable=True),
        sa.Column(
            "calendar_sequence",
            sa.Integer(),
            nullable=True,
            comment=(
                "SEQUENCE (RFC 5545): 0 for a thread's first change of a calendar entry, then"
                " rising."
            ),
        ),
        sa.Column(
            "state",
            sa.Text(),
            server_default=sa.text("'waiting'"),
            nullable=False,
            comment=(
                "waiting; sent; failed: given up for a permanent reason; superseded: no longer true"
                " when it was to be sent (replaced by a newer one, answered), so it was not."
            ),
        ),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment=("Why it failed; while it waits, what was in the way of the last attempt."),
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment=(
                "Counted before each attempt, so that one the process did not survive counts too."
            ),
        ),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When to try next, by the service's clock.",
        ),
        sa.Column(
            "claimed_by",
            sa.Integer(),
            nullable=True,
            comment=(
                "The worker that has it in hand. The claim holds while a database session holds the"
                " advisory lock of this number, and some seconds longer."
            ),
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "kept_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment=("created_at in wall time: how long people have waited, whatever the clock."),
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at is null)", name="notification_end_check"
        ),
        sa.CheckConstraint(
            "calendar_method in ('REQUEST', 'CANCEL')", name="notification_calendar_method_check"
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'sent', 'failed', 'superseded')", name="notification_state_check"
        ),
        sa.CheckConstraint(
            "(calendar_method is null) = (calendar_sequence is null)",
            name="notification_file_check",
        ),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("cause", "recipient_role", "recipient_id"),
        sa.UniqueConstraint("notification_id"),
        comment=(
            "One row for each cause and recipient. The row exists before the message is sent and"
            " says what became of it."
        ),
    )
    op.create_index(
        "notification_calendar",
        "notification",
        ["thread", "calendar_sequence"],
        unique=True,
        postgresql_where=sa.text("calendar_sequence is not null"),
    )
    op.create_index(
        "notification_due",
        "notification",
        ["due_at", "position"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("notification_need", "notification", ["need_id", "position"], unique=False)
    op.create_index(
        "notification_waiting_thread",
        "notification",
        ["thread", "position"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
