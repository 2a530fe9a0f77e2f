"""Helpers, needs, seats, offers and bookings."""

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
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Who read which helper's contact, when and what for.",
    )
    op.create_index("access_log_helper", "access_log", ["helper_id", "id"], unique=False)
    op.create_table(
        "citizen",
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("gender_wish", sa.Text(), nullable=True),
        sa.Column("mobility", sa.Text(), nullable=True),
        sa.Column("meeting", sa.Text(), nullable=True),
        sa.Column("postcode", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("citizen_id"),
        comment=(
            "A copy of the citizen's record; all empty before it has come and after "
            "it was erased. The row's lock serialises what happens to the citizen's "
            "needs."
        ),
    )
    op.create_table(
        "consent",
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("referral_id"),
        comment="Whether a referral's consent stands: the last that was said of it.",
    )
    op.create_table(
        "helper",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pools", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("departments", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("gender", sa.Text(), nullable=False),
        sa.Column("competences", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("home_postcode", sa.Text(), nullable=False),
        sa.Column("range_metres", sa.Integer(), nullable=False),
        sa.Column("travel", sa.Text(), nullable=False),
        sa.Column("availability", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("away", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("weekly_limit", sa.Integer(), nullable=False),
        sa.Column("caseload_limit", sa.Integer(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status in ('applied', 'active', 'paused')", name="helper_status"),
        sa.CheckConstraint("cardinality(departments) > 0", name="helper_departments"),
        sa.CheckConstraint("cardinality(languages) > 0", name="helper_languages"),
        sa.CheckConstraint("cardinality(pools) > 0", name="helper_pools"),
        sa.CheckConstraint("caseload_limit >= 0", name="helper_caseload_limit"),
        sa.CheckConstraint("range_metres >= 0", name="helper_range"),
        sa.CheckConstraint("weekly_limit >= 0", name="helper_weekly_limit"),
        sa.PrimaryKeyConstraint("helper_id"),
        comment=("Who can be asked for what. No name and no address: those are in helper_contact."),
    )
    op.create_index(
        "helper_department", "helper", ["departments"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "need",
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("about_kind", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("competences", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("crew", sa.Text(), nullable=False, comment="JSON: how many of each role."),
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("location_id", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("meet_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("follows", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("clashes_with", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("attention", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "waits", sa.Boolean(), nullable=False, comment="Whether a seat waits for capacity."
        ),
        sa.CheckConstraint("state in ('waiting', 'open', 'filled', 'closed')", name="need_state"),
        sa.PrimaryKeyConstraint("need_id"),
        comment=("Something that wants helpers. Changed only under the locks of citizen and need."),
    )
    op.create_index(
        "need_citizen",
        "need",
        ["citizen_id"],
        unique=False,
        postgresql_where=sa.text("citizen_id is not null"),
    )
    op.create_index(
        "need_waits",
        "need",
        ["department", "priority", "opened_at", "need_id"],
        unique=False,
        postgresql_where=sa.text("waits"),
    )
    op.create_table(
        "waiting_list",
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column(
            "freed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The timer's due_at when it was read.",
        ),
        sa.Column(
            "again",
            sa.Boolean(),
            nullable=False,
            comment="Whether to begin again when it is through.",
        ),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("department"),
        comment=(
            "How far the needs that wait for capacity have been looked through since some became"
            " free: the last that was. Changed only by who has claimed the department's timer."
        ),
    )
    op.create_index(
        "need_page",
        "need",
        ["department", sa.literal_column("coalesce(starts_at, opened_at)"), "need_id"],
        unique=False,
    )
    op.create_index(
        "need_page_all",
        "need",
        [sa.literal_column("coalesce(starts_at, opened_at)"), "need_id"],
        unique=False,
    )
    op.create_index(
        "need_live",
        "need",
        ["department", sa.literal_column("coalesce(starts_at, opened_at)"), "need_id"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "roster",
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("department"),
        comment=(
            "Counted up in the transaction that changes a helper of the department: "
            "by it each process sees whether the helpers that it holds in memory are "
            "those of now."
        ),
    )
    op.create_table(
        "block",
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("asked_by in ('helper', 'citizen')", name="block_asked_by"),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("citizen_id", "helper_id"),
        comment="These two are not brought together again, at the wish of either.",
    )
    op.create_table(
        "booking",
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "seat_no",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="0 for what is held with the need, such as a room.",
        ),
        sa.Column("holder", sa.Text(), nullable=False, comment="A helper's id, or a resource's."),
        sa.Column(
            "span",
            postgresql.TSTZRANGE(),
            nullable=True,
            comment="From leaving home to being back; null for a case.",
        ),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("holder"), "="),
            (sa.column("span"), "&&"),
            where=sa.text("exclusive"),
            using="gist",
            name="never_two_places_at_once",
        ),
        sa.CheckConstraint("span is not null or not exclusive", name="exclusive_has_span"),
        sa.ForeignKeyConstraint(
            ["need_id"],
            ["need.need_id"],
        ),
        sa.PrimaryKeyConstraint("need_id", "seat_no"),
        comment="Capacity taken: by a helper for a seat, or of a resource for a need.",
    )
    op.create_index(
        "booking_holder",
        "booking",
        ["holder", sa.literal_column("upper(span)")],
        unique=False,
        postgresql_where=sa.text("exclusive"),
    )
    op.create_table(
        "caseload",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken >= 0 and taken <= allowed", name="never_above_the_limit"),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("helper_id"),
        comment=("How many cases a helper has, and how many were allowed when the last was given."),
    )
    op.create_table(
        "helper_contact",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column(
            "email_key",
            sa.Text(),
            nullable=False,
            comment="The address as it is compared: case and composition of letters do not count.",
        ),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("helper_id"),
        comment="How a helper is reached. Every reading of it is a row in access_log.",
    )
    op.create_index("helper_contact_email", "helper_contact", ["email_key"], unique=False)
    op.create_index("helper_contact_phone", "helper_contact", ["phone"], unique=False)
    op.create_table(
        "offer",
        sa.Column("offer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seat_no", sa.SmallInteger(), nullable=False),
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("distance_metres", sa.Integer(), nullable=True),
        sa.Column("known_to_citizen", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leave_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("meet_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("home_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'accepted', 'declined', 'expired', 'withdrawn')", name="offer_state"
        ),
        sa.ForeignKeyConstraint(
            ["helper_id"],
            ["helper.helper_id"],
        ),
        sa.ForeignKeyConstraint(
            ["need_id"],
            ["need.need_id"],
        ),
        sa.PrimaryKeyConstraint("offer_id"),
        comment="One question to one helper. Changed only under the locks of its need.",
    )
    op.create_index("offer_need", "offer", ["need_id"], unique=False)
    op.create_index(
        "offer_open",
        "offer",
        ["helper_id", "need_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "paper",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("helper_id", "kind"),
        comment="What a helper has signed, was checked for or has learned.",
    )
    op.create_table(
        "registration",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_hash"),
        comment=(
            "Requests to register a helper, by the sender's Idempotency-Key, or by "
            "the body where there is none. Both hashes are HMACs: nothing of key or "
            "body can be read."
        ),
    )
    op.create_table(
        "seat",
        sa.Column("need_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("searched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("match_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("way", sa.Text(), nullable=True),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("offer_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("leave_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("meet_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("home_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
        sa.Column("unwilling", sa.ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
        sa.Column("withdrawn", sa.ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
        sa.CheckConstraint(
            "helper_id is null or state in ('filled', 'closed')", name="helper_has_filled_seat"
        ),
        sa.CheckConstraint("state <> 'filled' or helper_id is not null", name="filled_has_helper"),
        sa.CheckConstraint(
            "state in ('searching', 'waiting', 'held', 'escalated', 'filled', 'closed')",
            name="seat_state",
        ),
        sa.ForeignKeyConstraint(
            ["helper_id"],
            ["helper.helper_id"],
        ),
        sa.ForeignKeyConstraint(
            ["need_id"],
            ["need.need_id"],
        ),
        sa.PrimaryKeyConstraint("need_id", "no"),
        comment="One helper wanted by a need.",
    )
    op.create_table(
        "turn",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("helper_id"),
        comment=(
            "When each helper was last asked in turn; a row for each, so that none is ever added."
        ),
    )
