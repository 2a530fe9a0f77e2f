"""Whom a service has erased, the proof, and how far the history was looked through for erasures."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0002"
down_revision = "delivery_0001"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "erased_person",
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        comment="Whom this service has erased: what comes later of them is dropped.",
    )
    op.create_table(
        "erasure",
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="Who asked, as an id that names nobody."
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expected",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="The services that must acknowledge.",
        ),
        sa.Column(
            "topic",
            sa.Text(),
            nullable=True,
            comment="The compacted topic that held what was said of the person.",
        ),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tombstoned_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the deletion was on the topic.",
        ),
        sa.Column(
            "compacted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When no record with a value was left there.",
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            server_default=_NOW,
            nullable=False,
            comment="When the deletion was last put on the topic, in wall time, as is look_at.",
        ),
        sa.Column("look_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
        comment="The proof, kept without the person: who asked, and what was done by when.",
    )
    op.create_index(
        "erasure_unproven",
        "erasure",
        ["look_at"],
        unique=False,
        postgresql_where=sa.text("topic is not null and compacted_at is null"),
    )
    op.create_table(
        "erasure_acknowledgement",
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["erasure.person_id"]),
        sa.PrimaryKeyConstraint("person_id", "service"),
        comment="Which services have said that they hold nothing of the person any more.",
    )
    op.create_table(
        "erasures_replayed",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition"),
        comment=(
            "Up to where the history was looked through for erasures. It is restored with a"
            " backup, so that those made since are found and made again."
        ),
    )
