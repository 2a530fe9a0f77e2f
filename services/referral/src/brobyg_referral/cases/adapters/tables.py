"""The tables of referrals, appointments and sessions. Nothing in them names a person."""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from brobyg_referral.metadata import metadata

referral = Table(
    "referral",
    metadata,
    Column("referral_id", Id, primary_key=True),
    Column("citizen_id", Id, ForeignKey("citizen.citizen_id"), nullable=False),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("municipality_code", Text, nullable=False),
    Column("referrer_kind", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("status in ('active', 'consent_withdrawn')", name="referral_status_check"),
    Index("referral_citizen", "citizen_id"),
    Index("referral_kept", "created_at", postgresql_where=text("status = 'active'")),
    Index(
        "referral_active",
        "citizen_id",
        "pathway",
        unique=True,
        postgresql_where=text("status = 'active'"),
    ),
    comment=(
        "A request for help for one citizen. Active is: consent to the help is given and not"
        " withdrawn (table consent); one active referral per citizen and pathway."
    ),
)

consent = Table(
    "consent",
    metadata,
    Column("consent_no", BigInteger, Identity(always=True), primary_key=True),
    Column("citizen_id", Id, ForeignKey("citizen.citizen_id"), nullable=False),
    Column("referral_id", Id, ForeignKey(referral.c.referral_id), nullable=False),
    Column("scope", Text, nullable=False, comment="As schemas/consent/scopes.yaml names it."),
    Column("text_id", Text, comment="The text agreed to. Null where it was not recorded."),
    Column("text_version", Integer),
    Column("how", Text, comment="written, oral or digital. Null where it was not recorded."),
    Column("by_guardian", Boolean, nullable=False),
    Column("given_at", Instant, nullable=False),
    Column(
        "taken_by", Text, comment="Pseudonym of who recorded it. Null from before it was recorded."
    ),
    Column("taken_role", Text, comment="The role in which they did."),
    Column("replaced_at", Instant, comment="When the same was agreed to in another text."),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Text),
    Column("withdrawn_role", Text),
    CheckConstraint("(text_id is null) = (text_version is null)", name="consent_text_check"),
    CheckConstraint("replaced_at is null or withdrawn_at is null", name="consent_replaced_check"),
    Index("consent_citizen", "citizen_id"),
    Index(
        "consent_standing",
        "referral_id",
        "scope",
        unique=True,
        postgresql_where=text("withdrawn_at is null and replaced_at is null"),
    ),
    Index("consent_referral", "referral_id", "consent_no"),
    Index("consent_kept", "withdrawn_at", postgresql_where=text("withdrawn_at is not null")),
    comment=(
        "What a citizen has consented to and withdrawn, a row each time. What still stands has"
        " neither replaced_at nor withdrawn_at."
    ),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column(
        "sender",
        Text,
        primary_key=True,
        comment="The organisation that asked; of a coordinator without one, the token's subject.",
    ),
    Column("key_hash", LargeBinary, primary_key=True),
    Column(
        "request_hash",
        LargeBinary,
        comment="Null once the person was erased whom the request named.",
    ),
    Column("made_id", Id, comment="The referral, appointment or session made; null likewise."),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(
        "(made_id is null) = (request_hash is null)", name="idempotency_key_forgotten_check"
    ),
    Index("idempotency_key_made", "made_id"),
    Index("idempotency_key_kept", "created_at"),
    comment=(
        "What requests that make something made, by the sender's Idempotency-Key. Only an HMAC of"
        " the key and of the body is stored: neither can be read."
    ),
)

appointment = Table(
    "appointment",
    metadata,
    Column("appointment_id", Id, primary_key=True),
    Column(
        "organisation",
        Text,
        comment="Whose it is. Null while it is only entered here and no hospital has sent it.",
    ),
    Column(
        "is_entered",
        Boolean,
        nullable=False,
        comment="Whether somebody entered it here, before any hospital booked it.",
    ),
    Column("referral_id", Id, ForeignKey(referral.c.referral_id), nullable=False),
    Column("citizen_id", Id, ForeignKey("citizen.citizen_id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("location_id", Text),
    Column("patient_status", Text, nullable=False, comment="FHIR ParticipationStatus, as sent."),
    Column("location_status", Text, nullable=False, comment="FHIR ParticipationStatus, as sent."),
    Column(
        "last_updated",
        Instant,
        nullable=False,
        comment=(
            "The time of the message that counts: the hospital's own, or its arrival where it"
            " gave none."
        ),
    ),
    Column(
        "own_time",
        Instant,
        comment=(
            "The newest time that the hospital itself gave; an older message has no effect. Null"
            " while it gave none."
        ),
    ),
    Column(
        "own_version",
        BigInteger,
        comment=(
            "The hospital's own version, of a sender whose versions rise; a lower one has no"
            " effect. Null while it gave none."
        ),
    ),
    Column(
        "announced",
        Text,
        nullable=False,
        comment=(
            "What was last published about it, and in the three columns beside it for when and"
            " where."
        ),
    ),
    Column("announced_starts_at", Instant),
    Column("announced_ends_at", Instant),
    Column("announced_location_id", Text),
    Column("version", Integer, nullable=False),
    CheckConstraint(
        "announced in ('nothing', 'booked', 'withheld', 'cancelled', 'completed', 'missed')",
        name="appointment_announced_check",
    ),
    CheckConstraint("version > 0", name="appointment_version_check"),
    Index("appointment_referral", "referral_id"),
    Index("appointment_citizen", "citizen_id"),
    Index(
        "appointment_kept",
        text("greatest(starts_at, ends_at, last_updated)"),
        postgresql_where=text("announced not in ('booked', 'withheld')"),
    ),
    Index("appointment_entered", "referral_id", postgresql_where=text("organisation is null")),
    comment=(
        "What is needed of the appointments of citizens with an active referral. Rows are deleted"
        " when consent is withdrawn; of somebody restricted when that is lifted."
    ),
)

appointment_identifier = Table(
    "appointment_identifier",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column(
        "appointment_id",
        Id,
        ForeignKey(appointment.c.appointment_id, ondelete="CASCADE"),
        nullable=False,
    ),
    Index("appointment_identifier_appointment", "appointment_id"),
    comment="The organisation's own names for an appointment: any one of them finds it.",
)

withheld_item = Table(
    "withheld_item",
    metadata,
    Column(
        "appointment_id",
        Id,
        ForeignKey(appointment.c.appointment_id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("kind", Text, primary_key=True),
    comment="What a coordinator is to look at once the restriction of its citizen is lifted.",
)

course = Table(
    "course",
    metadata,
    Column("citizen_id", Id, ForeignKey("citizen.citizen_id"), primary_key=True),
    Column("lifted_at", Instant, comment="When a restriction was lifted last: a sign of them."),
    Column("told_at", Instant, comment="When a coordinator was told that they are silent."),
    Index("course_told", "told_at", postgresql_where=text("told_at is not null")),
    comment=(
        "What decides, beside referrals, consents and appointments, how long a citizen is kept."
        " Deleted when they are erased."
    ),
)

session = Table(
    "session",
    metadata,
    Column("session_id", Id, primary_key=True),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("location_id", Text, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("seats", JSONB, nullable=False, comment="Where they differ from the policy's; else []."),
    Column("created_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    CheckConstraint("starts_at < ends_at", name="session_span_check"),
    comment="A planned session, at which several helpers are wanted.",
)
