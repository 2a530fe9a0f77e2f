"""The service's tables, each declared once."""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

metadata = MetaData()

#: The open offers.
OPEN = text("state = 'open'")

volunteer = Table(
    "volunteer",
    metadata,
    Column("volunteer_id", Id, primary_key=True),
    Column("status", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("gender", Text, nullable=False),
    Column("competences", ARRAY(Text), nullable=False),
    Column("home_postcode", Text, nullable=False),
    Column("range_metres", Integer, nullable=False),
    Column("travel", Text, nullable=False),
    Column("availability", JSONB, nullable=False),
    Column("away", ARRAY(Date), nullable=False),
    Column("weekly_limit", Integer, nullable=False),
    Column("confidentiality_signed_on", Date),
    Column("record_checked_on", Date),
    Column("introduced_on", Date),
    Column("version", Integer, nullable=False),
    Column("registered_at", Instant, nullable=False),
    CheckConstraint("status in ('applied', 'active', 'paused')", name="volunteer_status"),
    CheckConstraint("cardinality(languages) > 0", name="volunteer_languages"),
    CheckConstraint("range_metres >= 0", name="volunteer_range"),
    CheckConstraint("weekly_limit >= 0", name="volunteer_weekly_limit"),
    CheckConstraint(
        "status = 'applied' or (confidentiality_signed_on is not null"
        " and record_checked_on is not null and introduced_on is not null)",
        name="active_is_ready",
    ),
    comment=("Who can be asked for what. No name and no address: those are in volunteer_contact."),
)

volunteer_contact = Table(
    "volunteer_contact",
    metadata,
    Column(
        "volunteer_id", Id, ForeignKey("volunteer.volunteer_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("phone", Text),
    Column("language", Text, nullable=False),
    CheckConstraint("language in ('da', 'en')", name="volunteer_contact_language"),
    comment="How a volunteer is reached. Every reading of it is a row in access_log.",
)  # fmt: skip

registration = Table(
    "registration",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column(
        "volunteer_id", Id, ForeignKey("volunteer.volunteer_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("registered_at", Instant, nullable=False),
    comment=(
        "Requests to register a volunteer, by the sender's Idempotency-Key, or by the body where"
        " there is none. Both hashes are HMACs: nothing of key or body can be read."
    ),
)  # fmt: skip

access_log = Table(
    "access_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("read_at", Instant, nullable=False),
    Column("reader", Text, nullable=False),
    Column("volunteer_id", Id, nullable=False),
    Column("purpose", Text, nullable=False),
    Index("access_log_volunteer", "volunteer_id", "id"),
    comment="Who read which volunteer's contact, when and what for.",
)

block = Table(
    "block",
    metadata,
    Column(
        "volunteer_id", Id, ForeignKey("volunteer.volunteer_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("citizen_id", Id, primary_key=True),
    Column("asked_by", Text, nullable=False),
    Column("blocked_at", Instant, nullable=False),
    CheckConstraint("asked_by in ('volunteer', 'citizen')", name="block_asked_by"),
    comment="These two are not brought together again, at the wish of either.",
)  # fmt: skip

referral = Table(
    "referral",
    metadata,
    Column("referral_id", Id, primary_key=True),
    Column("citizen_id", Id, nullable=False),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("consented", Boolean, nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("gender_wish", Text),
    Column("mobility", Text, nullable=False),
    Column("meeting", Text, nullable=False),
    Column("postcode", Text, nullable=False),
    comment="What the referral's events have told that matching needs.",
)

match = Table(
    "match",
    metadata,
    Column("appointment_id", Id, primary_key=True),
    Column("referral_id", Id, nullable=False),
    Column("citizen_id", Id, nullable=False),
    Column("department", Text, nullable=False),
    Column("location_id", Text, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("meeting", Text, nullable=False),
    Column("meet_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("round", Integer, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("decide_by", Instant, nullable=False),
    Column("match_id", Id),
    Column("offer_id", Id),
    Column("volunteer_id", Id, ForeignKey("volunteer.volunteer_id")),
    Column("leave_at", Instant),
    Column("home_at", Instant),
    Column("asked", ARRAY(Id), nullable=False),
    Column("unwilling", ARRAY(Id), nullable=False),
    CheckConstraint(
        "state in ('searching', 'matched', 'escalated', 'closed')", name="match_state"
    ),
    CheckConstraint(
        "state <> 'matched' or volunteer_id is not null", name="matched_has_volunteer"
    ),
    CheckConstraint(
        "volunteer_id is null"
        " or (leave_at is not null and home_at is not null and leave_at < home_at)",
        name="volunteer_has_span",
    ),
    # The last guard: nobody is in two places at once, whatever the code above it does.
    ExcludeConstraint(
        ("volunteer_id", "="),
        (text("tstzrange(leave_at, home_at)"), "&&"),
        where=text("volunteer_id is not null"),
        using="gist",
        name="never_two_places_at_once",
    ),
    Index("match_referral", "referral_id"),
    Index(
        "match_volunteer", "volunteer_id", "starts_at",
        postgresql_where=text("volunteer_id is not null"),
    ),
    Index("match_promised", "starts_at", postgresql_where=text("volunteer_id is not null")),
    Index("match_citizen", "citizen_id", postgresql_where=text("volunteer_id is not null")),
    Index("match_by_state", "state", "starts_at", "appointment_id"),
    comment=(
        "One appointment's search for a volunteer."
        " volunteer_id is set exactly while somebody's time is taken by it."
    ),
)  # fmt: skip

offer = Table(
    "offer",
    metadata,
    Column("offer_id", Id, primary_key=True),
    Column("appointment_id", Id, ForeignKey("match.appointment_id"), nullable=False),
    Column("volunteer_id", Id, ForeignKey("volunteer.volunteer_id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("distance_metres", Integer, nullable=False),
    Column("known_to_citizen", Boolean, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("leave_at", Instant, nullable=False),
    Column("meet_at", Instant, nullable=False),
    Column("home_at", Instant, nullable=False),
    Column("answered_at", Instant),
    CheckConstraint(
        "state in ('open', 'accepted', 'declined', 'expired', 'withdrawn')", name="offer_state"
    ),
    Index("offer_appointment", "appointment_id"),
    Index("offer_open", "volunteer_id", postgresql_where=OPEN),
    comment="One question to one volunteer. Changed only under the lock on its match.",
)

decision = Table(
    "decision",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("appointment_id", Id, nullable=False),
    Column("round", Integer, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("could", Integer, nullable=False),
    Column("asked", Text, nullable=False, comment="JSON: who was asked, in order, with points."),
    Column("counts", Text, nullable=False, comment="JSON: how many each rule excluded."),
    Column("excluded", Text, nullable=False, comment="JSON: whom each rule excluded, bounded."),
    Index("decision_appointment", "appointment_id", "id"),
    comment="Why something was decided. Ids only.",
)
