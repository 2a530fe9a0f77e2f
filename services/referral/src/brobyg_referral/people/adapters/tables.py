"""The tables of the citizens. Whatever names a person is in `citizen.sealed` and nowhere else."""

from brobyg_kit.person_keys import person_key_table
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB

from brobyg_referral.metadata import metadata

citizen = Table(
    "citizen",
    metadata,
    Column("citizen_id", Id, primary_key=True),
    Column("cpr_hash", LargeBinary, unique=True, comment="HMAC-SHA256 of the CPR number."),
    Column(
        "sealed",
        LargeBinary,
        comment=(
            "Nonce and ciphertext of name, contact and address as JSON, under the citizen's own"
            " key; the citizen_id is authenticated with it."
        ),
    ),
    Column(
        "record",
        JSONB,
        comment=(
            "What helpers must know, as it was last published. Null before the first referral, and"
            " once erased."
        ),
    ),
    Column("created_at", Instant, nullable=False),
    Column("erased_at", Instant),
    CheckConstraint("length(cpr_hash) = 32", name="citizen_cpr_hash_check"),
    CheckConstraint(
        "(erased_at is null) = (cpr_hash is not null and sealed is not null)",
        name="citizen_erased_check",
    ),
    CheckConstraint("erased_at is null or record is null", name="citizen_record_check"),
    comment=(
        "Who the citizens are: encrypted (AES-256-GCM), found by a keyed hash of the CPR number."
        " An erased citizen keeps the id alone."
    ),
)

person_key = person_key_table(metadata, citizen.c.citizen_id)

name_token = Table(
    "name_token",
    metadata,
    Column("citizen_id", Id, ForeignKey(citizen.c.citizen_id), primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Index("name_token_token", "token"),
    comment=(
        "What citizens are searched by: keyed hashes (HMAC-SHA256, half of it) of their names as"
        " written, as they sound and by their first letters, of the phone's last digits, of the"
        " date of birth and of the mail address. Deleted when the citizen is erased."
    ),
)
