"""Results have their shape, ratios their direction, and each benchmark of the kit runs, at a size
that measures nothing.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks import consumer, week
from benchmarks.__main__ import BENCHMARKS, measure_of
from benchmarks.ground import Ground
from benchmarks.records import SIZE, booked
from benchmarks.results import BenchmarkResult, Goal, in_turns, keep

GOALS = {
    "relay": 1.5,
    "consumer": 0.15,
    "matching_consumer": 0.02,
    "matching_consumer_large": 0.02,
    "need_cost_growth": 1.5,
    "answer_p99": 3.0,
    "page_p95": 2.0,
    "rebuild": 0.25,
    "erasure": 1.5,
    "request_to_mail_p99": 2.0,
}


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def test_every_benchmark_is_there_with_its_goal() -> None:
    assert {goal.name: goal.ratio for goal in BENCHMARKS} == GOALS


def test_a_rate_meets_its_goal_from_above_and_a_time_from_below() -> None:
    assert Goal("rate", 0.5, "bare").result(60, 100, "").met
    assert not Goal("rate", 0.5, "bare").result(40, 100, "").met
    assert Goal("time", 3, "bare", "ms", at_most=True).result(200, 100, "").met
    assert not Goal("time", 3, "bare", "ms", at_most=True).result(400, 100, "").met


async def test_both_sides_are_measured_in_turns_and_the_first_round_does_not_count() -> None:
    ours, bare = iter([1.0, 10.0, 30.0, 20.0]), iter([1.0, 100.0, 300.0, 200.0])
    turns: list[str] = []

    async def take(label: str, values: Iterator[float]) -> float:
        turns.append(label)
        return next(values)

    medians = await in_turns(
        "x", 3, 7, lambda: take("ours", ours), lambda: take("bare", bare), silent
    )
    assert medians == (20.0, 200.0)
    assert all(set(turns[at : at + 2]) == {"ours", "bare"} for at in range(0, 8, 2))


def test_results_of_benchmarks_that_were_not_run_stay(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    first, second = (Goal(name, 1, "bare").result(1, 1, "") for name in ("a", "b"))
    keep([first, second], file)
    keep([Goal("a", 1, "bare").result(2, 1, "")], file)
    kept = msgspec.json.decode(file.read_bytes(), type=list[BenchmarkResult])
    assert [(one.name, one.ratio) for one in kept] == [("a", 2.0), ("b", 1.0)]


def test_events_have_their_size_and_are_the_same_for_the_same_seed() -> None:
    records = list(booked(50, 5, 3))
    assert {len(value) for _, value in records} == {SIZE}
    assert records == list(booked(50, 5, 3))


def test_a_copied_week_keeps_each_referrals_order_and_no_id_comes_twice() -> None:
    events = [
        msgspec.json.decode(value, type=dict[str, object]) for _, value in week.events(2_000, 1)
    ]
    assert len({event["id"] for event in events}) == len(events) >= 2_000
    seen: dict[object, int] = {}
    for event in events:
        assert event["sequence"] == seen.get(event["subject"], 0) + 1
        seen[event["subject"]] = seen.get(event["subject"], 0) + 1


@pytest.mark.parametrize(
    "name", ["relay", "rebuild", "need_cost_growth", "answer_p99", "page_p95", "erasure"]
)
async def test_a_tiny_run_gives_a_whole_result(name: str, kafka: str, postgres: str) -> None:
    result = await measure_of(name)(Ground(kafka, postgres, seed=1, rounds=1, scale=0.002), silent)
    assert result.name == name
    assert result.how
    assert result.baseline
    assert all(
        math.isfinite(value) and value > 0
        for value in (result.value, result.baseline_value, result.ratio)
    )


async def test_a_tiny_consumer_does_all_the_work_it_claims(kafka: str, postgres: str) -> None:
    result = await consumer.measure(Ground(kafka, postgres, seed=1, rounds=1, scale=0.06), silent)
    assert result.value > 0
    assert result.unit == "events/s"
