"""The service's own tables, each declared once.

Nothing in them is personal: the events are thin, all else is asked of its owner at the moment of
sending.
"""

from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_WAITING = text("state = 'waiting'")

notification = Table(
    "notification",
    metadata,
    Column(
        "position",
        BigInteger,
        Identity(always=True),
        primary_key=True,
        comment="The order of causes. A thread's messages are sent in this order.",
    ),
    Column("notification_id", Id, nullable=False, unique=True),
    Column("template", Text, nullable=False),
    Column("recipient_role", Text, nullable=False),
    Column("recipient_id", Text, nullable=False),
    Column("need_id", Id, nullable=False),
    Column("referral_id", Id, comment="None for a need that is nobody's referral."),
    Column("pathway", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("seat_role", Text, comment="Role of the helper's seat, if the message is about one."),
    Column("cause", Id, nullable=False),
    Column("cause_event", JSONB, nullable=False),
    Column(
        "thread",
        Text,
        nullable=False,
        comment="Need and recipient. A newer message of a thread never overtakes an older.",
    ),
    Column("starts_at", Instant, comment="Start of what it tells of; none without a span."),
    Column(
        "ends_at",
        Instant,
        comment="End of what it tells of. After it there is nothing left to tell.",
    ),
    Column(
        "match_event",
        JSONB(none_as_null=True),
        comment="The match event it tells of: its cause, or the thread's last before.",
    ),
    Column("release_reason", Text, comment="Why what it tells of has ended."),
    Column("calendar_method", Text),
    Column(
        "calendar_sequence",
        Integer,
        comment=(
            "SEQUENCE (RFC 5545): 0 for a thread's first change of a calendar entry, then rising."
        ),
    ),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=text("'waiting'"),
        comment=(
            "waiting; sent; failed: given up for a permanent reason; superseded: no longer true"
            " when it was to be sent (replaced by a newer one, answered), so it was not."
        ),
    ),
    Column(
        "reason",
        Text,
        comment="Why it failed; while it waits, what was in the way of the last attempt.",
    ),
    Column(
        "attempts",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="Counted before each attempt, so that one the process did not survive counts too.",
    ),
    Column("due_at", Instant, nullable=False, comment="When to try next, by the service's clock."),
    Column(
        "claimed_by",
        Integer,
        comment=(
            "The worker that has it in hand. The claim holds while a database session holds the"
            " advisory lock of this number, and some seconds longer."
        ),
    ),
    Column("created_at", Instant, nullable=False),
    Column(
        "kept_at",
        Instant,
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="created_at in wall time: how long people have waited, whatever the clock.",
    ),
    Column("ended_at", Instant),
    UniqueConstraint("cause", "recipient_role", "recipient_id"),
    CheckConstraint(
        "calendar_method in ('REQUEST', 'CANCEL')", name="notification_calendar_method_check"
    ),
    CheckConstraint(
        "state in ('waiting', 'sent', 'failed', 'superseded')", name="notification_state_check"
    ),
    CheckConstraint(
        "(calendar_method is null) = (calendar_sequence is null)", name="notification_file_check"
    ),
    CheckConstraint("(state = 'waiting') = (ended_at is null)", name="notification_end_check"),
    Index("notification_due", "due_at", "position", postgresql_where=_WAITING),
    Index("notification_waiting_thread", "thread", "position", postgresql_where=_WAITING),
    Index(
        "notification_calendar",
        "thread",
        "calendar_sequence",
        unique=True,
        postgresql_where=text("calendar_sequence is not null"),
    ),
    Index("notification_need", "need_id", "position"),
    Index("notification_recipient", "recipient_id"),
    # What is over, by its time. That of a need without a span is over when the need is closed.
    Index(
        "notification_kept",
        text("greatest(ended_at, ends_at)"),
        postgresql_where=text("state <> 'waiting' and ends_at is not null"),
    ),
    comment=(
        "One row for each cause and recipient. The row exists before the message is sent and says"
        " what became of it."
    ),
)

called_off = Table(
    "called_off",
    metadata,
    Column("need_id", Id, primary_key=True),
    Column("reason", Text, nullable=False, comment="In the words of match.released."),
    Column("happened_at", Instant, nullable=False),
    Column("event", JSONB, nullable=False, comment="The need.changed or need.closed event."),
    Index("called_off_kept", "happened_at"),
    comment=(
        "What the referral service has called off: the newest event by which a need no longer"
        " stands as it did, or may stand otherwise."
    ),
)

closed_need = Table(
    "closed_need",
    metadata,
    Column("need_id", Id, primary_key=True),
    Column("closed_at", Instant, nullable=False),
    Index("closed_need_kept", "closed_at"),
    comment=(
        "Needs that were closed and not opened since: how long notices about one without a span"
        " are kept counts from then."
    ),
)
