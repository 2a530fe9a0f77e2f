"""Brings a system up for a week: empty, with a clock that stands still until everything is ready and then runs fast."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from brobyg_contracts.topics import TOPICS

from brobyg_local.errors import LocalError
from brobyg_local.pace import at_natural_pace
from brobyg_local.places import read_json, write_atomically
from brobyg_local.system import System

from .history import total_records
from .outside import SERVICES, Outside
from .registration import register
from .week import Week

__all__ = ["WEEK_BEGINS", "WEEK_ENDS", "Stage"]

WEEK_BEGINS = datetime.fromisoformat("2026-11-30T00:00:00+01:00")
WEEK_ENDS = datetime.fromisoformat("2026-12-07T00:00:00+01:00")
MARGIN = 40.0
"""Wall seconds from starting the services to the beginning of the week, where no earlier run tells better."""
SPARE = 5.0
"""Wall seconds more than the last start took."""
LONGEST_MARGIN = 180.0


@dataclass
class Stage:
    """One system and how to make it ready for a week."""

    system: System
    say: Callable[[str], None]
    notes: Path
    """Where it is remembered how long a start takes on this machine."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the services are started with beside the clock."""

    def clear(self, *, reset: bool) -> None:
        """Empty what an earlier demo left. Raises `LocalError` where there are data that are no demo's, unless `reset`, and where a
        broker or database that was given holds anything: what is not ours is not emptied. Blocks.
        """
        self._refuse_given_that_are_in_use()
        if not self.system.environment():
            return
        began = read_json(self._mark).get("began")
        if not (reset or began or self._is_empty()):
            raise LocalError(
                f"{self.system.places.folder} holds data that no demo made",
                advice="keep them and play elsewhere: brobyg local demo --folder var/another; or empty them: brobyg local demo --reset",
            )
        what = (
            f"what the demo of {began} left, and whatever was entered since"
            if began
            else "what was there"
        )
        self.say(f"emptying {what}: {self.system.places.folder}")
        self.system.reset()

    @property
    def _mark(self) -> Path:
        """Says that the folder's data are a demo's. `System.reset` removes it with them."""
        return self.system.places.local / "demo.json"

    def _is_empty(self) -> bool:
        """Whether our own broker holds no event. One that was given was found empty before; of another one nothing is known."""
        if kafka := self.system.given.get("BROBYG_KAFKA"):
            return self.system.environment().get("BROBYG_KAFKA") == kafka
        self.system.start_stores()
        return total_records(self.system.cluster.kafka_address) == 0

    def _refuse_given_that_are_in_use(self) -> None:
        kafka, database = (
            self.system.given.get("BROBYG_KAFKA"),
            self.system.given.get("BROBYG_DATABASE"),
        )
        if kafka and (records := total_records(kafka, tuple(TOPICS))):
            raise LocalError(
                f"the broker that BROBYG_KAFKA names ({kafka}) holds {records} records of Brobyg, and what is not ours is not emptied",
                advice="delete its topics brobyg.* and hospital.appointment.*, name another broker, or unset BROBYG_KAFKA: then one is started",
            )
        if database and (names := asyncio.run(_databases(database))):
            raise LocalError(
                f"the server that BROBYG_DATABASE names ({database.rpartition('@')[2]}) holds {', '.join(names)}, and what is not ours is not emptied",
                advice=f"{' '.join(f'drop database {name};' for name in names)} or name another server, or unset BROBYG_DATABASE: then one is started",
            )

    def set(self, week: Week, factor: float) -> Outside:
        """Everything up, volunteers and referrals registered, the week's first minute still ahead. Raises `LocalError`, `Refused` or `Unreachable`. Blocks."""
        self.system.start_stores()
        write_atomically(
            self._mark, json.dumps({"began": f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"})
        )
        began, margin = time.monotonic(), self._margin()
        outside = self._up(margin, factor)
        self.say(f"registering {len(week.helpers)} volunteers and {len(week.referrals)} referrals")
        asyncio.run(register(outside, week))
        took = time.monotonic() - began
        self.notes.parent.mkdir(parents=True, exist_ok=True)
        self.notes.write_text(json.dumps({"start_seconds": round(took, 1)}))
        if took > margin:
            self.say(f"that took {took:.0f} s: setting the clock back to the beginning of the week")
            outside = self._up(min(LONGEST_MARGIN, took + SPARE), factor)
        return outside

    def pace(self, outside: Outside) -> Outside:
        """Let the clock go on from where it is at its natural pace, so that the week after can be looked at. Restarts the services. Blocks."""
        return self._outside(at_natural_pace(outside.environment["BROBYG_CLOCK"]))

    def _up(self, margin: float, factor: float) -> Outside:
        anchor = datetime.now(UTC) + timedelta(seconds=margin)
        return self._outside(f"{WEEK_BEGINS.isoformat()};{factor:g};{anchor.isoformat()}")

    def _outside(self, clock: str) -> Outside:
        environment = self.system.up({**self.settings, "BROBYG_CLOCK": clock})
        return Outside(environment, self.system.places.mail)

    def _margin(self) -> float:
        took = read_json(self.notes).get("start_seconds")
        return min(LONGEST_MARGIN, took + SPARE) if isinstance(took, int | float) else MARGIN


async def _databases(server: str) -> list[str]:
    """The services' databases on the server. Raises `LocalError` where it does not answer."""
    names = [f"brobyg_{service}" for service in SERVICES]
    try:
        connection = await asyncpg.connect(f"{server.rstrip('/')}/postgres", timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LocalError(
            f"the server that BROBYG_DATABASE names does not let us in: {type(error).__name__}",
            advice="start it, or unset BROBYG_DATABASE: then one is started",
        ) from error
    try:
        query = "select datname from pg_database where datname = any($1::text[]) order by datname"
        return [row["datname"] for row in await connection.fetch(query, names)]
    finally:
        await connection.close()
