"""Brings a system up for a week: empty, with a clock that stands still until everything is ready and then runs fast."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from brobyg_local.errors import LocalError
from brobyg_local.places import read_json
from brobyg_local.system import System

from .history import total_records
from .outside import Outside
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
        """Empty what an earlier demo left. Raises `LocalError` where there are data that are no demo's, unless `reset`. Blocks."""
        environment = self.system.environment()
        if not environment:
            return
        if not (reset or environment.get("BROBYG_CLOCK") or self._is_empty()):
            raise LocalError(
                f"{self.system.places.folder} holds data that no demo made",
                advice="keep them and play elsewhere: brobyg local demo --folder var/another; or empty them: brobyg local demo --reset",
            )
        self.say("emptying what an earlier run left")
        self.system.reset()

    def _is_empty(self) -> bool:
        return total_records(self.system.cluster.start().kafka) == 0

    def set(self, week: Week, factor: float) -> Outside:
        """Everything up, volunteers and referrals registered, the week's first minute still ahead. Raises `LocalError`, `Refused` or `Unreachable`. Blocks."""
        self.system.cluster.start()
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
        now = outside.clock.now().astimezone(WEEK_BEGINS.tzinfo)
        return self._outside(f"{now.isoformat(timespec='seconds')};1;{datetime.now(UTC).isoformat()}")

    def _up(self, margin: float, factor: float) -> Outside:
        anchor = datetime.now(UTC) + timedelta(seconds=margin)
        return self._outside(f"{WEEK_BEGINS.isoformat()};{factor:g};{anchor.isoformat()}")

    def _outside(self, clock: str) -> Outside:
        environment = self.system.up({**self.settings, "BROBYG_CLOCK": clock})
        return Outside(environment, self.system.places.mail)

    def _margin(self) -> float:
        took = read_json(self.notes).get("start_seconds")
        return min(LONGEST_MARGIN, took + SPARE) if isinstance(took, int | float) else MARGIN
