"""Outbox, sequence numbers, inbox, timers, parked events, copies of topics, attention."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "delivery_0001"
down_revision = None
branch_labels = ("delivery",)
depends_on = None


def upgrade() -> None:
    """Create the delivery tables."""
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("event_id"),
        comment="Events whose effects are committed here. A second arrival has no effect.",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "value",
            sa.LargeBinary(),
            nullable=True,
            comment="Null deletes the key's record of a compacted topic.",
        ),
        sa.Column(
            "content_type",
            sa.Text(),
            server_default=sa.text("'application/cloudevents+json'"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
        comment=(
            "Records that are committed and not yet acknowledged by the broker, in sending order."
        ),
    )
    op.create_table(
        "parked_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("record_offset", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "first_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "last_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('retrying', 'waiting', 'dead')", name="parked_event_state_check"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event_id"),
        comment=(
            "Events that could not be handled, and those of the same subject that wait behind"
            " them. Holds where the record is, never its content."
        ),
    )
    op.create_index(
        "parked_event_due",
        "parked_event",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'retrying'"),
    )
    op.create_index("parked_event_subject", "parked_event", ["subject", "id"], unique=False)
    op.create_table(
        "replica",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("record_offset", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="The event; null when the key's record was deleted.",
        ),
        sa.PrimaryKeyConstraint("topic", "key"),
        comment="Copies of compacted topics: of each key the last record.",
    )
    op.create_table(
        "stream",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        comment=(
            "The last sequence number given to each subject. Its row lock makes outbox order "
            "commit order within a subject."
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "timer",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When to try it, in the clock's time: due_at, or later once it has failed.",
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="How often it has failed.",
        ),
        sa.PrimaryKeyConstraint("kind", "subject"),
        comment=(
            "What is to happen later. A row is claimed with SKIP LOCKED and deleted in the "
            "transaction that carries out its effects."
        ),
    )
    op.create_index("timer_due", "timer", ["next_attempt_at"], unique=False)
    op.create_index(
        "timer_failing",
        "timer",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("attempts > 0"),
    )
    op.create_table(
        "attention",
        sa.Column(
            "attention_id",
            sa.Uuid(as_uuid=False),
            nullable=False,
            comment="Derived from its kind and its subject.",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column(
            "raised_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was opened last.",
        ),
        sa.Column("claimed_by", sa.Text(), nullable=True, comment="Who looks at it."),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column(
            "body", JSONB(), nullable=False, comment="What the event says that raised it last."
        ),
        sa.CheckConstraint(
            "(settled_at is null) = (outcome is null)"
            " and (settled_at is null) = (settled_by is null)",
            name="attention_settled_check",
        ),
        sa.PrimaryKeyConstraint("attention_id"),
        comment=(
            "What needs a human, and for a while what did. Notes and names stand nowhere in it."
        ),
    )
    op.create_index(
        "attention_open",
        "attention",
        ["kind"],
        unique=False,
        postgresql_where=sa.text("settled_at is null"),
    )
    op.create_index(
        "attention_settled",
        "attention",
        ["settled_at"],
        unique=False,
        postgresql_where=sa.text("settled_at is not null"),
    )
