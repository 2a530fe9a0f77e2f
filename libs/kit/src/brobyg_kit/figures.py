"""What a service has yet to send and to handle: for /readyz, /operations and the metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from sqlalchemy import Double, cast, func, not_, select

from brobyg_kit.database import Database
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.metrics import Metrics
from brobyg_kit.replica import Replica
from brobyg_kit.tables import attention, outbox, parked_event

_DEAD = parked_event.c.state == "dead"
_AGE = func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at))
_WAITING = select(
    select(func.count(outbox.c.id)).scalar_subquery().label("rows"),
    select(cast(func.coalesce(_AGE, 0), Double)).scalar_subquery().label("oldest"),
    select(func.count(parked_event.c.id).filter(not_(_DEAD))).scalar_subquery().label("parked"),
    select(func.count(parked_event.c.id).filter(_DEAD)).scalar_subquery().label("dead"),
)
_NEEDS_A_HUMAN = (
    select(attention.c.kind, func.count())
    .where(attention.c.settled_at.is_(None))
    .group_by(attention.c.kind)
)
#: Seconds for each question to the database.
_PATIENCE = 2


async def figures_of(
    database: Database,
    metrics: Metrics,
    replicas: Iterable[Replica[Any]],
    own: Mapping[str, Callable[[], Awaitable[object]]],
) -> dict[str, object]:
    """The figures, by name; the metrics are set to the same. `own` are the service's own.

    Empty when the database can't be asked; one of `own` that can't is left out.
    """
    try:
        async with asyncio.timeout(_PATIENCE), database.connect() as connection:
            row = (await connection.execute(_WAITING)).one()
            items = (await connection.execute(_NEEDS_A_HUMAN)).all()
    except DATABASE_ERRORS:
        return {}
    metrics.outbox_rows.set(row.rows)
    metrics.outbox_age.set(row.oldest)
    metrics.parked.labels("waiting").set(row.parked)
    metrics.parked.labels("dead").set(row.dead)
    metrics.attention_open.clear()
    for kind, count in items:
        metrics.attention_open.labels(kind).set(count)
    return {
        "outbox": {"rows": row.rows, "oldest_seconds": round(row.oldest, 3)},
        "parked": row.parked,
        "dead_letters": row.dead,
        "lag": _total(metrics.consumer_lag),
        "lag_by_topic": _by_topic(metrics.consumer_lag),
        "passed_over": _total(metrics.events_passed_over),
        "unknown": _unknown(metrics.unknown),
        "copies": {one.topic: one.report() for one in replicas},
        "attention": {str(kind): int(count) for kind, count in items},
        **await _asked(own),
    }


async def _asked(own: Mapping[str, Callable[[], Awaitable[object]]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, figure in own.items():
        with suppress(*DATABASE_ERRORS):
            async with asyncio.timeout(_PATIENCE):
                found[name] = await figure()
    return found


def _unknown(metric: Counter) -> dict[str, dict[str, int]]:
    """Topic to event type to how many, since the process began."""
    found: dict[str, dict[str, int]] = {}
    for family in metric.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                labels = sample.labels
                found.setdefault(labels["topic"], {})[labels["type"]] = int(sample.value)
    return found


def _by_topic(metric: Gauge) -> dict[str, int]:
    samples = (sample for family in metric.collect() for sample in family.samples)
    return {sample.labels["topic"]: int(sample.value) for sample in samples}


def _total(metric: Gauge | Counter) -> int:
    """The sum over all labels."""
    samples = (sample for family in metric.collect() for sample in family.samples)
    return int(sum(sample.value for sample in samples if not sample.name.endswith("_created")))
