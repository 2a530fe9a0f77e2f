"""What the API asks the views.

`departments` limits an answer to departments of these ids; None is all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    TableClause,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.exc import NotSupportedError

from brobyg_reporting.adapters.tables import SCHEMA
from brobyg_reporting.domain.explanation import Explanation, PastEvent, explain
from brobyg_reporting.domain.sentences import sentence

#: A row as JSON; its keys are the view's columns, described in the data dictionary.
JsonRow = dict[str, Any]
#: Ids of departments; None for all.
Departments = Sequence[str] | None

_MOST_EVENTS = 5_000


def _view(name: str, *columns: str) -> TableClause:
    """A view and those of its columns that are named here; a row has all."""
    return table(name, *(column(one) for one in columns), schema=SCHEMA)


_LOG = _view(
    "event_log", "topic", "record_offset", "time", "type", "subject", "sequence", "correlationid",
    "causationid", "folded",
)  # fmt: skip
_REFERRAL = _view("referral", "referral_id", "department", "standing", "created_at")
_NEED = _view("need", "need_id", "referral_id", "department")
_ACTIVITY = _view("helper_activity", "helper_id", "minutes_done")
_SUMMARY = _view(
    "need_summary", "department", "municipality_code", "pathway", "month", "state", "standing"
)
_TIME_TO_MATCH = _view("time_to_match", "department", "pathway", "month")
_ATTENTION = table(
    "attention",
    *(column(one) for one in ("attention_id", "department", "kind", "state", "urgency_rank")),
    column("due_at", Instant),
    *(column(one) for one in ("need_id", "other_need_id")),
    schema=SCHEMA,
)
_HELPER = table("helper", column("helper_id"), column("departments", ARRAY(Text())), schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class Queries:
    """Reads only, each within the database's own time limit."""

    database: Database

    async def department_of(self, referral_id: str) -> tuple[bool, str | None]:
        """Whether anything is known of the referral, and its department."""
        return await self._department(_REFERRAL, _REFERRAL.c.referral_id == referral_id)

    async def department_of_need(self, need_id: str) -> tuple[bool, str | None]:
        """Whether anything is known of the need, and its department."""
        return await self._department(_NEED, _NEED.c.need_id == need_id)

    async def timeline(
        self, referral_id: str, reference: Reference
    ) -> tuple[list[JsonRow], int | None]:
        """What happened to the referral and its needs in order of time, and where it is cut."""
        needs = select(_NEED.c.need_id).where(_NEED.c.referral_id == referral_id)
        rows, cut_after = await self._history(referral_id, needs)
        for row in rows:
            said = sentence(row["type"], row.pop("data").encode(), reference)
            row["sentence"] = said._asdict()
        return rows, cut_after

    async def explanation(self, need_id: str, reference: Reference) -> Explanation:
        """The need explained by its events, with those of what it needed a human for.

        Of more than 5,000 by the first, which it says. Of two that clash both are told of it. Of a
        need that nothing is known of it tells nothing.
        """
        of = _ATTENTION.c
        clash = and_(of.other_need_id == need_id, of.kind == "clash")
        items = select(of.attention_id).where(or_(of.need_id == need_id, clash))
        rows, cut_after = await self._history(need_id, items)
        past = [PastEvent(row["time"], row["type"], row["data"].encode()) for row in rows]
        found = explain(need_id, past, reference)
        found.cut_after = cut_after
        return found

    async def _history(self, subject: str, others: Select[Any]) -> tuple[list[JsonRow], int | None]:
        """The events of a subject and of others, in order of time.

        With it the number of events after which it is cut; None for a whole one.
        """
        log = _LOG.c
        subjects = union_all(select(cast(literal(subject), Text)), others)
        rows = await self._rows(
            select(
                column("id", Id), log.time, log.type, log.subject, log.sequence,
                log.correlationid, log.causationid, cast(column("data"), Text).label("data"),
            )
            .select_from(_LOG)
            .where(log.subject.in_(subjects))
            .order_by(log.time, log.topic, log.record_offset)
            .limit(_MOST_EVENTS + 1)
        )  # fmt: skip
        return rows[:_MOST_EVENTS], _MOST_EVENTS if len(rows) > _MOST_EVENTS else None

    async def referrals(
        self, departments: Departments, standing: str | None, limit: int, offset: int
    ) -> tuple[int, list[JsonRow]]:
        """Number of referrals and one page of them, the newest first."""
        wanted = _in(_REFERRAL, departments)
        if standing is not None:
            wanted &= _REFERRAL.c.standing == standing
        latest = (_REFERRAL.c.created_at.desc().nulls_last(), _REFERRAL.c.referral_id)
        page = _all(_REFERRAL).where(wanted).order_by(*latest).limit(limit).offset(offset)
        return await self._number(_REFERRAL, wanted), await self._rows(page)

    async def needs(self, departments: Departments) -> list[JsonRow]:
        """Needs counted by municipality, pathway, month and standing."""
        return await self._rows(
            _all(_SUMMARY).where(_in(_SUMMARY, departments)).order_by(*_SUMMARY.c)
        )

    async def helpers(
        self, departments: Departments, limit: int, offset: int
    ) -> tuple[int, list[JsonRow]]:
        """Number of helpers and one page of their activity, those with most hours first."""
        most = (_ACTIVITY.c.minutes_done.desc(), _ACTIVITY.c.helper_id)
        page = _all(_ACTIVITY).where(_serving(departments)).order_by(*most)
        number = await self._number(_HELPER, _serving(departments))
        return number, await self._rows(page.limit(limit).offset(offset))

    async def time_to_match(self, departments: Departments) -> list[JsonRow]:
        """Percentiles of the time from opening to first match, by department and month."""
        return await self._rows(
            _all(_TIME_TO_MATCH).where(_in(_TIME_TO_MATCH, departments)).order_by(*_TIME_TO_MATCH.c)
        )

    async def attention(
        self,
        departments: Departments,
        kind: str | None,
        states: Sequence[str],
        limit: int,
        after: JsonRow | None,
    ) -> list[JsonRow]:
        """One page of the worklist: most urgent first, then what is due first.

        `kind` is that of all items where it is given, `after` the last item of the page before.
        """
        items = _ATTENTION.c
        wanted = and_(_in(_ATTENTION, departments), items.state.in_(states))
        if kind is not None:
            wanted &= items.kind == kind
        if after is not None:
            wanted &= _behind(after)
        order = (items.urgency_rank, items.due_at.nulls_last(), items.attention_id)
        return await self._rows(_all(_ATTENTION).where(wanted).order_by(*order).limit(limit))

    async def attention_item(self, departments: Departments, item: str) -> JsonRow | None:
        """One item of the worklist; None where there is none."""
        wanted = and_(_in(_ATTENTION, departments), _ATTENTION.c.attention_id == item)
        rows = await self._rows(_all(_ATTENTION).where(wanted))
        return rows[0] if rows else None

    async def open_items(self) -> list[tuple[str, str, int]]:
        """How many items nobody has settled, by department and kind."""
        items = _ATTENTION.c
        counted = select(items.department, items.kind, func.count().label("n")).where(
            items.state.in_(("raised", "claimed"))
        )
        rows = await self._rows(counted.group_by(items.department, items.kind))
        return [(row["department"], row["kind"], row["n"]) for row in rows]

    async def counts(self, departments: Departments) -> list[JsonRow]:
        """Of each type the number of events, and of those that no other view counts.

        See `event_log.folded`.
        """
        not_folded = func.count().filter(_LOG.c.folded == false())
        counted = select(
            _LOG.c.type, func.count().label("events"), not_folded.label("not_folded")
        ).where(_about(departments))
        rows = await self._rows(counted.group_by(_LOG.c.type))
        return sorted(rows, key=itemgetter("type"))

    async def _department(
        self, view: TableClause, wanted: ColumnElement[bool]
    ) -> tuple[bool, str | None]:
        rows = await self._rows(select(view.c.department).where(wanted))
        return (bool(rows), rows[0]["department"] if rows else None)

    async def _number(self, view: TableClause, wanted: ColumnElement[bool]) -> int:
        [row] = await self._rows(select(func.count().label("n")).select_from(view).where(wanted))
        return int(row["n"])

    async def _rows(self, statement: Select[Any]) -> list[JsonRow]:
        try:
            return await self._fetch(statement)
        except NotSupportedError:  # the view has got a column since the statement was prepared
            return await self._fetch(statement)

    async def _fetch(self, statement: Select[Any]) -> list[JsonRow]:
        async with self.database.connect() as connection:
            found = await connection.execute(statement)
            return [dict(row) for row in found.mappings()]


