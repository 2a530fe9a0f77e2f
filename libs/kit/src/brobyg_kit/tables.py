"""The mechanism's tables, in each service's own database beside its own tables."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

#: A time with its zone, as PostgreSQL's `timestamptz`.
Instant = DateTime(timezone=True)
#: An id as Python's str and PostgreSQL's uuid.
Id = Uuid(as_uuid=False)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", LargeBinary, comment="Null deletes the key's record of a compacted topic."),
    Column(
        "content_type",
        Text,
        nullable=False,
        server_default=text("'application/cloudevents+json'"),
    ),
    Column("created_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    comment="Records that are committed and not yet acknowledged by the broker, in sending order.",
)

replica = Table(
    "replica",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("record_offset", BigInteger, nullable=False),
    Column("event_id", Id, nullable=False),
    Column("body", LargeBinary, comment="The event; null when the key's record was deleted."),
    comment="Copies of compacted topics: of each key the last record.",
)

stream = Table(
    "stream",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    comment=(
        "The last sequence number given to each subject."
        " Its row lock makes outbox order commit order within a subject."
    ),
    # Each row is updated again and again: free space keeps the new version on the same page.
    postgresql_with={"fillfactor": 50},
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("received_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    comment="Events whose effects are committed here. A second arrival has no effect.",
)

timer = Table(
    "timer",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("due_at", Instant, nullable=False),
    Column(
        "next_attempt_at",
        Instant,
        nullable=False,
        comment="When to try it, in the clock's time: due_at, or later once it has failed.",
    ),
    Column(
        "attempts",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="How often it has failed.",
    ),
    Index("timer_due", "next_attempt_at"),
    Index("timer_failing", "next_attempt_at", postgresql_where=text("attempts > 0")),
    comment=(
        "What is to happen later. A row is claimed with SKIP LOCKED and deleted in the transaction"
        " that carries out its effects."
    ),
)

parked_event = Table(
    "parked_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Id, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("record_offset", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_failed_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Column("last_failed_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Column("next_attempt_at", Instant),
    CheckConstraint("state in ('retrying', 'waiting', 'dead')", name="parked_event_state_check"),
    Index("parked_event_subject", "subject", "id"),
    Index("parked_event_due", "next_attempt_at", postgresql_where=text("state = 'retrying'")),
    comment=(
        "Events that could not be handled, and those of the same subject that wait behind them."
        " Holds where the record is, never its content."
    ),
)

discarded_event = Table(
    "discarded_event",
    metadata,
    Column(
        "id", BigInteger, primary_key=True, autoincrement=False, comment="As it had while parked."
    ),
    Column("event_id", Id, nullable=False),
    Column("type", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("record_offset", BigInteger, nullable=False),
    Column("reason", Text, nullable=False, comment="A code of brobyg_kit.parking."),
    Column("actor", Text, nullable=False, comment="Who did it, as an id that names nobody."),
    Column("discarded_at", Instant, nullable=False),
    Index("discarded_event_discarded_at", "discarded_at"),
    comment="Which dead events somebody has given up on, and why. Holds nothing of their content.",
)

attention = Table(
    "attention",
    metadata,
    Column("attention_id", Id, primary_key=True, comment="Derived from its kind and its subject."),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("raised_at", Instant, nullable=False, comment="When it was opened last."),
    Column("claimed_by", Text, comment="Who looks at it."),
    Column("settled_by", Text),
    Column("settled_at", Instant),
    Column("outcome", Text),
    Column("body", JSONB, nullable=False, comment="What the event says that raised it last."),
    CheckConstraint(
        "(settled_at is null) = (outcome is null) and (settled_at is null) = (settled_by is null)",
        name="attention_settled_check",
    ),
    Index("attention_open", "kind", postgresql_where=text("settled_at is null")),
    Index("attention_settled", "settled_at", postgresql_where=text("settled_at is not null")),
    comment="What needs a human, and for a while what did. Notes and names stand nowhere in it.",
)

erased_person = Table(
    "erased_person",
    metadata,
    Column("person_id", Id, primary_key=True),
    Column("erased_at", Instant, nullable=False),
    comment="Whom this service has erased: what comes later of them is dropped.",
)

erasure = Table(
    "erasure",
    metadata,
    Column("person_id", Id, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="Who asked, as an id that names nobody."),
    Column("requested_at", Instant, nullable=False),
    Column("expected", ARRAY(Text), nullable=False, comment="The services that must acknowledge."),
    Column("topic", Text, comment="The compacted topic that held what was said of the person."),
    Column("key_destroyed_at", Instant, nullable=False),
    Column("tombstoned_at", Instant, comment="When the deletion was on the topic."),
    Column("compacted_at", Instant, comment="When no record with a value was left there."),
    Column("completed_at", Instant),
    Column(
        "sent_at",
        Instant,
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="When the deletion was last put on the topic, in wall time, as is look_at.",
    ),
    Column("look_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Index(
        "erasure_unproven",
        "look_at",
        postgresql_where=text("topic is not null and compacted_at is null"),
    ),
    comment="The proof, kept without the person: who asked, and what was done by when.",
)

erasure_acknowledgement = Table(
    "erasure_acknowledgement",
    metadata,
    Column("person_id", Id, ForeignKey(erasure.c.person_id), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("acknowledged_at", Instant, nullable=False),
    comment="Which services have said that they hold nothing of the person any more.",
)

erasures_replayed = Table(
    "erasures_replayed",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    comment=(
        "Up to where the history was looked through for erasures. It is restored with a backup, so"
        " that those made since are found and made again."
    ),
)

restriction = Table(
    "restriction",
    metadata,
    Column("person_id", Id, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="Who asked, as an id that names nobody."),
    Column("restricted_at", Instant, nullable=False),
    comment="Of whom what is held is kept and nothing is done with it, until that is lifted.",
)

access_entry = Table(
    "access_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("person_id", Id, nullable=False),
    Column("read_at", Instant, nullable=False),
    Column("reader", Text, nullable=False, comment="The subject of the token."),
    Column("roles", ARRAY(Text), nullable=False),
    Column("organisation", Text),
    Column("department", Text),
    Column("purpose", Text, nullable=False, comment="A code of schemas/purposes.yaml."),
    Column("emergency", Text, comment="Why somebody read whose data is not theirs to see."),
    Column("seal", BigInteger, comment="The seal over it; null for some seconds."),
    Index("access_entry_person", "person_id", "id"),
    Index("access_entry_seal", "seal", "id"),
    comment="Who read who somebody is or how to reach them, when and what for. Only added to.",
)

access_seal = Table(
    "access_seal",
    metadata,
    Column("no", BigInteger, primary_key=True, autoincrement=False, comment="From 1, no gaps."),
    Column("sealed_at", Instant, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("last_read_at", Instant, nullable=False),
    Column("previous", LargeBinary, nullable=False, comment="The hash of the seal before."),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256, see brobyg_kit.access_log."),
    Column("ended_at", Instant, comment="When its entries were deleted, their time being over."),
    Index("access_seal_kept", "last_read_at", postgresql_where=text("ended_at is null")),
    comment="A chain over the access log: whoever changes an entry breaks it.",
)
