"""Each citizen is sealed under a key of their own, and is found by a keyed index of names.

What was sealed under the master key itself is carried over here, all of it or nothing, so that the
service reads one form only. For that the master keys must be at hand where citizens are kept, and
meanwhile nobody writes citizens. The index is filled by the service (`adapters.name_rebuild`).

The table is written anew, so that no dead row holds what the master key itself has sealed. Backups
and archived logs of the database hold it for as long as they are kept.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from brobyg_kit.sealing_1 import key_id, keys_of_setting, seal
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

revision = "referral_0002_keys"
down_revision = "referral_erasure"
branch_labels = None
depends_on = None

_BATCH = 1_000
_NONCE = 12
_SETTING = "BROBYG_REFERRAL_ENCRYPTION_KEY"
_OLD = sa.text(
    "select citizen_id, key_id, sealed from citizen"
    " where sealed is not null and citizen_id > cast(:after as uuid) order by citizen_id limit :n"
)
_SEAL = sa.text("update citizen set sealed = :sealed where citizen_id = cast(:id as uuid)")
_KEY = sa.text(
    "insert into person_key (person_id, master_key_id, wrapped)"
    " values (cast(:id as uuid), :master, :wrapped)"
)


def upgrade() -> None:
    """Create the tables, carry the citizens over, drop what is no longer used."""
    op.execute("lock table citizen in share row exclusive mode")
    _create_tables()
    connection = op.get_bind()
    if first := _batch(connection, "00000000-0000-0000-0000-000000000000"):
        _carry_over(connection, first)
    op.drop_constraint("citizen_erased_check", "citizen", type_="check")
    op.drop_column("citizen", "key_id")
    # Writes the whole table anew: what the master key itself has sealed is in no dead row either.
    op.execute("alter table citizen alter column sealed type bytea using sealed || ''::bytea")
    op.create_check_constraint(
        "citizen_erased_check",
        "citizen",
        "(erased_at is null) = (cpr_hash is not null and sealed is not null)",
    )
    op.alter_column(
        "citizen",
        "sealed",
        comment=(
            "Nonce and ciphertext of name, contact and address as JSON, under the citizen's own"
            " key; the citizen_id is authenticated with it."
        ),
    )


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
        sa.ForeignKeyConstraint(["person_id"], ["citizen.citizen_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id"),
        comment=(
            "Each person's own key (AES-256), wrapped by a master key. Without its row whatever"
            " it has sealed can't be read: to delete it is to erase."
        ),
    )
    op.create_index("person_key_master", "person_key", ["master_key_id", "person_id"])
    op.create_table(
        "name_token",
        sa.Column("citizen_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.citizen_id"]),
        sa.PrimaryKeyConstraint("citizen_id", "token"),
        comment=(
            "What citizens are searched by: keyed hashes (HMAC-SHA256, half of it) of their names"
            " as written, as they sound and by their first letters, of the phone's last digits and"
            " of the date of birth. Deleted when the citizen is erased."
        ),
    )
    op.create_index("name_token_token", "name_token", ["token"])


def _batch(connection: sa.Connection, after: str) -> list[Any]:
    return list(connection.execute(_OLD, {"after": after, "n": _BATCH}))


def _carry_over(connection: sa.Connection, first: list[Any]) -> None:
    """Seal each citizen under a key of their own. Raises CommandError that says what is wrong."""
    masters = keys_of_setting(
        _SETTING, "citizens are kept, and each is now given a key of their own"
    )
    old = {key_id(one): AESGCM(one) for one in masters}
    batch = first
    while batch:
        keys, seals = [], []
        for row in batch:
            person = str(row.citizen_id)
            made = seal(masters[0], person, _opened(old, row, person), "identity")
            seals.append({"id": person, "sealed": made.sealed})
            keys.append({"id": person, "master": made.master_key_id, "wrapped": made.wrapped})
        connection.execute(_SEAL, seals)
        connection.execute(_KEY, keys)
        batch = _batch(connection, str(batch[-1].citizen_id))


def _opened(old: dict[str, AESGCM], row: Any, person: str) -> bytes:
    if row.key_id not in old:
        raise CommandError(
            f"citizens are sealed under the key {row.key_id}, which is not in {_SETTING}: append"
            " it and migrate again. Nothing was changed"
        )
    bound_to = f"{row.key_id}:{person}".encode()
    try:
        return old[row.key_id].decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], bound_to)
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        raise CommandError(
            f"table citizen, citizen_id {person}: what is sealed there was altered, and no key"
            " opens it. Nothing was changed. Restore this row's key_id and sealed from a backup;"
            " if there is none, erase the citizen with the version before this one. Then migrate"
            " again"
        ) from None
