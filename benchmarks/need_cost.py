"""need_cost_growth: what an event, an answer and a timer cost at the size of a country, over what
they cost at that of a town.

Each is one transaction of matching's own, in this process, on a database of either size, in turns:

- opened, changed, closed: the events of a need;
- consent: withdrawn and given again;
- answer: an offer is accepted;
- search timer: a wave of offers is unanswered, and the next are asked;
- capacity timer: a case has ended, and a page of the department's waiting list is looked at.

The kind that grows most is the figure.
"""

import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from brobyg_contracts import ConsentGiven, ConsentWithdrawn, NeedChanged, NeedClosed, NeedOpened
from brobyg_kit import tables as delivery
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData
from brobyg_kit.replica import Replica
from brobyg_kit.timers import DueTimer
from brobyg_matching.adapters import tables
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.adapters.rosters import ResidentRosters
from brobyg_matching.bootstrap import REFERENCE
from brobyg_matching.domain.need import CAPACITY, SEARCH
from brobyg_matching.errors import NotAllowed
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.use_cases.answers import Answers
from brobyg_matching.use_cases.boards import Boards
from prometheus_client import CollectorRegistry
from sqlalchemy import delete, select

from benchmarks.ground import Ground
from benchmarks.matching_ground import (
    CASELOAD,
    CONTACTS,
    LARGE,
    PATHWAYS,
    SMALL,
    Matching,
    matching,
    settle,
)
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal(
    "need_cost_growth",
    1.5,
    f"the same at {SMALL}",
    "ms",
    at_most=True,
)
#: Needs a round and size: half are answered, half are left until their timer fires. A third as
#: many cases end.
_NEEDS = 60
#: An offer ends after this time without an answer (schemas/pathways/escort.toml), and a little.
_UNANSWERED = timedelta(hours=8, minutes=1)
Costs = dict[str, list[float]]


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    before = os.environ.get("BROBYG_PATHWAYS")
    os.environ["BROBYG_PATHWAYS"] = before or str(PATHWAYS)
    try:
        return await _measure(on, say)
    finally:
        if before is None:
            del os.environ["BROBYG_PATHWAYS"]  # the benchmarks after this one have the usual ones


async def _measure(on: Ground, say: Say) -> BenchmarkResult:
    large_size = LARGE.scaled(on.scale)
    say(f"{GOAL.name}: making both sizes", 0, 1)
    async with (
        matching(on, SMALL, waiting_list=True) as small,
        matching(on, large_size, waiting_list=True) as large,
    ):
        number = max(12, int(_NEEDS * min(1.0, on.scale)))
        sizes = {"small": _Measured(small, number), "large": _Measured(large, number)}
        for done in range(on.rounds + 1):
            say(GOAL.name, done, on.rounds + 1)
            await in_turns(list(sizes.values()))
            if not done:
                for one in sizes.values():
                    one.costs.clear()
    medians = {
        kind: (
            statistics.median(sizes["large"].costs[kind]) * 1_000,
            statistics.median(seconds) * 1_000,
        )
        for kind, seconds in sizes["small"].costs.items()
    }
    worst = max(medians, key=lambda kind: medians[kind][0] / medians[kind][1])
    parts = ", ".join(
        f"{kind} {large / small:.2f} ({large:.2f} / {small:.2f})"
        for kind, (large, small) in medians.items()
    )
    how = (
        f"{large_size}, of which two in five are cases; medians in ms of {on.rounds} rounds of"
        f" {number} needs in turns: {parts}; the figure is of the kind that grows most,"
        f" seed {on.seed}"
    )
    return GOAL.result(*medians[worst], how)


def answers_of(database: Database) -> Answers:
    """The use case behind the answers over HTTP."""
    metrics, replica = MatchingMetrics(CollectorRegistry()), Replica(REFERENCE)
    replica.watched = True  # nothing changes it while the benchmark runs
    helpers = PostgresHelpers(database, CONTACTS)
    boards = Boards(PostgresNeeds(), helpers, ResidentRosters(), replica, metrics)
    return Answers(database, boards, metrics)


async def in_turns(sizes: Sequence["_Measured"]) -> None:
    """A round of each, step by step in turns: a busy moment is as long for each."""
    rounds = [one.play() for one in sizes]
    going = True
    while going:
        going = False
        for one in rounds:
            async for _ in one:
                going = True
                break


