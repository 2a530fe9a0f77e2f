"""The portal's own tables, each declared once.

They hold who is signed in, by opaque ids, and nothing of the domain. Of a secret that a browser
holds, such as a session's cookie, only the SHA-256 is stored; what is sealed opens with the
browser's secret alone. Times are real ones, whatever clock the service has: people sign in in real
time.
"""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

session = Table(
    "session",
    metadata,
    Column("session_id", Id, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column(
        "previous_hash",
        LargeBinary,
        unique=True,
        comment="Of the token before the last rotation: requests on their way may still have it.",
    ),
    Column("rotated_at", Instant, nullable=False),
    Column("taken_up_at", Instant, comment="When the token of the last rotation first came back."),
    Column("kind", Text, nullable=False),
    Column("subject", Id, nullable=False, comment="Whose it is; an id that names nobody."),
    Column("roles", ARRAY(Text), nullable=False),
    Column("organisation", Text),
    Column("department", Text),
    Column("provider_session", Text, comment="The provider's own id of its session (sid)."),
    Column(
        "id_token",
        LargeBinary,
        comment="Sealed under the session's token; given back to the provider at sign-out.",
    ),
    Column(
        "previous_id_token",
        LargeBinary,
        comment="Sealed under the token before the last rotation, until that is taken up.",
    ),
    Column("form_key", LargeBinary, nullable=False, comment="Signs the forms shown in it."),
    Column("began_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, comment="Its last request, to the minute."),
    Column("ends_at", Instant, nullable=False, comment="When it ends at the latest."),
    Column("ended_at", Instant, comment="When it was ended before that."),
    CheckConstraint("kind in ('staff', 'helper', 'citizen')", name="session_kind_check"),
    Index("session_subject", "subject", postgresql_where=text("ended_at is null")),
    Index(
        "session_provider_session",
        "provider_session",
        postgresql_where=text("ended_at is null and provider_session is not null"),
    ),
    Index("session_kept", "ends_at"),
    comment="Who is signed in, and for a day who was.",
)

administrator = Table(
    "administrator",
    metadata,
    Column("subject", Id, primary_key=True),
    Column("added_at", Instant, nullable=False),
    comment="Who may see and end sessions, whatever the provider says. Named by command.",
)

kept_form = Table(
    "kept_form",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("subject", Id, nullable=False, comment="Who typed it."),
    Column("path", Text, nullable=False, comment="Where it was typed."),
    Column("sealed", LargeBinary, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index("kept_form_kept", "ends_at"),
    comment="What was typed in a form when its session had ended, until it is sent.",
)

spent = Table(
    "spent",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("spent_at", Instant, nullable=False),
    Column("led_to", Text, comment="The page that its effect was answered with."),
    Index("spent_kept", "spent_at"),
    comment="What acts once: keys of forms, states of sign-ins, the provider's sign-out tokens.",
)

sign_in_request = Table(
    "sign_in_request",
    metadata,
    Column("request_id", Id, primary_key=True),
    Column("browser_hash", LargeBinary, nullable=False, comment="Of the browser's own secret."),
    Column("address_hash", LargeBinary, nullable=False, comment="HMAC-SHA256 of the mail address."),
    Column("network_hash", LargeBinary, comment="As well, of it and the network that asked."),
    Column(
        "is_known",
        Boolean,
        nullable=False,
        comment="Whether this browser has shown that it was signed in by this address before.",
    ),
    Column("sealed", LargeBinary, comment="The mail address, until its owners were asked."),
    Column("next", Text, nullable=False, comment="The page to go on to."),
    Column("asked_at", Instant, nullable=False),
    Column("followed_at", Instant, comment="When the owners were asked; null for one too many."),
    Index("sign_in_request_address", "address_hash", "followed_at"),
    Index("sign_in_request_kept", "asked_at"),
    comment="Who asked for a link to sign in by: an address, whether or not somebody has it.",
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column(
        "request_id",
        Id,
        ForeignKey(sign_in_request.c.request_id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("kind", Text, nullable=False),
    Column("subject", Id, nullable=False, comment="Whom it signs in; an id that names nobody."),
    Column("ends_at", Instant, nullable=False),
    Column("used_at", Instant),
    CheckConstraint("kind in ('helper', 'citizen')", name="sign_in_link_kind_check"),
    Index("sign_in_link_request", "request_id"),
    Index("sign_in_link_subject", "subject"),
    comment="Links that were mailed, by the hash of their token.",
)

passkey = Table(
    "passkey",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Id, nullable=False, comment="Whom it signs in; an id that names nobody."),
    Column("public_key", LargeBinary, nullable=False, comment="COSE (RFC 9052)."),
    Column("sign_count", BigInteger, nullable=False, comment="How often it has signed, if told."),
    Column("added_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("checked_at", Instant, nullable=False, comment="When its owner was last asked."),
    CheckConstraint("kind in ('helper', 'citizen')", name="passkey_kind_check"),
    Index("passkey_subject", "subject"),
    Index("passkey_checked", "checked_at"),
    Index("passkey_kept", "used_at"),
    comment="By what helpers and citizens sign in besides links. Nothing of it is secret.",
)
