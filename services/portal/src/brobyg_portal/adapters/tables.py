"""The portal's own tables, each declared once.

They hold who is signed in, by opaque ids, and nothing of the domain. Of a secret that a browser
holds, such as a session's cookie, only the SHA-256 is stored; what is sealed opens with the
browser's secret alone. Times are real ones, whatever clock the service has: people sign in in real
time.
"""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
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
