"""Carries out how long records are kept: a timer for each kind, daily, in bounded batches.

Which kinds there are and for how many days is the domain's data; a service says for each of its
own how it is carried out. A batch is one transaction of its own: whoever is killed leaves what is
committed, and the timer, by which the next goes on. What somebody else has locked is left for the
next day, and what is of somebody restricted until that is lifted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Table, cast, delete, exists, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from brobyg_kit import access_log
from brobyg_kit.database import Database, Transaction
from brobyg_kit.domain import Kept, domain
from brobyg_kit.metrics import Metrics
from brobyg_kit.tables import Id, attention, discarded_event, restriction, timer
from brobyg_kit.timers import DueTimer, TimerHandler

#: The timers' kind; their subject is the kind of record.
RETENTION = "retention"
#: The timers' kind by which a human is told of what will be over; their subject likewise.
WARNING = "retention_warning"
#: So long before, and of so many in one transaction.
WARNED_AHEAD = timedelta(days=30)
WARNINGS = 100
#: When a day's work begins, UTC: while little else is done.
BEGINS = time(1, 30)


@dataclass(frozen=True, slots=True)
class Carrier:
    """How one kind of record is ended."""

    #: Ends at most so many whose time was before the instant; returns how many.
    carry_out: Callable[[Transaction, datetime, int], Awaitable[int]]
    #: How many one transaction ends at most.
    batch: int = 500
    #: Tells a human of at most so many whose time was before the instant; returns how many.
    warn: Callable[[Transaction, datetime, int], Awaitable[int]] | None = None


def is_restricted(person: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether this person is, of whom nothing ends by itself (GDPR art. 18(2))."""
    return exists().where(restriction.c.person_id == person)


def deletes(table: Table, counted_from: ColumnElement[Any], *where: ColumnElement[bool]) -> Carrier:
    """Deletes rows by one time of theirs, the oldest first.

    Those without one stay, as do those unlike `where`.
    """
    key = tuple_(*table.primary_key)

    async def carry_out(tx: Transaction, before: datetime, most: int) -> int:
        over = (
            select(*table.primary_key)
            .where(counted_from < before, *where)
            .order_by(counted_from)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        done = await tx.connection.execute(delete(table).where(key.in_(over)))
        return int(done.rowcount)

    return Carrier(carry_out)


#: The kinds that the kit keeps for every service that is said to.
OWN: Mapping[str, Carrier] = {
    access_log.KIND: Carrier(access_log.end),
    "discarded_event": deletes(discarded_event, discarded_event.c.discarded_at),
    "attention": deletes(
        attention,
        attention.c.settled_at,
        ~is_restricted(cast(attention.c.body["citizen_id"].astext, Id)),
    ),
}


def kinds_of(service: str) -> dict[str, Kept]:
    """The kinds that a timer of the service ends."""
    return {
        one.kind: one
        for one in domain().retention()
        if one.by == "timer" and service in one.services
    }


class Retention:
    """One service's part."""

    def __init__(self, service: str, carriers: Mapping[str, Carrier], metrics: Metrics) -> None:
        """`carriers` by kind.

        Raises ValueError unless they are those that the service has to carry out, the kit's aside.
        """
        self._kinds, self._metrics = kinds_of(service), metrics
        self._carriers = {kind: OWN[kind] for kind in OWN if kind in self._kinds} | {**carriers}
        if missing := self._kinds.keys() - self._carriers.keys():
            raise ValueError(f"{service} has nobody who ends {', '.join(sorted(missing))}")
        if unknown := self._carriers.keys() - self._kinds.keys():
            raise ValueError(f"{service} is not said to keep {', '.join(sorted(unknown))} for days")

    @property
    def timers(self) -> Mapping[str, TimerHandler]:
        """Its timers' handler by kind; none for a service that ends nothing.

        Each is to be fired in a transaction of its own.
        """
        return {RETENTION: self._fire, WARNING: self._warn} if self._kinds else {}

    async def start(self, database: Database) -> None:
        """Set the timers that are missing; those that are set stay as they are."""
        if not self._kinds:
            return
        warned = [kind for kind in self._kinds if self._carriers[kind].warn]
        async with database.transaction() as tx:
            due = _next_day(tx.now)
            rows = [
                {"kind": what, "subject": kind, "due_at": due, "next_attempt_at": due}
                for what, kinds in ((RETENTION, self._kinds), (WARNING, warned))
                for kind in sorted(kinds)
            ]
            await tx.connection.execute(insert(timer).values(rows).on_conflict_do_nothing())

    async def _fire(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Carry out a batch of a kind. One that is no more has no timer from now on."""
        for kind in self._of(timers):
            carrier = self._carriers[kind]
            ended = await carrier.carry_out(tx, tx.now - self._days(kind), carrier.batch)
            self._again(tx, RETENTION, kind, full=ended >= carrier.batch)
            if ended:
                tx.after_commit(partial(self._metrics.retention_ended.labels(kind).inc, ended))

    async def _warn(self, tx: Transaction, timers: Sequence[DueTimer]) -> None:
        """Tell of a batch of a kind. One of which nobody is told has no timer from now on."""
        for kind in self._of(timers):
            if warn := self._carriers[kind].warn:
                before = tx.now - self._days(kind) + WARNED_AHEAD
                told = await warn(tx, before, WARNINGS)
                self._again(tx, WARNING, kind, full=told >= WARNINGS)

    def _of(self, timers: Sequence[DueTimer]) -> list[str]:
        return [one.subject for one in timers if one.subject in self._kinds]

    def _days(self, kind: str) -> timedelta:
        days = self._kinds[kind].days
        assert days is not None  # the domain ends no other by a timer
        return timedelta(days=days)

    def _again(self, tx: Transaction, what: str, kind: str, *, full: bool) -> None:
        tx.schedule(what, kind, tx.now if full else _next_day(tx.now))


def _next_day(now: datetime) -> datetime:
    today = datetime.combine(now, BEGINS, now.tzinfo)
    return today if now < today else today + timedelta(days=1)
