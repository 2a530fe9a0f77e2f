"""Identifiers: time-ordered for what is new, derived for what must be the same each time."""

from datetime import datetime

import uuid_utils

from brobyg_kit.clock import Clock

_NAMESPACE = uuid_utils.UUID("6f0d3c1e-0b0b-5b67-9a3e-b20b79b20b79")


def new_id(clock: Clock) -> str:
    """A new UUIDv7 (RFC 9562) whose time is the clock's."""
    return id_at(nanoseconds(clock.now()))


def id_at(moment: int) -> str:
    """A new UUIDv7 (RFC 9562) of this moment, in nanoseconds since 1970 UTC."""
    return str(uuid_utils.uuid7(nanoseconds=moment))


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970 UTC of a zone-aware time, to the microsecond."""
    return int(moment.timestamp() * 1e6) * 1000


def derived_id(*parts: str) -> str:
    """A UUIDv5 of the parts: the same parts give the same id, in every process and for ever."""
    return str(uuid_utils.uuid5(_NAMESPACE, "\x1f".join(parts)))
