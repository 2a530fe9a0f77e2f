"""Starts an empty system for a week, with a fast clock that stands still until all is ready."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from brobyg_contracts.topics import TOPICS

from brobyg_local.clock import at_real_speed
from brobyg_local.errors import LocalError
from brobyg_local.services import SERVICES
from brobyg_local.state import read_json, write_atomically
from brobyg_local.system import System

from .access import SystemAccess
from .erasure import shorten_segments
from .history import total_records
from .registration import register
from .week import Week

WEEK_BEGINS = datetime.fromisoformat("2026-11-30T00:00:00+01:00")
WEEK_ENDS = datetime.fromisoformat("2026-12-07T00:00:00+01:00")
#: Wall seconds from starting the services to the beginning of the week, before the first start;
#: afterwards what the last start took and so many more, at most so many.
MARGIN, SPARE, LONGEST_MARGIN = 40.0, 5.0, 180.0


@dataclass
class DemoSetup:
    """One system and how to make it ready for a week."""

    system: System
    say: Callable[[str], None]
    #: Where it is remembered how long a start takes on this machine.
    notes: Path
    #: Where traces are sent until it slows down, if nothing else was named; empty for nowhere.
    collector: str = ""

    def empty(self, *, reset: bool) -> None:
        """Empty what an earlier demo left. Blocks.

        Raises `LocalError` where there are data that no demo made, unless `reset`, and where a
        broker or database that was named holds anything: what is not ours is not emptied.
        """
        self._refuse_named_that_are_in_use()
        if not self.system.environment():
            return
        folder = self.system.folder.path
        # It says that the data are a demo's; `System.reset` removes it with them.
        began = read_json(self.system.folder.local / "demo.json").get("began")
        if not (reset or began or self._holds_no_event()):
            raise LocalError(
                f"{folder} holds data that no demo made",
                advice="keep them and play elsewhere: brobyg local demo --folder var/another;"
                " or empty them: brobyg local demo --reset",
            )
        demo = f"what the demo of {began} left, and whatever was entered since"
        self.say(f"emptying {demo if began else 'what was there'}: {folder}")
        self.system.reset()

    def _holds_no_event(self) -> bool:
        """Whether our own broker is empty. One that was named was found empty before."""
        if kafka := self.system.given.get("BROBYG_KAFKA"):
            return self.system.environment().get("BROBYG_KAFKA") == kafka
        self.system.start_stores()
        return asyncio.run(total_records(self.system.cluster.kafka.address)) == 0

    def _refuse_named_that_are_in_use(self) -> None:
        kafka = self.system.given.get("BROBYG_KAFKA")
        database = self.system.given.get("BROBYG_DATABASE")
        if kafka and (records := asyncio.run(total_records(kafka, tuple(TOPICS)))):
            raise LocalError(
                f"the broker that BROBYG_KAFKA names ({kafka}) holds {records} records of Brobyg,"
                " and what is not ours is not emptied",
                advice="delete its topics brobyg.* and hospital.appointment.*, name another broker,"
                " or unset BROBYG_KAFKA: then one is started",
            )
        if database and (names := asyncio.run(_databases(database))):
            server = database.rpartition("@")[2]
            drops = " ".join(f"drop database {name};" for name in names)
            raise LocalError(
                f"the server that BROBYG_DATABASE names ({server}) holds {', '.join(names)}, and"
                " what is not ours is not emptied",
                advice=f"{drops} or name another server, or unset BROBYG_DATABASE: then one is"
                " started",
            )

    def start(self, week: Week, factor: float) -> SystemAccess:
        """Start everything and register volunteers and referrals before the week's first minute.

        Raises `LocalError`. Blocks.
        """
        self.system.start_stores()
        began_at = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
        write_atomically(self.system.folder.local / "demo.json", json.dumps({"began": began_at}))
        last = read_json(self.notes).get("start_seconds")
        margin = min(LONGEST_MARGIN, last + SPARE) if isinstance(last, int | float) else MARGIN
        began = time.monotonic()
        access = self._up(margin, factor)
        self.say(
            f"registering {len(week.volunteers)} volunteers and {len(week.referrals)} referrals"
        )
        asyncio.run(shorten_segments(access.kafka))
        asyncio.run(register(access, week))
        took = time.monotonic() - began
        self.notes.parent.mkdir(parents=True, exist_ok=True)
        self.notes.write_text(json.dumps({"start_seconds": round(took, 1)}))
        if took > margin:
            self.say(f"that took {took:.0f} s: setting the clock back to the beginning of the week")
            access = self._up(min(LONGEST_MARGIN, took + SPARE), factor)
        return access

    def slow_down(self, access: SystemAccess) -> SystemAccess:
        """Let the clock go on at real speed, to look at the week after. Restarts the services."""
        return self._with({"BROBYG_CLOCK": at_real_speed(access.environment["BROBYG_CLOCK"])})

    def _up(self, margin: float, factor: float) -> SystemAccess:
        anchor = datetime.now(UTC) + timedelta(seconds=margin)
        collector = self.system.given.get("BROBYG_OTLP_ENDPOINT") or self.collector
        clock = f"{WEEK_BEGINS.isoformat()};{factor:g};{anchor.isoformat()}"
        return self._with({"BROBYG_CLOCK": clock, "BROBYG_OTLP_ENDPOINT": collector})

    def _with(self, settings: Mapping[str, str]) -> SystemAccess:
        environment = self.system.up(settings)
        return SystemAccess(environment, self.system.folder.mail)


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
