"""need_cost_growth: what an event, an answer and a timer cost at the size of a country, over what
they cost at that of a town.

Each is one transaction of matching's own, in this process, on a database of either size, in turns:
the event opens a need, changes its time or closes it; the answer accepts an offer; the timer finds
a wave of offers unanswered and asks the next. The kind that grows most is the figure.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import msgspec
from brobyg_contracts import NeedChanged, NeedClosed, NeedOpened
from brobyg_kit.event import EventData
from brobyg_kit.replica import Replica
from brobyg_kit.timers import DueTimer
from brobyg_matching.adapters import tables
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.adapters.rosters import ResidentRosters
from brobyg_matching.bootstrap import REFERENCE
from brobyg_matching.domain.need import SEARCH
from brobyg_matching.errors import NotAllowed
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.use_cases.answers import Answers
from brobyg_matching.use_cases.boards import Boards
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from benchmarks.ground import Ground
from benchmarks.matching_ground import LARGE, SMALL, Matching, matching, settle
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal(
    "need_cost_growth",
    1.5,
    f"the same at {SMALL}",
    "ms",
    at_most=True,
)
#: Needs a round and size: half are answered, half are left until their timer fires.
_NEEDS = 60
#: An offer ends after this time without an answer (schemas/pathways/escort.toml), and a little.
_UNANSWERED = timedelta(hours=8, minutes=1)
Costs = dict[str, list[float]]


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds."""
    large_size = LARGE.scaled(on.scale)
    say("need_cost_growth: making both sizes", 0, 1)
    async with matching(on, SMALL) as small, matching(on, large_size) as large:
        found: dict[str, Costs] = {"small": {}, "large": {}}
        for done in range(on.rounds + 1):
            say(GOAL.name, done, on.rounds + 1)
            for name, made in (("small", small), ("large", large)):
                costs = await _round(made)
                for kind, seconds in costs.items() if done else ():
                    found[name].setdefault(kind, []).extend(seconds)
    medians = {
        kind: (
            statistics.median(found["large"][kind]) * 1_000,
            statistics.median(found["small"][kind]) * 1_000,
        )
        for kind in found["small"]
    }
    worst = max(medians, key=lambda kind: medians[kind][0] / medians[kind][1])
    parts = ", ".join(
        f"{kind} {large:.2f} / {small:.2f}" for kind, (large, small) in medians.items()
    )
    how = (
        f"{large_size}; medians in ms of {on.rounds} rounds of {_NEEDS} needs in turns: {parts};"
        f" the figure is of the kind that grows most, seed {on.seed}"
    )
    return GOAL.result(*medians[worst], how)


def answers_of(made: Matching) -> Answers:
    """The use case behind the answers over HTTP."""
    helpers, metrics = PostgresHelpers(made.database), MatchingMetrics(CollectorRegistry())
    replica = Replica(REFERENCE)
    replica.watched = True  # nothing changes it while the benchmark runs
    boards = Boards(PostgresNeeds(), helpers, ResidentRosters(), replica, metrics)
    return Answers(made.database, boards, metrics)


async def _round(made: Matching) -> Costs:
    """Seconds of each transaction, by kind. What was opened is closed at the end."""
    answers, costs = answers_of(made), Costs()
    needs: list[NeedOpened] = []
    for _ in range(_NEEDS):
        citizen, need = made.need()
        await made.handle(citizen)
        await _timed(costs, "event", partial(_handle, made, need))
        needs.append(need)
    for need in needs:
        starts_at, ends_at = need.starts_at, need.ends_at
        assert starts_at is not msgspec.UNSET
        assert ends_at is not msgspec.UNSET
        moved = msgspec.structs.asdict(need) | {
            "starts_at": starts_at + timedelta(minutes=15),
            "ends_at": ends_at + timedelta(minutes=15),
        }
        changed = NeedChanged(**moved)
        await _timed(costs, "event", partial(_handle, made, changed))
    for need in needs[: _NEEDS // 2]:
        offer_id = await _open_offer(made, need.need_id)
        if offer_id is not None:
            await _timed(costs, "answer", partial(answers.answer, offer_id, "accept"))
    made.clock.advance(_UNANSWERED)
    for need in needs[_NEEDS // 2 :]:
        await _timed(costs, "timer", partial(_fire, made, need.need_id))
    made.clock.advance(-_UNANSWERED)
    for need in needs:
        closed = NeedClosed(
            need_id=need.need_id,
            about_kind="appointment",
            about_id=need.need_id,
            reason="appointment_cancelled",
        )
        await _timed(costs, "event", partial(_handle, made, closed))
    await settle(made.database)
    return costs


async def _handle(made: Matching, data: EventData) -> None:
    await made.handle([made.event(data)])


async def _timed(costs: Costs, kind: str, work: Callable[[], Awaitable[object]]) -> None:
    began = time.perf_counter()
    try:
        await work()
    except NotAllowed:  # promised elsewhere meanwhile: no acceptance
        return
    costs.setdefault(kind, []).append(time.perf_counter() - began)


async def _open_offer(made: Matching, need_id: str) -> str | None:
    offer = tables.offer.c
    first = (
        select(offer.offer_id)
        .where(offer.need_id == need_id, offer.state == "open")
        .order_by(offer.rank)
        .limit(1)
    )
    async with made.database.connect() as connection:
        found: str | None = await connection.scalar(first)
    return found


async def _fire(made: Matching, need_id: str) -> None:
    async with made.database.transaction() as tx:
        await made.parts.timers[SEARCH](tx, [DueTimer(SEARCH, need_id, made.clock.now())])
