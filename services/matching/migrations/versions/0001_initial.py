"""Volunteers, referrals, matches, offers and decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "matching_0001"
down_revision = None
branch_labels = ("matching",)
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("create extension if not exists btree_gist")
    op.create_table(
        "access_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Who read which volunteer's contact, when and what for.",
    )
    op.create_index("access_log_volunteer", "access_log", ["volunteer_id", "id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("could", sa.Integer(), nullable=False),
        sa.Column(
            "asked",
            sa.Text(),
            nullable=False,
            comment="JSON: who was asked, in order, with points.",
        ),
        sa.Column(
            "counts", sa.Text(), nullable=False, comment="JSON: how many each rule excluded."
        ),
        sa.Column(
            "excluded", sa.Text(), nullable=False, comment="JSON: whom each rule excluded, bounded."
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="Why something was decided. Ids only.",
    )
    op.create_index("decision_appointment", "decision", ["appointment_id", "id"], unique=False)
    op.create_table(
        "referral",
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("consented", sa.Boolean(), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("gender_wish", sa.Text(), nullable=True),
        sa.Column("mobility", sa.Text(), nullable=False),
        sa.Column("meeting", sa.Text(), nullable=False),
        sa.Column("postcode", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("referral_id"),
        comment="What the referral's events have told that matching needs.",
    )
    op.create_table(
        "volunteer",
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("gender", sa.Text(), nullable=False),
        sa.Column("competences", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("home_postcode", sa.Text(), nullable=False),
        sa.Column("range_metres", sa.Integer(), nullable=False),
        sa.Column("travel", sa.Text(), nullable=False),
        sa.Column("availability", postgresql.JSONB(), nullable=False),
        sa.Column("away", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("weekly_limit", sa.Integer(), nullable=False),
        sa.Column("confidentiality_signed_on", sa.Date(), nullable=True),
        sa.Column("record_checked_on", sa.Date(), nullable=True),
        sa.Column("introduced_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status = 'applied' or (confidentiality_signed_on is not null and"
            " record_checked_on is not null and introduced_on is not null)",
            name="active_is_ready",
        ),
        sa.CheckConstraint("status in ('applied', 'active', 'paused')", name="volunteer_status"),
        sa.CheckConstraint("cardinality(languages) > 0", name="volunteer_languages"),
        sa.CheckConstraint("range_metres >= 0", name="volunteer_range"),
        sa.CheckConstraint("weekly_limit >= 0", name="volunteer_weekly_limit"),
        sa.PrimaryKeyConstraint("volunteer_id"),
        comment=(
            "Who can be asked for what. No name and no address: those are in volunteer_contact."
        ),
    )
    op.create_table(
        "block",
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("asked_by in ('volunteer', 'citizen')", name="block_asked_by"),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteer.volunteer_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("volunteer_id", "citizen_id"),
        comment="These two are not brought together again, at the wish of either.",
    )
    op.create_table(
        "match",
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("meeting", sa.Text(), nullable=False),
        sa.Column("meet_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("match_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("offer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("leave_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("home_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
        sa.Column("unwilling", sa.ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("volunteer_id"), "="),
            (sa.text("tstzrange(leave_at, home_at)"), "&&"),
            where=sa.text("volunteer_id is not null"),
            using="gist",
            name="never_two_places_at_once",
        ),
        sa.CheckConstraint(
            "state <> 'matched' or volunteer_id is not null", name="matched_has_volunteer"
        ),
        sa.CheckConstraint(
            "state in ('searching', 'matched', 'escalated', 'closed')", name="match_state"
        ),
        sa.CheckConstraint(
            "volunteer_id is null or (leave_at is not null and home_at is not null and"
            " leave_at < home_at)",
            name="volunteer_has_span",
        ),
        sa.ForeignKeyConstraint(
            ["volunteer_id"],
            ["volunteer.volunteer_id"],
        ),
        sa.PrimaryKeyConstraint("appointment_id"),
        comment=(
            "One appointment's search for a volunteer. volunteer_id is set exactly while"
            " somebody's time is taken by it."
        ),
    )
    op.create_index(
        "match_by_state", "match", ["state", "starts_at", "appointment_id"], unique=False
    )
    op.create_index(
        "match_citizen",
        "match",
        ["citizen_id"],
        unique=False,
        postgresql_where=sa.text("volunteer_id is not null"),
    )
    op.create_index(
        "match_promised",
        "match",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("volunteer_id is not null"),
    )
    op.create_index("match_referral", "match", ["referral_id"], unique=False)
    op.create_index(
        "match_volunteer",
        "match",
        ["volunteer_id", "starts_at"],
        unique=False,
        postgresql_where=sa.text("volunteer_id is not null"),
    )
    op.create_table(
        "registration",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteer.volunteer_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_hash"),
        comment=(
            "Requests to register a volunteer, by the sender's Idempotency-Key, or by the"
            " body where there is none. Both hashes are HMACs: nothing of key or body can be"
            " read."
        ),
    )
    op.create_table(
        "volunteer_contact",
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.CheckConstraint("language in ('da', 'en')", name="volunteer_contact_language"),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteer.volunteer_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("volunteer_id"),
        comment="How a volunteer is reached. Every reading of it is a row in access_log.",
    )
    op.create_table(
        "offer",
        sa.Column("offer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("distance_metres", sa.Integer(), nullable=False),
        sa.Column("known_to_citizen", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leave_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("meet_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("home_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'accepted', 'declined', 'expired', 'withdrawn')", name="offer_state"
        ),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["match.appointment_id"],
        ),
        sa.ForeignKeyConstraint(
            ["volunteer_id"],
            ["volunteer.volunteer_id"],
        ),
        sa.PrimaryKeyConstraint("offer_id"),
        comment="One question to one volunteer. Changed only under the lock on its match.",
    )
    op.create_index("offer_appointment", "offer", ["appointment_id"], unique=False)
    op.create_index(
        "offer_open",
        "offer",
        ["volunteer_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
