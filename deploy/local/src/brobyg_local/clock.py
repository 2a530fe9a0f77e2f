"""The clock of a state folder: data made under a clock go on under it, at real speed."""

from datetime import UTC, datetime

from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_kit.clock import AcceleratedClock, parse_clock


def at_real_speed(setting: str) -> str:
    """`BROBYG_CLOCK` that goes on from where `setting` is now, as fast as the wall clock.

    Unchanged where it does already. Raises ValueError that says what would be right.
    """
    clock = parse_clock(setting)
    if not isinstance(clock, AcceleratedClock) or clock.factor == 1:
        return setting
    now = clock.now().astimezone(LOCAL_ZONE)
    return f"{now.isoformat(timespec='seconds')};1;{datetime.now(UTC).isoformat()}"
