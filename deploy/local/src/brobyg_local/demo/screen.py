"""What is seen while the week goes by: the simulated time and the counts moving; plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .outside import Outside, client
from .tally import Tally

__all__ = ["Screen"]

TIME_ZONE = ZoneInfo("Europe/Copenhagen")
LOOK = 0.5
PLAIN_EVERY = 10.0
"""Wall seconds between lines where there is no terminal."""
HANDLED = "brobyg_events_handled"
SHOWN = (
    (
        "appointments",
        (
            ("booked", "appointment.booked"),
            ("moved", "appointment.rescheduled"),
            ("cancelled", "appointment.cancelled"),
            ("took place", "appointment.completed"),
            ("no-show", "appointment.missed"),
        ),
    ),
    (
        "offers",
        (
            ("made", "offer.made"),
            ("accepted", "offer.accepted"),
            ("declined", "offer.declined"),
            ("expired", "offer.expired"),
            ("withdrawn", "offer.withdrawn"),
        ),
    ),
    (
        "escorts",
        (
            ("matched", "volunteer.matched"),
            ("released", "match.released"),
            ("to the coordinator", "match.escalated"),
        ),
    ),
    ("mails", (("sent", "notification.sent"), ("given up", "notification.failed"))),
)
"""Rows of the screen, each a list of (label, event type without its prefix)."""


@dataclass
class Screen:
    """Polls what reporting has handled and shows it beside what the players have done."""

    outside: Outside
    tally: Tally
    console: Console
    begins: datetime
    ends: datetime
    messages: int
    _seen: dict[str, int] = field(default_factory=dict)
    _base: dict[str, int] = field(default_factory=dict)

    async def watch(self) -> None:
        """Show until cancelled. A service that is down only makes the counts stand still."""
        async with client() as http:
            if not self.console.is_terminal:
                await self._loop(http, PLAIN_EVERY, self._print_line)
            with Live(self._picture(), console=self.console, refresh_per_second=4) as live:
                await self._loop(http, LOOK, lambda: live.update(self._picture()))

    def _print_line(self) -> None:
        self.console.print(self._line(), highlight=False, soft_wrap=True)

    async def _loop(self, http: httpx2.AsyncClient, pause: float, show: Callable[[], object]) -> None:
        while True:
            await self._look(http)
            show()
            await asyncio.sleep(pause)

    async def _look(self, http: httpx2.AsyncClient) -> None:
        """Take the counters; after a restart they begin at zero again and are added to what was."""
        try:
            response = await http.get(f"{self.outside.url('reporting')}/metrics", timeout=2.0)
        except httpx2.TransportError:
            return
        if response.status_code != 200:
            return
        for family in text_string_to_metric_families(response.text):
            if family.name != HANDLED:
                continue
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    self._take(sample.labels.get("type", "").removeprefix("dk.brobyg."), int(sample.value))

    def _take(self, kind: str, value: int) -> None:
        if value < self._seen.get(kind, 0):
            self._base[kind] = self._base.get(kind, 0) + self._seen[kind]
        self._seen[kind] = value

    def count(self, kind: str) -> int:
        """Events of this kind that reporting has handled."""
        return self._base.get(kind, 0) + self._seen.get(kind, 0)

    def _now(self) -> datetime:
        return self.outside.clock.now().astimezone(TIME_ZONE)

    def _line(self) -> str:
        counts = ", ".join(f"{self.count(kind)} {label}" for _, row in SHOWN for label, kind in row if self.count(kind))
        return f"{self._now():%A %H:%M}  {self.tally.delivered.total()}/{self.messages} messages; {counts}"

    def _picture(self) -> Group:
        now = self._now()
        total = (self.ends - self.begins).total_seconds()
        table = Table(show_header=False, box=None, padding=(0, 2))
        told = self.tally.delivered
        doors = f"{told['kafka']} over Kafka, {told['rejected']} refused, {told['dropped']} without consent"
        table.add_row("hospital", f"{told.total()} of {self.messages} messages delivered", doors)
        for name, row in SHOWN:
            table.add_row(name, *self._cells(row))
        answers = ", ".join(f"{count} {answer}" for answer, count in sorted(self.tally.answers.items()))
        table.add_row("volunteers", f"{self.tally.mails['volunteer']} mails read", answers)
        return Group(
            Text(f"{now:%A %-d %B, %H:%M}", style="bold"),
            ProgressBar(total=total, completed=min(total, (now - self.begins).total_seconds()), width=60),
            table,
        )

    def _cells(self, row: tuple[tuple[str, str], ...]) -> tuple[str, str]:
        (label, kind), *others = row
        return f"{self.count(kind)} {label}", ", ".join(f"{self.count(other)} {name}" for name, other in others)
