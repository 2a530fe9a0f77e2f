"""What a service shows or trusts and that has an end, told weeks before it comes."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

#: So long before an end readiness tells of it.
NEAR = timedelta(weeks=4)


def end_of_token(token: str) -> datetime | None:
    """When a token (RFC 7519) ends; None for what is no token or has no end. Nothing is checked."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None


def near(ends: Iterable[tuple[str, datetime]], now: datetime) -> list[dict[str, object]]:
    """Those that have come or come soon, the first to end first: what, when, and days until then.

    An end is no reason to be unready: what it is told for is that somebody renews it in time.
    """
    return [
        {"what": what, "ends_at": end.isoformat(), "days": (end - now).days}
        for what, end in sorted(ends, key=lambda one: one[1])
        if end - now <= NEAR
    ]
