"""Notices of a need without a span are kept until it is closed, and what is over is found."""

import sqlalchemy as sa
from alembic import op

revision = "notification_retention"
down_revision = "notification_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; what was called off by a closed need tells which were closed so far.

    Not of a need that was opened again: for that somebody was asked, found or not found since, and
    not released by the closing itself, which somebody's yes may cross. An offer that crossed it
    can't be told from one of a need that was opened again.
    """
    op.create_table(
        "closed_need",
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("need_id"),
        comment=(
            "Needs that were closed and not opened since: how long notices about one without a span"
            " are kept counts from then."
        ),
    )
    op.execute(
        """
        insert into closed_need
        select need_id, happened_at from called_off
        where event ->> 'type' = 'dk.brobyg.need.closed' and not exists (
            select from notification as since
            where since.need_id = called_off.need_id
                and since.template in (
                    'offer', 'matched_helper', 'matched_citizen', 'escalated', 'escalated_citizen'
                )
                and (since.cause_event ->> 'time')::timestamptz > happened_at
                and not exists (
                    select from notification as released
                    where released.need_id = called_off.need_id
                        and released.release_reason = called_off.reason
                        and (released.cause_event ->> 'time')::timestamptz
                            > (since.cause_event ->> 'time')::timestamptz
                )
        )
        """
    )
    op.create_index("closed_need_kept", "closed_need", ["closed_at"], unique=False)
    op.create_index("called_off_kept", "called_off", ["happened_at"], unique=False)
    op.create_index(
        "notification_kept",
        "notification",
        [sa.text("greatest(ended_at, ends_at)")],
        unique=False,
        postgresql_where=sa.text("state <> 'waiting' and ends_at is not null"),
    )
