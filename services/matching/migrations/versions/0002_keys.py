"""How a helper is reached is sealed under a key of the helper's own.

What stood there in the open is sealed here, all of it or nothing, and its table is dropped, so that
nothing of it stays in the table's files. For that the keys must be at hand where helpers are kept,
and meanwhile nobody writes contacts. Backups and archived logs of the database hold it for as long
as they are kept.
"""

import hashlib
import hmac
import json
from typing import Any
from unicodedata import normalize

import sqlalchemy as sa
from alembic import op
from brobyg_kit.sealing_1 import keys_of_setting, seal

revision = "matching_0002_keys"
down_revision = "matching_0001"
branch_labels = None
depends_on = None

_BATCH = 1_000
_OLD = sa.text(
    "select helper_id, name, email, phone, language from helper_contact_open"
    " where helper_id > cast(:after as uuid) order by helper_id limit :n"
)
_KEY = sa.text(
    "insert into person_key (person_id, master_key_id, wrapped)"
    " values (cast(:id as uuid), :master, :wrapped)"
)
_CONTACT = sa.text(
    "insert into helper_contact (helper_id, sealed, email_hash, phone_hash, language)"
    " values (cast(:id as uuid), :sealed, :email, :phone, :language)"
)


def upgrade() -> None:
    """Create the tables, seal what is there, drop what stood in the open."""
    op.execute("lock table helper, helper_contact in share row exclusive mode")
    op.drop_index("helper_contact_email", "helper_contact")
    op.drop_index("helper_contact_phone", "helper_contact")
    op.rename_table("helper_contact", "helper_contact_open")
    op.drop_constraint("helper_contact_helper_id_fkey", "helper_contact_open")
    op.execute("alter index helper_contact_pkey rename to helper_contact_open_pkey")
    _create_tables()
    connection = op.get_bind()
    if first := _batch(connection, "00000000-0000-0000-0000-000000000000"):
        _seal(connection, first)
    op.drop_table("helper_contact_open")


def _create_tables() -> None:
    op.create_table(
        "person_key",
        sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("master_key_id", sa.Text(), nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="Nonce and ciphertext; master_key_id and person_id are authenticated with it.",
        ),
        sa.ForeignKeyConstraint(["person_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id"),
        comment=(
            "Each person's own key (AES-256), wrapped by a master key. Without its row whatever"
            " it has sealed can't be read: to delete it is to erase."
        ),
    )
    op.create_index("person_key_master", "person_key", ["master_key_id", "person_id"])
    op.create_table(
        "helper_contact",
        sa.Column("helper_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment=(
                "Nonce and ciphertext of name, mail address and phone as JSON, under the helper's"
                " own key; the helper_id is authenticated with it."
            ),
        ),
        sa.Column(
            "email_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC-SHA256 of the mail address.",
        ),
        sa.Column("phone_hash", sa.LargeBinary(), comment="HMAC-SHA256 of the phone number."),
        sa.Column("language", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["helper_id"], ["helper.helper_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("helper_id"),
        comment="How a helper is reached, sealed. Every reading of it is a row in access_log.",
    )
    op.create_index("helper_contact_email", "helper_contact", ["email_hash"])
    op.create_index("helper_contact_phone", "helper_contact", ["phone_hash"])


def _batch(connection: sa.Connection, after: str) -> list[Any]:
    return list(connection.execute(_OLD, {"after": after, "n": _BATCH}))


def _seal(connection: sa.Connection, first: list[Any]) -> None:
    """Seal each contact under a key of the helper's. Raises CommandError for missing settings."""
    why = "helpers are kept, and how they are reached is now sealed"
    master = keys_of_setting("BROBYG_MATCHING_ENCRYPTION_KEY", why)[0]
    lookup = keys_of_setting("BROBYG_MATCHING_LOOKUP_KEY", why)[0]
    batch = first
    while batch:
        keys, contacts = [], []
        for row in batch:
            person = str(row.helper_id)
            reached = {"name": row.name, "email": row.email, "phone": row.phone}
            plain = json.dumps(reached, ensure_ascii=False, separators=(",", ":")).encode()
            made = seal(master, person, plain, "contact")
            keys.append({"id": person, "master": made.master_key_id, "wrapped": made.wrapped})
            contacts.append(
                {
                    "id": person,
                    "sealed": made.sealed,
                    "email": _hash(lookup, b"email", _compared(row.email)),
                    "phone": None if row.phone is None else _hash(lookup, b"phone", row.phone),
                    "language": row.language,
                }
            )
        connection.execute(_KEY, keys)
        connection.execute(_CONTACT, contacts)
        batch = _batch(connection, str(batch[-1].helper_id))


def _compared(address: str) -> str:
    """Case and composition of letters do not count."""
    return normalize("NFC", normalize("NFC", address).casefold())


def _hash(key: bytes, label: bytes, value: str) -> bytes:
    return hmac.new(key, b"contact-" + label + b"\x00" + value.encode(), hashlib.sha256).digest()
