"""A kind of record that is kept for ten days, of which the inbox's rows are an example."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace

import brobyg_kit.retention as kit
from brobyg_kit.database import Database
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.retention import Carrier, Retention, deletes
from brobyg_kit.tables import inbox
from brobyg_kit.timers import Timers

OVER = deletes(inbox, inbox.c.received_at)


@dataclass(frozen=True)
class Row:
    """What the domain says of a kind."""

    kind: str
    services: tuple[str, ...] = ("test",)
    place: str = "table"
    counted_from: str = "it came"
    keep: str = "10 days"
    days: int | None = 10
    by: str = "timer"
    why: str = "It is a test."
    basis: str = "None"


def retention(carrier: Carrier = OVER, *, batch: int = 0, **also: Carrier) -> Retention:
    """That of the service `test`, which keeps `things` and what else is named."""
    if batch:
        carrier = replace(carrier, batch=batch)
    carriers: Mapping[str, Carrier] = {"things": carrier, **also}
    said = tuple(Row(kind) for kind in carriers)
    kit.domain = lambda: SimpleNamespace(retention=lambda: said)  # type: ignore[assignment,return-value]
    return Retention("test", carriers, Metrics())


def timers(database: Database, part: Retention) -> Timers:
    """Timers that carry out nothing else."""
    beat = Heartbeat("timers")
    return Timers(database, database.clock, part.timers, Metrics(), beat, alone=part.timers)
