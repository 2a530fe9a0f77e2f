"""What the API asks the views, for all departments or one.

`department` limits every answer to one department; None is all of them.
"""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from brobyg_kit.database import Database
from brobyg_kit.tables import Id
from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
    Text,
    cast,
    column,
    false,
    func,
    literal_column,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.exc import NotSupportedError

from brobyg_reporting.adapters.tables import SCHEMA
from brobyg_reporting.domain.sentences import sentence

#: A row as JSON; its keys are the view's columns, described in the data dictionary.
JsonRow = dict[str, Any]

_MOST_EVENTS = 5_000


def _view(name: str, *columns: str) -> TableClause:
    """A view and those of its columns that are named here; a row has all."""
    return table(name, *(column(one) for one in columns), schema=SCHEMA)


_LOG = _view(
    "event_log", "topic", "record_offset", "time", "type", "subject", "sequence", "correlationid",
    "causationid", "folded",
)  # fmt: skip
_REFERRAL = _view("referral", "referral_id", "department", "standing", "created_at")
_VOLUNTEER = _view("volunteer", "volunteer_id", "department")
_ACTIVITY = _view("volunteer_activity", "volunteer_id", "department", "minutes_done")
_SUMMARY = _view(
    "appointment_summary", "department", "municipality_code", "month", "state", "match_state"
)
_TIME_TO_MATCH = _view("time_to_match", "department", "month")


@dataclass(frozen=True, slots=True)
class Queries:
    """Reads only, each within the database's own time limit."""

    database: Database

    async def department_of(self, referral_id: str) -> tuple[bool, str | None]:
        """Whether anything is known of the referral, and its department."""
        rows = await self._rows(
            select(_REFERRAL.c.department).where(_REFERRAL.c.referral_id == referral_id)
        )
        return (bool(rows), rows[0]["department"] if rows else None)

    async def timeline(self, referral_id: str) -> list[JsonRow]:
        """Everything that happened to the referral in order of time, the first 5,000 events."""
        log = _LOG.c
        rows = await self._rows(
            select(
                column("id", Id), log.time, log.type, log.subject, log.sequence,
                log.correlationid, log.causationid, cast(column("data"), Text).label("data"),
            )
            .select_from(_LOG)
            .where(log.subject == referral_id)
            .order_by(log.time, log.topic, log.record_offset)
            .limit(_MOST_EVENTS)
        )  # fmt: skip
        return [_with_sentence(row) for row in rows]

    async def referrals(
        self, department: str | None, standing: str | None, limit: int, offset: int
    ) -> tuple[int, list[JsonRow]]:
        """Number of referrals and one page of them, the newest first."""
        wanted = _in(_REFERRAL, department)
        if standing is not None:
            wanted &= _REFERRAL.c.standing == standing
        latest = (_REFERRAL.c.created_at.desc().nulls_last(), _REFERRAL.c.referral_id)
        page = _all(_REFERRAL).where(wanted).order_by(*latest).limit(limit).offset(offset)
        return await self._number(_REFERRAL, wanted), await self._rows(page)

    async def appointments(self, department: str | None) -> list[JsonRow]:
        """Appointments counted by municipality, month and state."""
        return await self._rows(
            _all(_SUMMARY).where(_in(_SUMMARY, department)).order_by(*_SUMMARY.c)
        )

    async def volunteers(
        self, department: str | None, limit: int, offset: int
    ) -> tuple[int, list[JsonRow]]:
        """Number of volunteers and one page of their activity, those with most hours first."""
        most = (_ACTIVITY.c.minutes_done.desc(), _ACTIVITY.c.volunteer_id)
        page = _all(_ACTIVITY).where(_in(_ACTIVITY, department)).order_by(*most)
        number = await self._number(_VOLUNTEER, _in(_VOLUNTEER, department))
        return number, await self._rows(page.limit(limit).offset(offset))

    async def time_to_match(self, department: str | None) -> list[JsonRow]:
        """Percentiles of the time from booking to the first match, by department and month."""
        return await self._rows(
            _all(_TIME_TO_MATCH).where(_in(_TIME_TO_MATCH, department)).order_by(*_TIME_TO_MATCH.c)
        )

    async def counts(self, department: str | None) -> list[JsonRow]:
        """Of each type the number of events, and of those that no other view counts.

        See `event_log.folded`.
        """
        not_folded = func.count().filter(_LOG.c.folded == false())
        counted = select(
            _LOG.c.type, func.count().label("events"), not_folded.label("not_folded")
        ).where(_about(department))
        rows = await self._rows(counted.group_by(_LOG.c.type))
        return sorted(rows, key=itemgetter("type"))

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


def _in(view: TableClause, department: str | None) -> ColumnElement[bool]:
    return true() if department is None else view.c.department == department


def _about(department: str | None) -> ColumnElement[bool]:
    """Events about the department's referrals and volunteers."""
    if department is None:
        return true()
    subjects = union_all(
        select(_REFERRAL.c.referral_id).where(_in(_REFERRAL, department)),
        select(_VOLUNTEER.c.volunteer_id).where(_in(_VOLUNTEER, department)),
    )
    return _LOG.c.subject.in_(subjects)


def _with_sentence(row: JsonRow) -> JsonRow:
    english, danish = sentence(row["type"], row.pop("data").encode())
    return {**row, "sentence": {"en": english, "da": danish}}