class _Measured:
    """One size, and the seconds of each transaction by kind."""

    def __init__(self, made: Matching, number: int) -> None:
        """`number` of needs a round."""
        self.costs: Costs = {}
        self._number = number
        self._made, self._answers, self._cases = made, answers_of(made.database), 0

    async def play(self) -> AsyncIterator[None]:
        """One round, a step at a time. What was opened is closed at the end."""
        made, needs = self._made, list[NeedOpened]()
        for _ in range(self._number):
            needs.append(await self._open(*made.need(), kind="opened"))
            yield
        for need in needs:
            await self._timed("changed", partial(self._handle, _moved(need)))
            yield
        for need in needs:
            await self._consent(need)
            yield
        for need in needs[: self._number // 2]:
            offer_id = await self._open_offer(need.need_id)
            if offer_id is not None:
                await self._timed("answer", partial(self._answers.answer, offer_id, "accept"))
            yield
        made.clock.advance(_UNANSWERED)
        for need in needs[self._number // 2 :]:
            due = DueTimer(SEARCH, need.need_id, made.clock.now())
            await self._timed("search timer", partial(self._fire, due))
            yield
        made.clock.advance(-_UNANSWERED)
        for need in needs:
            await self._timed("closed", partial(self._handle, _closed(need.need_id)))
            yield
        for _ in range(self._number // 3):
            await self._end_a_case()
            yield
        await settle(made.database)

    async def _open(self, citizen: list[Event], need: NeedOpened, kind: str = "") -> NeedOpened:
        await self._made.handle(citizen)
        opening = partial(self._handle, need)
        await (self._timed(kind, opening) if kind else opening())
        return need

    async def _consent(self, need: NeedOpened) -> None:
        assert isinstance(need.referral_id, str)
        assert isinstance(need.citizen_id, str)
        for kind in (ConsentWithdrawn, ConsentGiven):
            data = kind(referral_id=need.referral_id, citizen_id=need.citizen_id)
            await self._timed("consent", partial(self._handle, data))

    async def _end_a_case(self) -> None:
        """In the next department; another takes its place in the line."""
        made = self._made
        department = made.departments[self._cases % len(made.departments)]
        self._cases += 1
        need, seat = tables.need.c, tables.seat.c
        taken = (
            select(need.need_id)
            .join(tables.seat, seat.need_id == need.need_id)
            .where(need.department == department, need.pathway == CASELOAD)
            .where(seat.state == "filled", need.state == "filled")
            .limit(1)
        )
        async with made.database.connect() as connection:
            need_id: str | None = await connection.scalar(taken)
        assert need_id is not None  # navigators have cases
        await self._handle(_closed(need_id))
        timer = delivery.timer.c
        claim = delete(delivery.timer).where(timer.kind == CAPACITY, timer.subject == department)
        async with made.database.connect() as connection:
            due_at: datetime | None = await connection.scalar(claim.returning(timer.due_at))
        assert due_at is not None  # the case has set it
        due = DueTimer(CAPACITY, department, due_at)
        await self._timed("capacity timer", partial(self._fire, due))
        await self._open(*made.case(department))

    async def _handle(self, data: EventData) -> None:
        await self._made.handle([self._made.event(data)])

    async def _timed(self, kind: str, work: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        try:
            await work()
        except NotAllowed:  # promised elsewhere meanwhile: no acceptance
            return
        self.costs.setdefault(kind, []).append(time.perf_counter() - began)

    async def _fire(self, due: DueTimer) -> None:
        async with self._made.database.transaction() as tx:
            await self._made.parts.timers[due.kind](tx, [due])

    async def _open_offer(self, need_id: str) -> str | None:
        offer = tables.offer.c
        first = (
            select(offer.offer_id)
            .where(offer.need_id == need_id, offer.state == "open")
            .order_by(offer.rank)
            .limit(1)
        )
        async with self._made.database.connect() as connection:
            found: str | None = await connection.scalar(first)
        return found


def _moved(need: NeedOpened) -> NeedChanged:
    """A quarter of an hour later."""
    assert isinstance(need.starts_at, datetime)
    assert isinstance(need.ends_at, datetime)
    quarter = timedelta(minutes=15)
    times = {"starts_at": need.starts_at + quarter, "ends_at": need.ends_at + quarter}
    return NeedChanged(**msgspec.structs.asdict(need) | times)


def _closed(need_id: str) -> NeedClosed:
    return NeedClosed(
        need_id=need_id,
        about_kind="appointment",
        about_id=need_id,
        reason="appointment_cancelled",
    )