def _all(view: TableClause) -> Select[Any]:
    """All columns that the view has, which depend on the version that it shows."""
    return select(literal_column("*")).select_from(view)


def _in(view: TableClause, departments: Departments) -> ColumnElement[bool]:
    return true() if departments is None else view.c.department.in_(departments)


def _serving(departments: Departments) -> ColumnElement[bool]:
    """Helpers who serve one of the departments."""
    if departments is None:
        return true()
    return column("departments", ARRAY(Text())).op("&&")(cast(list(departments), ARRAY(Text())))


def _behind(last: JsonRow) -> ColumnElement[bool]:
    """Items that come after this one in the worklist; those without a due time come last."""
    items, due_at = _ATTENTION.c, last["due_at"]
    later = items.attention_id > last["attention_id"]
    if due_at is None:
        same_urgency = and_(items.due_at.is_(None), later)
    else:
        same_time = and_(items.due_at == due_at, later)
        same_urgency = or_(items.due_at > due_at, items.due_at.is_(None), same_time)
    return or_(
        items.urgency_rank > last["urgency_rank"],
        and_(items.urgency_rank == last["urgency_rank"], same_urgency),
    )


def _about(departments: Departments) -> ColumnElement[bool]:
    """Events about the departments' referrals, needs, helpers and items."""
    if departments is None:
        return true()
    subjects = union_all(
        select(_REFERRAL.c.referral_id).where(_in(_REFERRAL, departments)),
        select(_NEED.c.need_id).where(_in(_NEED, departments)),
        select(_ATTENTION.c.attention_id).where(_in(_ATTENTION, departments)),
        select(_HELPER.c.helper_id).where(_serving(departments)),
    )
    return _LOG.c.subject.in_(subjects)
