"""All that reporting holds of somebody: what the history says of an id (GDPR art. 15 and 20).

Which projections those are is read from their rows: one that is added with a person's id is told
without a word here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from brobyg_contracts.exports import own_reasons
from brobyg_kit.database import Transaction
from brobyg_kit.export import OF_ANYBODY, Held, Holdings, Rows, plain
from sqlalchemy import Text, cast, column, or_, select, table
from sqlalchemy.dialects.postgresql import JSONB

from brobyg_reporting.adapters.tables import SCHEMA, metadata
from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.domain.projections import PROJECTIONS

#: By what a row is about, and so are the events, somebody of these kinds.
_IDS = {"citizens": "citizen_id", "volunteers": "helper_id"}
_PEOPLE_OF = {known_by: people for people, known_by in _IDS.items()}
#: What events call them where they are not called so.
_CALLED = ("recipient_id", "person_id")
_HEADINGS = {
    "referral": "Referrals",
    "appointment": "Appointments",
    "need": "What you need help for",
    "offer": "What you were asked",
    "match": "Agreements to help",
    "helper": "You as a helper",
    "citizen": "How you were restricted or erased",
    "attention": "What a coordinator had to look at",
}
#: Whose data it is, where it is somebody else's.
_PEOPLE = ("citizen_id", "helper_id", *_CALLED)
#: What else is others', by whose export it is: who did it; of a question, what tells which helper
#: was asked; the case that is the citizen's.
_OTHERS = {
    "citizen_id": ("actor", "rank", "known_to_citizen"),
    "helper_id": ("actor", "referral_id"),
}
#: The rule by which two are kept apart: that the citizen may have wished it is theirs.
_BLOCKED = "blocked"
_LOG_FIELDS = ("time", "type", "subject", "data")
#: What an event is about, of which an earlier one has named the person.
_LINKS = ("referral_id", "need_id")


def _fields(projection: AnyProjection) -> tuple[str, ...]:
    return tuple(one.name for one in msgspec.structs.fields(projection.row))


def _projected(projection: AnyProjection, known_by: str) -> Held:
    # Only its own: what the view joins is other people's too.
    name, fields = projection.table, _fields(projection)
    view = table(name, *map(column, fields), schema=SCHEMA)

    async def read(tx: Transaction, person_id: str) -> Rows:
        found = await tx.connection.execute(
            select(view).where(view.c[known_by] == person_id).order_by(view.c[fields[0]])
        )
        return [
            {key: plain(value) for key, value in _own(dict(row), known_by, person_id).items()}
            for row in found.mappings()
        ]

    told = tuple(one for one in fields if one not in _OTHERS[known_by])
    return Held(_HEADINGS.get(name, name.replace("_", " ").capitalize()), (name,), told, read)


def _history(known_by: str, projections: Sequence[AnyProjection]) -> Held:
    """Every event that is about the person, names them, or is about what is theirs."""
    log = table(
        "event_log",
        *(column(one) for one in ("time", "type", "subject", "id")),
        column("data", JSONB),
        schema=SCHEMA,
    )
    theirs = [
        (table(one.table, column(known_by), column(link), schema=SCHEMA), link)
        for one in projections
        if known_by == "citizen_id"  # what is a citizen's is not the helper's who was asked
        for link in _LINKS
        if link in _fields(one)
    ]

    async def read(tx: Transaction, person_id: str) -> Rows:
        subjects = [
            log.c.subject.in_(select(view.c[link]).where(view.c[known_by] == person_id))
            for view, link in theirs
        ]
        named = [log.c.data[name].astext == person_id for name in (known_by, *_CALLED)]
        if known_by == "helper_id":
            named += [
                log.c.data["considered"].contains([{"helper_id": person_id}]),
                log.c.data["excluded"].contains([{"helpers": [person_id]}]),
            ]
        columns = [log.c[name] for name in _LOG_FIELDS]
        found = await tx.connection.execute(
            select(*columns)
            .where(or_(log.c.subject == cast(person_id, Text), *named, *subjects))
            .order_by(log.c.time, log.c.id)
        )
        return [
            {key: plain(value) for key, value in row.items()}
            | {"data": _own(row["data"], known_by, person_id)}
            for row in found.mappings()
        ]

    return Held("The history", ("event_log",), _LOG_FIELDS, read)


def _own(data: Mapping[str, Any], known_by: str, person_id: str) -> dict[str, Any]:
    """What an event says without what it says of others, which is theirs (GDPR art. 15(4)).

    Of those who were considered for a seat or ruled out only the person is told.
    """
    told = {
        name: value
        for name, value in data.items()
        if name not in _OTHERS[known_by] and not (name in _PEOPLE and str(value) != person_id)
    }
    if "considered" in told:
        told["considered"] = [one for one in told["considered"] if one["helper_id"] == person_id]
    excluded = told.get("excluded")
    if isinstance(excluded, list):  # elsewhere it is how many each rule ruled out
        told["excluded"] = [
            {"rule": one["rule"], "helpers": [person_id]}
            for one in excluded
            if person_id in one.get("helpers", ()) and one["rule"] != _BLOCKED
        ]
    return own_reasons(_PEOPLE_OF[known_by], told)


def _sections(known_by: str) -> tuple[Held, ...]:
    own = [one for one in PROJECTIONS if known_by in _fields(one)]
    return (*(_projected(one, known_by) for one in own), _history(known_by, own), *OF_ANYBODY)


def _named(sections: Iterable[Held]) -> set[str]:
    return {name for one in sections for name in one.tables}


def _exempt() -> dict[str, Any]:
    """The fixed tables, which are about versions, and projections that name nobody."""
    fixed = {
        str(one.name): "Which versions there are, and how far each has read."
        for one in metadata.tables.values()
    }
    told = {name for known_by in _IDS.values() for name in _named(_sections(known_by))}
    nobody = {
        one.table: "Names nobody; the events that it is made of are told in the history."
        for one in PROJECTIONS
        if one.table not in told
    }
    return fixed | nobody | {"attention": "The kit's, which reporting does not use."}


HOLDINGS = Holdings({people: _sections(known_by) for people, known_by in _IDS.items()}, _exempt())
