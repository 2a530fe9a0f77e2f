"""What is shown while the week is played: a live table on a terminal, else a line every 8 s."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress

import httpx2
from brobyg_contracts.domain import LOCAL_ZONE
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .access import SystemAccess, http_client
from .tally import BEHIND, Tally

#: Wall seconds between two looks: on a terminal, and where lines are written.
LOOK, PAUSE = 0.5, 8.0
#: Rows of the table: each an event type with its label.
SHOWN = {
    "appointments": {
        "appointment.booked": "booked",
        "appointment.rescheduled": "moved",
        "appointment.cancelled": "cancelled",
        "appointment.completed": "took place",
        "appointment.missed": "no-show",
    },
    "offers": {
        "offer.made": "offers",
        "offer.accepted": "accepted",
        "offer.declined": "declined",
        "offer.expired": "expired",
        "offer.withdrawn": "withdrawn",
    },
    "escorts": {
        "volunteer.matched": "matched",
        "match.released": "released",
        "match.escalated": "to the coordinator",
    },
    "worklist": {"attention.raised": "need a human", "attention.settled": "settled"},
    "mails": {"notification.sent": "mails sent", "notification.failed": "given up"},
}


async def show_progress(
    access: SystemAccess, tally: Tally, messages: int, say: Callable[[str], None]
) -> None:
    """Tell what reporting has handled, and how many of all `messages` are sent, until cancelled.

    While reporting is down the counts stay what they were.
    """
    url, headers = f"{access.url('reporting')}/counts", access.sign_in("analyst")
    events: dict[str, int] = {}
    console = Console(stderr=True)
    live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
    with live or nullcontext():
        async with http_client() as http:
            while True:
                with suppress(httpx2.TransportError, ValueError, KeyError):
                    events = (await http.get(url, headers=headers, timeout=2.0)).json()["events"]
                late = tally.late_seconds
                behind = f", up to {late:.0f} s late" if late > BEHIND else ""
                rows = {"hospital": f"{tally.delivered.total()} of {messages} messages{behind}"}
                rows |= {name: _counts(events, kinds) for name, kinds in SHOWN.items()}
                now = f"{access.clock.now().astimezone(LOCAL_ZONE):%A %H:%M}"
                if live:
                    live.update(_table(now, rows))
                else:
                    say(f"{now}  {', '.join(filter(None, rows.values()))}")
                await asyncio.sleep(LOOK if live else PAUSE)


def _counts(events: dict[str, int], kinds: dict[str, str]) -> str:
    counts = {label: events.get(f"dk.brobyg.{kind}", 0) for kind, label in kinds.items()}
    return ", ".join(f"{count} {label}" for label, count in counts.items() if count)


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    for name, counts in rows.items():
        table.add_row(name, counts)
    return table
