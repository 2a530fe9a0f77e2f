"""Reporting's tables: the fixed ones, and those that each version of the projections has.

The fixed ones are in the schema `reporting`, where the views are too, and are migrated. A version's
tables are in a schema of its own. They are made from the projections' row types and are never
migrated: code that needs other tables builds another version.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from brobyg_contracts import NeedDecided
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.domain.projections import PROJECTIONS

#: The schema of the fixed tables and of the views.
SCHEMA = "reporting"
metadata = MetaData(schema=SCHEMA)

#: States of a build that is not switched to.
BUILDS = ("building", "verifying", "built")

projection_version = Table(
    "projection_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="Of the build."),
    Column("projection", Text, primary_key=True, comment="The table; event_log too is one."),
    Column(
        "state",
        Text,
        nullable=False,
        comment=(
            "building; verifying: built to be compared only; built: can be switched to; live: shown"
            " by the views and written by the consumer; replaced: was live; dropped before it was"
            " live."
        ),
    ),
    Column("fingerprint", Text, nullable=False, comment="The code that writes it."),
    Column("started_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Column("finished_at", Instant),
    Column("events", BigInteger, comment="Events that its build read."),
    Column("seconds", Double),
    Column("result", JSONB, comment="What the comparison with the version before it found."),
    CheckConstraint(
        "state in ('building', 'verifying', 'built', 'live', 'replaced', 'dropped')",
        name="projection_version_state_check",
    ),
    Index(
        "projection_version_live",
        "projection",
        unique=True,
        postgresql_where=text("state = 'live'"),
    ),
    comment="Every version of each projection that was ever begun; a build makes one or several.",
)

version_share = Table(
    "version_share",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("share", Integer, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False, comment="Records that are not events."),
    comment=(
        "Which shares (one partition number of all topics) a version being built holds. Written in"
        " the transaction that fills them, so that a stopped rebuild goes on where it was."
    ),
)

topic_offset = Table(
    "topic_offset",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    comment=(
        "The first offset of each partition that the live event log does not hold. Written in the"
        " transaction that writes the events."
    ),
)

lag = Table(
    "lag",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("projection", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    comment=(
        "From which offset a version of a projection lacks the events of a partition. A live one"
        " without a row has folded all that the event log holds; a build without one has nothing"
        " yet."
    ),
)

build_end = Table(
    "build_end",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("end_offset", BigInteger, nullable=False),
    comment="Up to which offset (exclusive) a build of all tables reads a partition of the topics.",
)

#: Ids are compared byte by byte: sorting them by a language's rules costs several times as much.
_Key = Text(collation="C")
_TYPES: Mapping[Any, TypeEngine[Any]] = {
    bool: Boolean(),
    datetime: Instant,
    int: BigInteger(),
    str: Text(),
    Sequence[str]: ARRAY(Text()),
}
#: The columns of each index of a table; named by its first column.
_INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "referral": [("department", "created_at")],
    "appointment": [("referral_id",)],
    "need": [("referral_id",), ("about_id",)],
    "match": [("need_id",), ("helper_id",)],
    "attention": [
        ("state", "urgency_rank", "due_at", "attention_id"),
        ("need_id",),
        ("other_need_id",),
    ],
}


def schema_of(number: int) -> str:
    """The database schema of a version."""
    return f"projection_v{number:d}"


@cache
def tables_of(number: int) -> Mapping[str, Table]:
    """The tables of a version by name: the event log, then the projections in their order."""
    own = MetaData(schema=schema_of(number))
    _event_log(own)
    for projection in PROJECTIONS:
        _projected(projection, own)
    return MappingProxyType({str(table.name): table for table in own.tables.values()})


def _event_log(own: MetaData) -> None:
    log = Table(
        "event_log",
        own,
        Column("id", Id, comment="The event's id (UUIDv7, CloudEvents id)."),
        Column("topic", Text, nullable=False, comment="Kafka topic it was read from."),
        Column("partition", Integer, nullable=False, comment="Partition of the topic."),
        Column(
            "record_offset",
            BigInteger,
            nullable=False,
            comment="Offset in the partition of its first occurrence.",
        ),
        Column(
            "type",
            Text,
            nullable=False,
            comment="CloudEvents type, dk.brobyg.<noun>.<past participle>.",
        ),
        Column(
            "subject",
            _Key,
            nullable=False,
            comment="The thing it is about: a referral_id, need_id, helper_id or attention_id.",
        ),
        Column(
            "sequence",
            BigInteger,
            nullable=False,
            comment=(
                "Number of its record among the subject's from the same source, from 1; one of an"
                " earlier version may have told several events."
            ),
        ),
        Column("time", Instant, nullable=False, comment="When it happened, UTC."),
        Column(
            "dataschema",
            Text,
            comment="Schema that its data has; null where it is its type's of version 2.",
        ),
        Column(
            "correlationid",
            Text,
            nullable=False,
            comment="Id of the event that began the chain it belongs to.",
        ),
        Column(
            "causationid",
            Text,
            comment=(
                "Id of the event that caused it directly; null when a person or another system did."
            ),
        ),
        Column(
            "data", JSONB, nullable=False, comment="What the event says, in today's words (JSON)."
        ),
        Column(
            "folded",
            Boolean,
            nullable=False,
            comment=(
                "Whether the other views count it; false for a type, or a word in its data, that"
                " the code did not know that logged it, nor that of a projection built since."
            ),
        ),
        PrimaryKeyConstraint("id", name="event_log_pkey"),
        comment=(
            "Every event once, one of an earlier version as today's say it: the ground truth that"
            " all other views are folded from."
        ),
    )
    Index("event_log_subject", log.c.subject)
    Index("event_log_place", log.c.partition, log.c.record_offset)
    Index("event_log_unknown", log.c.type, postgresql_where=~log.c.folded)
    Index("event_log_decided", log.c.time, postgresql_where=log.c.type == NeedDecided.EVENT_TYPE)


def _projected(projection: AnyProjection, own: MetaData) -> None:
    columns = [_column(one.name, one.type) for one in msgspec.structs.fields(projection.row)]
    key = PrimaryKeyConstraint(projection.key, name=f"{projection.table}_pkey")
    table = Table(projection.table, own, *columns, key)
    for indexed in _INDEXES.get(projection.table, ()):
        Index(f"{projection.table}_{indexed[0]}", *(table.c[name] for name in indexed))


def _column(name: str, annotation: Any) -> "Column[Any]":  # types of types are not expressible
    """The column of a row's field, which is `Annotated[type, Doc(comment)]`."""
    declared, comment = get_args(annotation)
    kinds = get_args(declared) if get_origin(declared) in {Union, UnionType} else (declared,)
    [kind] = (one for one in kinds if one is not NoneType)
    stored = _TYPES[str if get_origin(kind) is Literal else kind]
    return Column(
        name,
        _Key if name.endswith("_id") else stored,
        nullable=NoneType in kinds,
        comment=comment.documentation,
    )
