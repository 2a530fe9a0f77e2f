"""What is kept for a number of days, and how it is ended."""

from collections.abc import Mapping
from datetime import timedelta

from brobyg_kit.clock import Clock
from brobyg_kit.retention import Carrier

from brobyg_portal.adapters.sessions import deleted_after
from brobyg_portal.adapters.tables import passkey, session, sign_in_request, spent

_DAY, _YEAR = timedelta(days=1), timedelta(days=365)


def retention(clock: Clock) -> Mapping[str, Carrier]:
    """By kind. `clock` tells real time, in which people sign in."""
    return {
        "signed_in": deleted_after(clock, _DAY, session.c.ends_at),
        "passkey": deleted_after(clock, _YEAR, passkey.c.used_at),
        "sign_in_link": deleted_after(clock, _DAY, sign_in_request.c.asked_at),
        "spent": deleted_after(clock, _DAY, spent.c.spent_at),
    }
