"""What is seen while the week goes by: the simulated time and the counts; plain lines in a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx2
import msgspec
from brobyg_kit.clock import COPENHAGEN
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .access import SystemAccess, http_client
from .tally import Tally

__all__ = ["Screen"]

#: Wall seconds between looks, on a terminal and elsewhere.
LOOK, PLAIN_LOOK = 0.5, 10.0
#: Rows of the screen: (name, label and event type of each figure).
SHOWN = {
    "appointments": {
        "booked": "appointment.booked",
        "moved": "appointment.rescheduled",
        "cancelled": "appointment.cancelled",
        "took place": "appointment.completed",
        "no-show": "appointment.missed",
    },
    "offers": {
        "made": "offer.made",
        "accepted": "offer.accepted",
        "declined": "offer.declined",
        "expired": "offer.expired",
        "withdrawn": "offer.withdrawn",
    },
    "escorts": {
        "matched": "volunteer.matched",
        "released": "match.released",
        "to the coordinator": "match.escalated",
    },
    "mails": {"sent": "notification.sent", "given up": "notification.failed"},
}


class _Counts(msgspec.Struct):
    """GET /counts of reporting: events of each type."""

    events: dict[str, int]


@dataclass
class Screen:
    """Asks reporting what it has handled and shows it beside what the players have done."""

    access: SystemAccess
    tally: Tally
    console: Console
    begins: datetime
    ends: datetime
    messages: int
    _events: dict[str, int] = field(default_factory=dict)

    async def watch(self) -> None:
        """Show until cancelled. While a service is down the counts stay what they were."""
        async with http_client() as http:
            if not self.console.is_terminal:
                await self._loop(http, PLAIN_LOOK, self._print_line)
            with Live(self._picture(), console=self.console, refresh_per_second=4) as live:
                await self._loop(http, LOOK, lambda: live.update(self._picture()))

    async def _loop(
        self, http: httpx2.AsyncClient, pause: float, show: Callable[[], object]
    ) -> None:
        url, headers = f"{self.access.url('reporting')}/counts", self.access.sign_in("analyst")
        while True:
            try:
                response = await http.get(url, headers=headers, timeout=2.0)
                self._events = msgspec.json.decode(response.content, type=_Counts).events
            except (httpx2.TransportError, msgspec.DecodeError):
                pass
            show()
            await asyncio.sleep(pause)

    def _now(self) -> datetime:
        return self.access.clock.now().astimezone(COPENHAGEN)

    def _figures(self, row: dict[str, str]) -> list[str]:
        return [
            f"{self._events.get(f'dk.brobyg.{kind}', 0)} {label}" for label, kind in row.items()
        ]

    def _print_line(self) -> None:
        delivered = f"{self.tally.delivered.total()}/{self.messages} messages"
        counts = [text for row in SHOWN.values() for text in self._figures(row) if text[:2] != "0 "]
        line = f"{self._now():%A %H:%M}  {', '.join([delivered, *counts])}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def _picture(self) -> Group:
        now, told = self._now(), self.tally.delivered
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_row(
            "hospital",
            f"{told.total()} of {self.messages} messages delivered",
            f"{told['kafka']} over Kafka, {told['rejected']} refused, {told['dropped']} without"
            " consent",
        )
        for name, row in SHOWN.items():
            first, *others = self._figures(row)
            table.add_row(name, first, ", ".join(others))
        answers = (f"{count} {answer}" for answer, count in sorted(self.tally.answers.items()))
        mails = f"{self.tally.mails['volunteer']} mails read"
        table.add_row("volunteers", mails, ", ".join(answers))
        total = (self.ends - self.begins).total_seconds()
        passed = min(total, (now - self.begins).total_seconds())
        return Group(
            Text(f"{now:%A %-d %B, %H:%M}", style="bold"),
            Padding(ProgressBar(total=total, completed=passed, width=60), (0, 0, 1, 0)),
            table,
        )
