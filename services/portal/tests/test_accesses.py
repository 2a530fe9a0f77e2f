"""What the portal makes of what an owner says of who has seen somebody's data."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from brobyg_kit.clock import WallClock
from brobyg_portal.adapters import accesses
from brobyg_portal.adapters.accesses import Accesses
from brobyg_portal.domain.session import Session
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Answered

WHO = Session("s", "citizen", "p", frozenset({"citizen"}), None, None, WallClock().now())


class Slow:
    """Answers page after page, each within its own time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked = seconds, 0

    async def ask(self, *_: object, **__: Any) -> Answered:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        body = msgspec.json.encode({"accesses": [], "before": self.asked})
        return Answered(200, body, "", "")


async def test_an_owner_that_is_slow_five_times_is_not_waited_for_five_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accesses, "_IN_ALL", 0.5)
    slow = Slow(0.3)
    with pytest.raises(ServiceUnavailable, match="referral: TimeoutError"):
        await Accesses(slow).told(WHO, "citizens", uuid4(), None)
    assert slow.asked < 5
    monkeypatch.setattr(accesses, "_IN_ALL", 20)
    quick = Slow(0)
    assert await Accesses(quick).told(WHO, "citizens", uuid4(), None) is not None
    assert quick.asked == 5
