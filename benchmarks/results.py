"""What a benchmark gives, and how two things are measured in turns so that a busy machine slows
both alike.
"""

import gc
import random
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from brobyg_kit.process import COLLECT_AFTER

#: As Python starts: this is read before anything sets it otherwise.
_PYTHONS_OWN = gc.get_threshold()
#: Does its work once and returns what was measured: a rate (records/s) or a time (ms).
Run = Callable[[], Awaitable[float]]
#: Told that another step of so many is done, and which.
Say = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """One figure. `met` is whether `ratio` (value / baseline_value) reaches `goal`; for times,
    whether it stays within it.
    """

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    goal: float
    met: bool
    how: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What a benchmark is to reach, and against what."""

    name: str
    ratio: float
    baseline: str
    unit: str = "events/s"
    at_most: bool = False

    def result(self, value: float, baseline_value: float, how: str) -> BenchmarkResult:
        """The figure as it stands in results.json."""
        ratio = value / baseline_value
        met = ratio <= self.ratio if self.at_most else ratio >= self.ratio
        return BenchmarkResult(
            self.name,
            _rounded(value),
            self.unit,
            self.baseline,
            _rounded(baseline_value),
            round(ratio, 4),
            self.ratio,
            met,
            how,
        )


def _rounded(value: float) -> float:
    return round(value) if value >= 1_000 else round(value, 3)


async def in_turns(
    name: str, rounds: int, seed: int, ours: Run, bare: Run, say: Say
) -> tuple[float, float]:
    """Medians of both over `rounds` rounds, after one of each that does not count.

    They alternate; `seed` decides which of the two begins a round, so that neither always profits
    from what the other left in the caches. Ours has the garbage collector as our processes set it,
    the bare side as Python does.
    """
    order = random.Random(seed)
    steps = 2 * (rounds + 1)
    done = 0
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds + 1):
        turn = [("ours", ours), ("bare", bare)]
        order.shuffle(turn)
        for label, run in turn:
            say(f"{name}: {label}", done, steps)
            gc.set_threshold(*(COLLECT_AFTER if label == "ours" else _PYTHONS_OWN))
            found[label].append(await run())
            done += 1
    say(name, steps, steps)
    return statistics.median(found["ours"][1:]), statistics.median(found["bare"][1:])


def keep(results: list[BenchmarkResult], file: Path) -> None:
    """Write `results` to `file`; figures of other benchmarks that are there already stay."""
    earlier = (
        msgspec.json.decode(file.read_bytes(), type=list[BenchmarkResult]) if file.exists() else []
    )
    merged = {result.name: result for result in [*earlier, *results]}
    text = msgspec.json.format(
        msgspec.json.encode([asdict(result) for result in merged.values()]), indent=2
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text + b"\n")
