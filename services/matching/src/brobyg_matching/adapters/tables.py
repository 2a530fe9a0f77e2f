"""The service's tables, each declared once."""

from brobyg_kit.person_keys import person_key_table
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint

metadata = MetaData()

#: The open offers.
OPEN = text("state = 'open'")


def _helper(ondelete: str | None = "CASCADE", *, key: bool = False) -> "Column[str]":
    reference = ForeignKey("helper.helper_id", ondelete=ondelete)
    return Column("helper_id", Id, reference, primary_key=key, nullable=False)


helper = Table(
    "helper",
    metadata,
    Column("helper_id", Id, primary_key=True),
    Column("status", Text, nullable=False),
    Column("pools", ARRAY(Text), nullable=False),
    Column("departments", ARRAY(Text), nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("gender", Text, comment="Null once erased."),
    Column("competences", ARRAY(Text), nullable=False),
    Column("home_postcode", Text, nullable=False),
    Column("range_metres", Integer, nullable=False),
    Column("travel", Text, nullable=False),
    Column("availability", JSONB, nullable=False),
    Column("away", ARRAY(Date), nullable=False),
    Column("weekly_limit", Integer, nullable=False),
    Column("caseload_limit", Integer),
    Column("registered_at", Instant, nullable=False),
    Column(
        "status_before",
        Text,
        comment="Of one who is restricted: the status once that is lifted.",
    ),
    Column(
        "inactive_since",
        Instant,
        comment="Since when they can't be asked: how long they are kept counts from it.",
    ),
    CheckConstraint(
        "status in ('applied', 'active', 'paused', 'restricted', 'erased')", name="helper_status"
    ),
    CheckConstraint(
        "(status = 'restricted') = (status_before is not null)", name="helper_status_before"
    ),
    CheckConstraint("cardinality(pools) > 0", name="helper_pools"),
    CheckConstraint("cardinality(departments) > 0", name="helper_departments"),
    CheckConstraint("status = 'erased' or cardinality(languages) > 0", name="helper_languages"),
    CheckConstraint("range_metres >= 0", name="helper_range"),
    CheckConstraint("weekly_limit >= 0", name="helper_weekly_limit"),
    CheckConstraint("caseload_limit >= 0", name="helper_caseload_limit"),
    Index("helper_department", "departments", postgresql_using="gin"),
    Index(
        "helper_left",
        "inactive_since",
        postgresql_where=text("status in ('applied', 'paused')"),
    ),
    comment="Who can be asked for what. No name and no address: those are in helper_contact.",
)

roster = Table(
    "roster",
    metadata,
    Column("department", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    comment=(
        "Counted up in the transaction that changes a helper of the department: by it each process"
        " sees whether the helpers that it holds in memory are those of now."
    ),
)

paper = Table(
    "paper",
    metadata,
    _helper(key=True),
    Column("kind", Text, primary_key=True),
    Column("since", Date, nullable=False),
    Column("valid_until", Date),
    comment="What a helper has signed, was checked for or has learned.",
)

helper_contact = Table(
    "helper_contact",
    metadata,
    _helper(key=True),
    Column(
        "sealed",
        LargeBinary,
        nullable=False,
        comment=(
            "Nonce and ciphertext of name, mail address and phone as JSON, under the helper's own"
            " key; the helper_id is authenticated with it."
        ),
    ),
    Column("email_hash", LargeBinary, nullable=False, comment="HMAC-SHA256 of the mail address."),
    Column("phone_hash", LargeBinary, comment="HMAC-SHA256 of the phone number."),
    Column("language", Text, nullable=False),
    # By these somebody who registers twice is noticed.
    Index("helper_contact_email", "email_hash"),
    Index("helper_contact_phone", "phone_hash"),
    comment="How a helper is reached, sealed. Every reading of it is an entry of the access log.",
)

person_key = person_key_table(metadata, helper.c.helper_id)

registration = Table(
    "registration",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    _helper(),
    Column("registered_at", Instant, nullable=False),
    Index("registration_kept", "registered_at"),
    comment=(
        "Requests to register a helper, by the sender's Idempotency-Key, or by the body where"
        " there is none. Both hashes are HMACs: nothing of key or body can be read."
    ),
)

block = Table(
    "block",
    metadata,
    Column("citizen_id", Id, primary_key=True),
    _helper(key=True),
    Column("asked_by", Text, nullable=False),
    Column("blocked_at", Instant, nullable=False),
    CheckConstraint("asked_by in ('helper', 'citizen')", name="block_asked_by"),
    comment="These two are not brought together again, at the wish of either.",
)

citizen = Table(
    "citizen",
    metadata,
    Column("citizen_id", Id, primary_key=True),
    Column("languages", ARRAY(Text)),
    Column("gender_wish", Text),
    Column("mobility", Text),
    Column("meeting", Text),
    Column("postcode", Text),
    comment=(
        "A copy of the citizen's record; all empty before it has come and after it was erased."
        " The row's lock serialises what happens to the citizen's needs."
    ),
)

consent = Table(
    "consent",
    metadata,
    Column("referral_id", Id, primary_key=True),
    Column("citizen_id", Id, nullable=False),
    Column("given", Boolean, nullable=False),
    comment="Whether a referral's consent stands: the last that was said of it.",
)

need = Table(
    "need",
    metadata,
    Column("need_id", Id, primary_key=True),
    Column("about_kind", Text, nullable=False),
    Column("about_id", Id, nullable=False),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("competences", ARRAY(Text), nullable=False),
    Column("crew", Text, nullable=False, comment="JSON: how many of each role."),
    Column("referral_id", Id),
    Column("citizen_id", Id),
    Column("location_id", Text),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("answer_by", Instant),
    Column("not_before", Instant),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant, comment="When it was closed last: how long it is kept counts."),
    Column("meet_at", Instant),
    Column("resource_id", Text),
    Column("follows", Id),
    Column("clashes_with", Id),
    Column("attention", ARRAY(Text), nullable=False),
    Column("waits", Boolean, nullable=False, comment="Whether a seat waits for capacity."),
    CheckConstraint("state in ('waiting', 'open', 'filled', 'closed')", name="need_state"),
    Index("need_citizen", "citizen_id", postgresql_where=text("citizen_id is not null")),
    # The waiting list of a department, in its order.
    Index(
        "need_waits",
        "department",
        "priority",
        "opened_at",
        "need_id",
        postgresql_where=text("waits"),
    ),
    Index("need_page", "department", text("coalesce(starts_at, opened_at)"), "need_id"),
    Index("need_page_all", text("coalesce(starts_at, opened_at)"), "need_id"),
    # What has not ended is asked for most, and is a small part of what there was.
    Index(
        "need_live",
        "department",
        text("coalesce(starts_at, opened_at)"),
        "need_id",
        postgresql_where=text("state <> 'closed'"),
    ),
    Index(
        "need_kept",
        text("greatest(opened_at, ends_at, closed_at)"),
        postgresql_where=text("state = 'closed'"),
    ),
    comment="Something that wants helpers. Changed only under the locks of citizen and need.",
)

waiting_list = Table(
    "waiting_list",
    metadata,
    Column("department", Text, primary_key=True),
    Column("freed_at", Instant, nullable=False, comment="The timer's due_at when it was read."),
    Column("again", Boolean, nullable=False, comment="Whether to begin again when it is through."),
    Column("priority", SmallInteger, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("need_id", Id, nullable=False),
    comment=(
        "How far the needs that wait for capacity have been looked through since some became free:"
        " the last that was. Changed only by who has claimed the department's timer."
    ),
)

seat = Table(
    "seat",
    metadata,
    Column("need_id", Id, ForeignKey("need.need_id"), primary_key=True),
    Column("no", SmallInteger, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("round", Integer, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("searched_at", Instant),
    Column("decide_by", Instant),
    Column("due_at", Instant),
    Column("helper_id", Id, ForeignKey("helper.helper_id")),
    Column("pool", Text),
    Column("match_id", Id),
    Column("way", Text),
    Column("matched_at", Instant),
    Column("offer_id", Id),
    Column("leave_at", Instant),
    Column("meet_at", Instant),
    Column("home_at", Instant),
    Column("asked", ARRAY(Id), nullable=False),
    Column("unwilling", ARRAY(Id), nullable=False),
    Column("withdrawn", ARRAY(Id), nullable=False),
    CheckConstraint(
        "state in ('searching', 'waiting', 'held', 'escalated', 'filled', 'closed')",
        name="seat_state",
    ),
    CheckConstraint("state <> 'filled' or helper_id is not null", name="filled_has_helper"),
    CheckConstraint(
        "helper_id is null or state in ('filled', 'closed')", name="helper_has_filled_seat"
    ),
    Index("seat_filled", "helper_id", postgresql_where=text("state = 'filled'")),
    comment="One helper wanted by a need.",
)

booking = Table(
    "booking",
    metadata,
    Column("need_id", Id, ForeignKey("need.need_id"), primary_key=True),
    Column(
        "seat_no", SmallInteger, primary_key=True, autoincrement=False,
        comment="0 for what is held with the need, such as a room.",
    ),
    Column("holder", Text, nullable=False, comment="A helper's id, or a resource's."),
    Column("span", TSTZRANGE, comment="From leaving home to being back; null for a case."),
    Column("exclusive", Boolean, nullable=False),
    CheckConstraint("span is not null or not exclusive", name="exclusive_has_span"),
    # The last guard: nobody is in two places at once, whatever the code above it does.
    ExcludeConstraint(
        ("holder", "="),
        ("span", "&&"),
        where=text("exclusive"),
        using="gist",
        name="never_two_places_at_once",
    ),
    # For many holders at once, which the index of the constraint above can't serve.
    Index(
        "booking_holder", "holder", text("upper(span)"), postgresql_where=text("exclusive")
    ),
    comment="Capacity taken: by a helper for a seat, or of a resource for a need.",
)  # fmt: skip

caseload = Table(
    "caseload",
    metadata,
    _helper(key=True),
    Column("taken", Integer, nullable=False),
    Column("allowed", Integer, nullable=False),
    # The last guard, as above.
    CheckConstraint("taken >= 0 and taken <= allowed", name="never_above_the_limit"),
    comment="How many cases a helper has, and how many were allowed when the last was given.",
)

turn = Table(
    "turn",
    metadata,
    _helper(key=True),
    Column("asked_at", Instant),
    comment="When each helper was last asked in turn; a row for each, so that none is ever added.",
)

offer = Table(
    "offer",
    metadata,
    Column("offer_id", Id, primary_key=True),
    Column("need_id", Id, ForeignKey("need.need_id"), nullable=False),
    Column("seat_no", SmallInteger, nullable=False),
    _helper(None),
    Column("round", Integer, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("distance_metres", Integer),
    Column("known_to_citizen", Boolean, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("leave_at", Instant),
    Column("meet_at", Instant),
    Column("home_at", Instant),
    Column("answered_at", Instant),
    CheckConstraint(
        "state in ('open', 'accepted', 'declined', 'expired', 'withdrawn')", name="offer_state"
    ),
    Index("offer_need", "need_id"),
    Index("offer_open", "helper_id", "need_id", postgresql_where=OPEN),
    comment="One question to one helper. Changed only under the locks of its need.",
)
