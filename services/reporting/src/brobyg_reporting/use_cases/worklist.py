"""How much of the worklist is open, as metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from brobyg_reporting.metrics import ReportingMetrics

#: Seconds of wall time between two counts.
_EVERY = 10.0


async def count_open(
    count: Callable[[], Awaitable[Sequence[tuple[str, str, int]]]], metrics: ReportingMetrics
) -> None:
    """Set the gauge to what `count` gives, by department and kind, until cancelled.

    Raises what `count` raises.
    """
    while True:
        counted = await count()
        metrics.attention_open.clear()
        for department, kind, number in counted:
            metrics.attention_open.labels(department, kind).set(number)
        await asyncio.sleep(_EVERY)
