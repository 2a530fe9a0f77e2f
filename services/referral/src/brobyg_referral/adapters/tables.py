"""The service's tables, each declared once.

Whatever names a person is in `citizen.sealed` and nowhere else.
"""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from brobyg_referral.metadata import metadata

citizen = Table(
    "citizen",
    metadata,
    Column("citizen_id", Id, primary_key=True),
    Column("cpr_hash", LargeBinary, unique=True, comment="HMAC-SHA256 of the CPR number."),
    Column("key_id", Text),
    Column(
        "sealed",
        LargeBinary,
        comment=(
            "Nonce and ciphertext of name, contact and address as JSON; the citizen_id and key_id"
            " are authenticated with it."
        ),
    ),
    Column("created_at", Instant, nullable=False),
    Column("erased_at", Instant),
    CheckConstraint("length(cpr_hash) = 32", name="citizen_cpr_hash_check"),
    CheckConstraint(
        "(erased_at is null)"
        " = (cpr_hash is not null and key_id is not null and sealed is not null)",
        name="citizen_erased_check",
    ),
    comment=(
        "Who the citizens are: encrypted (AES-256-GCM), found by a keyed hash of the CPR number."
        " An erased citizen keeps the id alone."
    ),
)

referral = Table(
    "referral",
    metadata,
    Column("referral_id", Id, primary_key=True),
    Column("citizen_id", Id, ForeignKey(citizen.c.citizen_id), nullable=False),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("municipality_code", Text, nullable=False),
    Column("referrer_kind", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("needs", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("consent_given_at", Instant, nullable=False),
    Column("consent_withdrawn_at", Instant),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("status in ('active', 'consent_withdrawn')", name="referral_status_check"),
    CheckConstraint(
        "(status = 'consent_withdrawn') = (consent_withdrawn_at is not null)",
        name="referral_consent_check",
    ),
    Index(
        "referral_active",
        "citizen_id",
        "pathway",
        unique=True,
        postgresql_where=text("status = 'active'"),
    ),
    comment=(
        "A request for help for one citizen. Active is: consent is given and not withdrawn; one"
        " active referral per citizen and pathway."
    ),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("referral_id", Id, ForeignKey(referral.c.referral_id), nullable=False),
    Column("created_at", Instant, nullable=False),
    comment=(
        "Answers to POST /referrals by the sender's Idempotency-Key. Only an HMAC of the key and"
        " of the body is stored: neither can be read."
    ),
)

appointment = Table(
    "appointment",
    metadata,
    Column("appointment_id", Id, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("referral_id", Id, ForeignKey(referral.c.referral_id), nullable=False),
    Column("citizen_id", Id, ForeignKey(citizen.c.citizen_id), nullable=False),
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
        "announced in ('nothing', 'booked', 'cancelled', 'completed', 'missed')",
        name="appointment_announced_check",
    ),
    CheckConstraint("version > 0", name="appointment_version_check"),
    Index("appointment_referral", "referral_id"),
    comment=(
        "What is needed of the hospital's appointments of citizens with an active referral. Rows"
        " are deleted when consent is withdrawn."
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

access_log = Table(
    "access_log",
    metadata,
    Column("access_id", BigInteger, Identity(always=True), primary_key=True),
    Column("citizen_id", Id, ForeignKey(citizen.c.citizen_id), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("organisation", Text),
    Column("accessed_at", Instant, nullable=False),
    Index("access_log_citizen", "citizen_id", "accessed_at"),
    comment="Who was told how to reach whom, when and what for.",
)

intake_count = Table(
    "intake_count",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
    CheckConstraint("channel in ('http', 'kafka')", name="intake_count_channel_check"),
    CheckConstraint(
        "outcome in ('rejected', 'dropped_without_consent', 'kept', 'unchanged')",
        name="intake_count_outcome_check",
    ),
    comment=(
        "What became of the hospital's messages; the one trace of those dropped. Sharded so that"
        " requests do not wait for each other; the total is the sum over shard."
    ),
)
