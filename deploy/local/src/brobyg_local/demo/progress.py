"""What is seen while the week goes by: a line with the simulated time and the counts."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx2

from .access import SystemAccess, http_client
from .tally import Tally

#: Wall seconds between lines.
PAUSE = 8.0
#: Figures of a line, each an event type with its label.
SHOWN = {
    "appointment.booked": "booked",
    "appointment.rescheduled": "moved",
    "appointment.cancelled": "cancelled",
    "appointment.completed": "took place",
    "appointment.missed": "no-show",
    "offer.made": "offers",
    "offer.accepted": "accepted",
    "offer.declined": "declined",
    "offer.expired": "expired",
    "offer.withdrawn": "withdrawn",
    "volunteer.matched": "matched",
    "match.released": "released",
    "match.escalated": "to the coordinator",
    "notification.sent": "mails sent",
    "notification.failed": "given up",
}


async def show_progress(
    access: SystemAccess, tally: Tally, messages: int, say: Callable[[str], None]
) -> None:
    """Tell what reporting has handled, and how many of all `messages` are sent, until cancelled.

    While reporting is down the counts stay what they were.
    """
    url, headers = f"{access.url('reporting')}/counts", access.sign_in("analyst")
    events: dict[str, int] = {}
    async with http_client() as http:
        while True:
            with suppress(httpx2.TransportError, ValueError, KeyError):
                events = (await http.get(url, headers=headers, timeout=2.0)).json()["events"]
            counts = {label: events.get(f"dk.brobyg.{kind}", 0) for kind, label in SHOWN.items()}
            told = [f"{count} {label}" for label, count in counts.items() if count]
            sent = f"{tally.delivered.total()} of {messages} messages"
            say(f"{access.clock.now().astimezone(COPENHAGEN):%A %H:%M}  {', '.join([sent, *told])}")
            await asyncio.sleep(PAUSE)
