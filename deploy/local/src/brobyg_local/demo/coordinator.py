"""The coordinator: works the worklist by day, claims what is on it, and settles it later."""

import asyncio
from datetime import timedelta

import httpx2
from brobyg_contracts.domain import LOCAL_ZONE

from .access import SystemAccess, http_client
from .week import Week

#: Between two looks at the worklist, by the shared clock; an item is settled at the next look.
LOOK = timedelta(hours=2)
FIRST_HOUR, LAST_HOUR = 8, 16
OUTCOMES = {"clash": "solved_by_phone", "mail_refused": "solved_by_phone"}


class AttentiveCoordinator:
    """One a department. What is not answered, by an outage or otherwise, waits for the next
    look.
    """

    def __init__(self, access: SystemAccess, week: Week) -> None:
        """Asks nothing yet."""
        self._access = access
        departments = {one.known.department for one in week.volunteers}
        self._signed_in = [
            access.sign_in("coordinator", organisation=one, department=one)
            for one in sorted(departments)
        ]

    async def play(self, stop: asyncio.Event) -> None:
        """Look and act until `stop`."""
        async with http_client() as http:
            while not stop.is_set():
                if FIRST_HOUR <= self._access.clock.now().astimezone(LOCAL_ZONE).hour < LAST_HOUR:
                    for headers in self._signed_in:
                        await self._work(http, headers)
                await self._access.clock.sleep(LOOK)

    async def _work(self, http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
        """Claim what nobody has; settle what was claimed at the look before."""
        try:
            url = f"{self._access.url('reporting')}/attention"
            items = (await http.get(url, headers=headers)).json()["attention"]
            for item in items:
                act, body = "claim", {}
                if item["state"] == "claimed":
                    act, body = "settle", {"outcome": OUTCOMES.get(item["kind"], "helper_found")}
                path = f"/attention/{item['attention_id']}/{act}"
                url = self._access.url(item["owner"]) + path
                await http.post(url, headers=headers, json=body)
        except (httpx2.TransportError, ValueError, KeyError):
            return
