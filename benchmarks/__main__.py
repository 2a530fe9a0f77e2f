"""`python -m benchmarks [name ...]`: measure, show, keep in benchmarks/results.json."""

import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer
from brobyg_kit import process
from brobyg_local.cluster import Cluster, ensure
from brobyg_local.errors import LocalError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import (
    answer,
    consumer,
    erasure,
    matching_consumer,
    need_cost,
    page,
    rebuild,
    relay,
    request_to_mail,
)
from benchmarks.ground import Ground
from benchmarks.results import BenchmarkResult, Goal, Say, keep

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "var" / "bench"
RESULTS = ROOT / "benchmarks" / "results.json"

Measure = Callable[[Ground, Say], Awaitable[BenchmarkResult]]
BENCHMARKS: dict[Goal, Measure] = {
    relay.GOAL: relay.measure,
    consumer.GOAL: consumer.measure,
    matching_consumer.GOAL: matching_consumer.measure,
    matching_consumer.GOAL_LARGE: matching_consumer.measure_large,
    need_cost.GOAL: need_cost.measure,
    answer.GOAL: answer.measure,
    page.GOAL: page.measure,
    rebuild.GOAL: rebuild.measure,
    erasure.GOAL: erasure.measure,
    request_to_mail.GOAL: request_to_mail.measure,
}
NAMES = [goal.name for goal in BENCHMARKS]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_HELP = f"""Measure how fast Brobyg is beside the bare clients.

Every figure is a ratio: ours and a bare baseline are measured in turns in the same run, and the
medians are divided. A busy machine slows both, so quote the ratio and not the rate. Results are
kept in benchmarks/results.json; a benchmark that is not run keeps its last figure there.

A broker and a database are started under var/bench unless BROBYG_KAFKA and BROBYG_DATABASE name
some. Topics and databases of its own are used and removed.

[bold]Names[/bold]: {", ".join(NAMES)}

[bold]Examples[/bold]

  python -m benchmarks                    all of them, some twenty minutes

  python -m benchmarks consumer           one

  python -m benchmarks --scale 0.1        a tenth of the work, to see that it runs (nothing is kept)
"""


@app.command(help=_HELP)
def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; all when none is named.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="Rounds that count; one more is played to warm up.")
    ] = 5,
    scale: Annotated[
        float,
        typer.Option(min=0.001, max=10, help="Share of the full size; other than 1 is not kept."),
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(help="Of what is random; a new one when not given. It is printed.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Results to standard output as JSON; progress to standard error."
        ),
    ] = False,
) -> None:
    """Exit code 0 when all goals are met, 1 when one is not, 2 when it can't be run."""
    unknown = [name for name in names or [] if name not in NAMES]
    if unknown:
        typer.secho(
            f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}",
            err=True,
        )
        raise typer.Exit(2)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [name for name in NAMES if not names or name in names]
    console = Console(stderr=True)
    seed = seed if seed is not None else secrets.randbelow(1_000_000)
    if scale != 1.0:
        console.print("not the full size: results are shown and not kept")
    console.print(f"seed {seed}, {rounds} rounds, scale {scale:g}")
    try:
        addresses = ensure(FOLDER, owner=os.getpid())
    except LocalError as error:
        console.print(error.explain(), markup=False)
        raise typer.Exit(2) from error
    ground = Ground(addresses.kafka, addresses.database, seed, rounds, scale)
    try:
        results = process.run(_measure_all(chosen, ground, console))
    finally:
        Cluster(FOLDER).stop()
    if as_json:
        typer.echo(
            msgspec.json.format(
                msgspec.json.encode([asdict(result) for result in results]), indent=2
            )
        )
    else:
        Console().print(_table(results))
    raise typer.Exit(0 if all(result.met for result in results) else 1)


def measure_of(name: str) -> Measure:
    """What takes the figure of this name. Raises StopIteration when there is none."""
    return next(measure for goal, measure in BENCHMARKS.items() if goal.name == name)


async def _measure_all(
    names: Sequence[str], ground: Ground, console: Console
) -> list[BenchmarkResult]:
    results = []
    columns = (TextColumn("{task.description:42}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for name in names:
            task = progress.add_task(name, total=1)

            def say(what: str, done: int, total: int, task: TaskID = task) -> None:
                progress.update(task, description=what, completed=done, total=total)

            result = await measure_of(name)(ground, say)
            results.append(result)
            if ground.scale == 1.0:
                keep([result], RESULTS)
    return results


def _table(results: Sequence[BenchmarkResult]) -> Table:
    table = Table("name", "measured", "bare", "ratio", "goal", "met", title="benchmarks")
    for one in results:
        table.add_row(
            one.name,
            f"{one.value:,} {one.unit}",
            f"{one.baseline_value:,} {one.unit}",
            f"{one.ratio:.3f}",
            f"{one.goal:g}",
            "yes" if one.met else "no",
        )
    return table


if __name__ == "__main__":
    app()
