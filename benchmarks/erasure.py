"""erasure: what one erasure costs with the history of 10,000 citizens, over what it costs with that
of a few.

One erasure is what it is in life, apart from the topics between: a transaction of referral's, which
ends two coming appointments and destroys key, identity and what finds the citizen; two each of
matching's and notification's, on the deleted record and on the erasure, which withdraw the offers,
delete what they hold and acknowledge.
"""

import statistics
import time
from itertools import count

from benchmarks.erasure_ground import NAME_TOKENS, Held, held
from benchmarks.ground import Ground
from benchmarks.results import BenchmarkResult, Goal, Say

GOAL = Goal("erasure", 1.5, "the same with the history of a few", "ms", at_most=True)
_CITIZENS = 10_000
#: How many are erased a round and size.
_ERASED = 20


async def measure(on: Ground, say: Say) -> BenchmarkResult:
    """The figure, after `on.rounds` rounds and one that does not count."""
    erased = max(3, int(_ERASED * min(1.0, on.scale)))
    few = erased * (on.rounds + 1)
    many = few + on.sized(_CITIZENS)
    say(f"{GOAL.name}: making both sizes", 0, 1)
    costs: dict[int, list[float]] = {few: [], many: []}
    async with held(on, few) as small, held(on, many) as large:
        numbers = count(1)
        for done in range(on.rounds + 1):
            say(GOAL.name, done, on.rounds + 1)
            for number in [next(numbers) for _ in range(erased)]:
                # In turns, so that a busy moment is as long for both.
                for one in (small, large):
                    seconds = await _timed(one, number)
                    if done:
                        costs[one.citizens].append(seconds)
        for one in (small, large):
            await _check(one, erased * (on.rounds + 1))
    how = (
        f"{many:,} living citizens with a key, {NAME_TOKENS} name tokens, 3 consents,"
        f" 2 appointments, 2 needs, 6 offers and 4 messages each, over {few}; medians in ms of"
        f" {on.rounds} rounds of {erased} erasures in turns, each a transaction of referral and two"
        " each of matching and notification"
    )
    of_many, of_few = (statistics.median(costs[size]) * 1_000 for size in (many, few))
    return GOAL.result(of_many, of_few, how)


async def _timed(one: Held, number: int) -> float:
    began = time.perf_counter()
    await one.erase(number)
    return time.perf_counter() - began


async def _check(one: Held, erased: int) -> None:
    """Raise AssertionError unless all was done everywhere, and to these alone."""
    for database in (one.referral, *(other for other, _ in one.others)):
        async with database.connect() as connection:
            found = await connection.exec_driver_sql("select count(*) from erased_person")
            assert found.scalar_one() == erased
    left = {"person_key": 1, "name_token": NAME_TOKENS, "appointment": 2, "idempotency_key": 2}
    async with one.referral.connect() as connection:
        for table, each in left.items():
            found = await connection.exec_driver_sql(f"select count(*) from {table}")  # ours
            forgotten = erased if table == "idempotency_key" else 0
            assert found.scalar_one() == each * (one.citizens - erased) + forgotten
