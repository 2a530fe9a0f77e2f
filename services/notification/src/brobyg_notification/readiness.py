"""What /readyz asks of this service beside its loops: whether mail goes out, and whether every department can be told. Names no person."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from brobyg_contracts.places import DEPARTMENTS
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Check

from brobyg_notification.ports import Backlog, Store

#: How long a message may wait, seconds of wall time whatever clock the service lives by: as long as the longest pause between two attempts.
_PATIENCE = 900.0

_UNASKABLE: tuple[type[Exception], ...] = (
    *DATABASE_ERRORS,
    RuntimeError,
)  # the last: not connected yet


def mail_goes_out(store: Store) -> Callable[[], Awaitable[Check]]:
    """The check that no message has waited for more than a quarter of an hour, those aside that one recipient's server does not take; it tells
    how many wait, how long, and what is in the way.
    """

    async def check() -> Check:
        try:
            async with asyncio.timeout(2):
                backlog = await store.backlog()
        except _UNASKABLE as error:
            return Check(False, f"the database can't be asked: {type(error).__name__}")
        return Check(backlog.held_seconds <= _PATIENCE, _in_words(backlog))

    return check


def departments_have_addresses(coordinators: Collection[str]) -> Callable[[], Awaitable[Check]]:
    """The check that each department's coordinator has an address; without one its messages wait."""
    missing = sorted(set(DEPARTMENTS) - set(coordinators))

    async def check() -> Check:
        return Check(
            not missing,
            f"BROBYG_NOTIFICATION_COORDINATORS has no address for {', '.join(missing)}"
            if missing
            else "",
        )

    return check


def _in_words(backlog: Backlog) -> str:
    if not backlog.waiting:
        return "nothing waits"
    kinds: Mapping[str, int] = dict(sorted(backlog.waiting.items()))
    causes = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    return f"{sum(kinds.values())} waiting, the oldest for {backlog.oldest_seconds:.0f} s: {causes}"
