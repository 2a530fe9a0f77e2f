"""The service's own tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "referral_0001"
down_revision = None
branch_labels = ("referral",)
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "citizen",
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "cpr_hash", sa.LargeBinary(), nullable=True, comment="HMAC-SHA256 of the CPR number."
        ),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment=(
                "Nonce and ciphertext of name, contact and address as JSON; the citizen_id"
                " and key_id are authenticated with it."
            ),
        ),
        sa.Column(
            "record",
            postgresql.JSONB(),
            nullable=True,
            comment=(
                "What helpers must know, as it was last published. Null before the first "
                "referral, and once erased."
            ),
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(erased_at is null) = (cpr_hash is not null and key_id is not null and "
            "sealed is not null)",
            name="citizen_erased_check",
        ),
        sa.CheckConstraint("erased_at is null or record is null", name="citizen_record_check"),
        sa.CheckConstraint("length(cpr_hash) = 32", name="citizen_cpr_hash_check"),
        sa.PrimaryKeyConstraint("citizen_id"),
        sa.UniqueConstraint("cpr_hash"),
        comment=(
            "Who the citizens are: encrypted (AES-256-GCM), found by a keyed hash of the "
            "CPR number. An erased citizen keeps the id alone."
        ),
    )
    op.create_table(
        "intake_count",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("channel in ('http', 'kafka')", name="intake_count_channel_check"),
        sa.CheckConstraint(
            "outcome in ('rejected', 'dropped_without_consent', 'kept', 'unchanged')",
            name="intake_count_outcome_check",
        ),
        sa.PrimaryKeyConstraint("channel", "outcome", "shard"),
        comment=(
            "What became of the hospital's messages; the one trace of those dropped. "
            "Sharded so that requests do not wait for each other; the total is the sum "
            "over shard."
        ),
    )
    op.create_table(
        "access_log",
        sa.Column("access_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("accessed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.PrimaryKeyConstraint("access_id"),
        comment="Who was told how to reach whom, when and what for.",
    )
    op.create_index("access_log_citizen", "access_log", ["citizen_id", "accessed_at"], unique=False)
    op.create_table(
        "referral",
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("municipality_code", sa.Text(), nullable=False),
        sa.Column("referrer_kind", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("consent_given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consent_withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'consent_withdrawn') = (consent_withdrawn_at is not null)",
            name="referral_consent_check",
        ),
        sa.CheckConstraint(
            "status in ('active', 'consent_withdrawn')", name="referral_status_check"
        ),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.PrimaryKeyConstraint("referral_id"),
        comment=(
            "A request for help for one citizen. Active is: consent is given and not "
            "withdrawn; one active referral per citizen and pathway."
        ),
    )
    op.create_index("referral_citizen", "referral", ["citizen_id"], unique=False)
    op.create_index(
        "referral_active",
        "referral",
        ["citizen_id", "pathway"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "appointment",
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "organisation",
            sa.Text(),
            nullable=True,
            comment="Whose it is. Null while it is only entered here and no hospital has sent it.",
        ),
        sa.Column(
            "is_entered",
            sa.Boolean(),
            nullable=False,
            comment="Whether somebody entered it here, before any hospital booked it.",
        ),
        sa.Column("referral_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("location_id", sa.Text(), nullable=True),
        sa.Column(
            "patient_status",
            sa.Text(),
            nullable=False,
            comment="FHIR ParticipationStatus, as sent.",
        ),
        sa.Column(
            "location_status",
            sa.Text(),
            nullable=False,
            comment="FHIR ParticipationStatus, as sent.",
        ),
        sa.Column(
            "last_updated",
            sa.DateTime(timezone=True),
            nullable=False,
            comment=(
                "The time of the message that counts: the hospital's own, or its arrival "
                "where it gave none."
            ),
        ),
        sa.Column(
            "own_time",
            sa.DateTime(timezone=True),
            nullable=True,
            comment=(
                "The newest time that the hospital itself gave; an older message has no "
                "effect. Null while it gave none."
            ),
        ),
        sa.Column(
            "own_version",
            sa.BigInteger(),
            nullable=True,
            comment=(
                "The hospital's own version, of a sender whose versions rise; a lower one "
                "has no effect. Null while it gave none."
            ),
        ),
        sa.Column(
            "announced",
            sa.Text(),
            nullable=False,
            comment=(
                "What was last published about it, and in the three columns beside it for "
                "when and where."
            ),
        ),
        sa.Column("announced_starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_location_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "announced in ('nothing', 'booked', 'cancelled', 'completed', 'missed')",
            name="appointment_announced_check",
        ),
        sa.CheckConstraint("version > 0", name="appointment_version_check"),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.referral_id"]),
        sa.PrimaryKeyConstraint("appointment_id"),
        comment=(
            "What is needed of the appointments of citizens with an active referral. Rows "
            "are deleted when consent is withdrawn."
        ),
    )
    op.create_index("appointment_referral", "appointment", ["referral_id"], unique=False)
    op.create_index(
        "appointment_entered",
        "appointment",
        ["referral_id"],
        unique=False,
        postgresql_where=sa.text("organisation is null"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column(
            "sender",
            sa.Text(),
            nullable=False,
            comment=(
                "The organisation that asked; of a coordinator without one, the token's subject."
            ),
        ),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "made_id",
            sa.Uuid(as_uuid=False),
            nullable=False,
            comment="The referral, appointment or session made.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sender", "key_hash"),
        comment=(
            "What requests that make something made, by the sender's Idempotency-Key. Only an HMAC "
            "of the key and of the body is stored: neither can be read."
        ),
    )
    op.create_table(
        "appointment_identifier",
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointment.appointment_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organisation", "system", "value"),
        comment="The organisation's own names for an appointment: any one of them finds it.",
    )
    op.create_index(
        "appointment_identifier_appointment",
        "appointment_identifier",
        ["appointment_id"],
        unique=False,
    )
    op.create_table(
        "session",
        sa.Column("session_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seats",
            postgresql.JSONB(),
            nullable=False,
            comment="Where they differ from the policy's; else [].",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("starts_at < ends_at", name="session_span_check"),
        sa.PrimaryKeyConstraint("session_id"),
        comment="A planned session, at which several helpers are wanted.",
    )
    op.create_table(
        "reference_entry",
        sa.Column(
            "key", sa.Text(), nullable=False, comment="Kind and id, such as department/north."
        ),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="The change that wrote it, counted up.",
        ),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False, comment="As it is in its event."),
        sa.PrimaryKeyConstraint("key"),
        comment=(
            "Places, departments, organisations, pools, postcodes and calendars, as they are now."
        ),
    )
    op.create_index("reference_entry_version", "reference_entry", ["version"], unique=False)
