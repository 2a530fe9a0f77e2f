"""What is seen while the week goes by: the simulated time and the counts moving; plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx2
import msgspec
from brobyg_contracts.domain import LOCAL_ZONE
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .outside import Outside, client
from .tally import Tally

__all__ = ["Screen"]

LOOK = 0.5
PLAIN_EVERY = 10.0
"""Wall seconds between lines where there is no terminal."""
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


class _Counts(msgspec.Struct):
    """GET /counts of reporting: events of each type."""

    events: dict[str, int]


@dataclass
class Screen:
    """Polls what reporting has handled and shows it beside what the players have done."""

    outside: Outside
    tally: Tally
    console: Console
    begins: datetime
    ends: datetime
    messages: int
    _events: dict[str, int] = field(default_factory=dict)

    async def watch(self) -> None:
        """Show until cancelled. A service that is down only makes the counts stand still."""
        async with client() as http:
            if not self.console.is_terminal:
                await self._loop(http, PLAIN_EVERY, self._print_line)
            with Live(self._picture(), console=self.console, refresh_per_second=4) as live:
                await self._loop(http, LOOK, lambda: live.update(self._picture()))

    def _print_line(self) -> None:
        self.console.print(self._line(), highlight=False, soft_wrap=True)

    async def _loop(
        self, http: httpx2.AsyncClient, pause: float, show: Callable[[], object]
    ) -> None:
        while True:
            await self._look(http)
            show()
            await asyncio.sleep(pause)

    async def _look(self, http: httpx2.AsyncClient) -> None:
        """Ask reporting what it has; while it is away the figures stand still."""
        headers = self.outside.tokens.header("analyst")
        try:
            response = await http.get(
                f"{self.outside.url('reporting')}/counts", headers=headers, timeout=2.0
            )
            self._events = msgspec.json.decode(response.content, type=_Counts).events
        except (httpx2.TransportError, msgspec.DecodeError):
            return

    def count(self, kind: str) -> int:
        """Events of this kind that reporting has handled."""
        return self._events.get(f"dk.brobyg.{kind}", 0)

    def _now(self) -> datetime:
        return self.outside.clock.now().astimezone(LOCAL_ZONE)

    def _line(self) -> str:
        counts = [
            f"{self.count(kind)} {label}"
            for _, row in SHOWN
            for label, kind in row
            if self.count(kind)
        ]
        delivered = f"{self.tally.delivered.total()}/{self.messages} messages"
        return f"{self._now():%A %H:%M}  {', '.join([delivered, *counts])}"

    def _picture(self) -> Group:
        now = self._now()
        total = (self.ends - self.begins).total_seconds()
        table = Table(show_header=False, box=None, padding=(0, 2))
        told = self.tally.delivered
        doors = f"{told['kafka']} over Kafka, {told['rejected']} refused, {told['dropped']} without consent"
        table.add_row("hospital", f"{told.total()} of {self.messages} messages delivered", doors)
        for name, row in SHOWN:
            table.add_row(name, *self._cells(row))
        answers = ", ".join(
            f"{count} {answer}" for answer, count in sorted(self.tally.answers.items())
        )
        table.add_row("volunteers", f"{self.tally.mails['volunteer']} mails read", answers)
        bar = ProgressBar(
            total=total, completed=min(total, (now - self.begins).total_seconds()), width=60
        )
        return Group(
            Text(f"{now:%A %-d %B, %H:%M}", style="bold"),
            Padding(bar, (0, 0, 1, 0)),
            table,
        )

    def _cells(self, row: tuple[tuple[str, str], ...]) -> tuple[str, str]:
        (label, kind), *others = row
        return f"{self.count(kind)} {label}", ", ".join(
            f"{self.count(other)} {name}" for name, other in others
        )
