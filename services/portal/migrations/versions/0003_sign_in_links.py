"""Helpers and citizens sign in by a link, and by passkeys."""

import sqlalchemy as sa
from alembic import op

revision = "portal_0003"
down_revision = "portal_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "sign_in_request",
        sa.Column("request_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "browser_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="Of the browser's own secret.",
        ),
        sa.Column(
            "address_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC-SHA256 of the mail address.",
        ),
        sa.Column(
            "is_known",
            sa.Boolean(),
            nullable=False,
            comment="Whether this browser has shown that it was signed in by this address before.",
        ),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="The mail address, until its owners were asked.",
        ),
        sa.Column("next", sa.Text(), nullable=False, comment="The page to go on to."),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "followed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the owners were asked; null for one too many.",
        ),
        sa.PrimaryKeyConstraint("request_id"),
        comment="Who asked for a link to sign in by: an address, whether or not somebody has it.",
    )
    op.create_index("sign_in_request_address", "sign_in_request", ["address_hash", "followed_at"])
    op.create_index("sign_in_request_kept", "sign_in_request", ["asked_at"])
    op.create_table(
        "sign_in_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "subject",
            sa.Uuid(as_uuid=False),
            nullable=False,
            comment="Whom it signs in; an id that names nobody.",
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('helper', 'citizen')", name="sign_in_link_kind_check"),
        sa.ForeignKeyConstraint(["request_id"], ["sign_in_request.request_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
        comment="Links that were mailed, by the hash of their token.",
    )
    op.create_index("sign_in_link_request", "sign_in_link", ["request_id"])
    op.create_index("sign_in_link_subject", "sign_in_link", ["subject"])
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "subject",
            sa.Uuid(as_uuid=False),
            nullable=False,
            comment="Whom it signs in; an id that names nobody.",
        ),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="COSE (RFC 9052)."),
        sa.Column(
            "sign_count",
            sa.BigInteger(),
            nullable=False,
            comment="How often it has signed, if told.",
        ),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When its owner was last asked.",
        ),
        sa.CheckConstraint("kind in ('helper', 'citizen')", name="passkey_kind_check"),
        sa.PrimaryKeyConstraint("credential_id"),
        comment="By what helpers and citizens sign in besides links. Nothing of it is secret.",
    )
    op.create_index("passkey_subject", "passkey", ["subject"])
    op.create_index("passkey_checked", "passkey", ["checked_at"])
    op.create_index("passkey_kept", "passkey", ["used_at"])
