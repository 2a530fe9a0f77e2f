"""What /readyz asks of this service beside its loops. Names no person.

Whether mail goes out, and whether every department's coordinator can be told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from brobyg_contracts.reference import Reference
from brobyg_kit.database_errors import DATABASE_ERRORS
from brobyg_kit.health import Check

from brobyg_notification.ports import Backlog, DeliveryQueue
from brobyg_notification.use_cases.delivery import coordinators_address

#: How long a message may wait, seconds of wall time whatever clock the service lives by: as long as
#: the longest pause between two attempts.
_LONGEST_WAIT = 900.0

#: RuntimeError: not connected yet.
_QUERY_ERRORS: tuple[type[Exception], ...] = (*DATABASE_ERRORS, RuntimeError)


def mail_goes_out(queue: DeliveryQueue) -> Callable[[], Awaitable[Check]]:
    """The check that no message has waited for more than a quarter of an hour.

    Those that one recipient's server does not take don't count. It tells how many wait, how long,
    and what is in the way.
    """

    async def check() -> Check:
        try:
            async with asyncio.timeout(2):
                backlog = await queue.backlog()
        except _QUERY_ERRORS as error:
            return Check(False, f"the database can't be asked: {type(error).__name__}")
        return Check(backlog.held_seconds <= _LONGEST_WAIT, _in_words(backlog))

    return check


def departments_have_addresses(
    reference: Callable[[], Reference], coordinators: Mapping[str, str]
) -> Callable[[], Awaitable[Check]]:
    """The check that each department's coordinator has an address; else its messages wait."""

    async def check() -> Check:
        known = reference()
        missing = sorted(
            department.id
            for department in known.departments.values()
            if not department.withdrawn
            and coordinators_address(known, coordinators, department.id) is None
        )
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
    causes = ", ".join(f"{cause} {number}" for cause, number in sorted(backlog.waiting.items()))
    count, oldest = sum(backlog.waiting.values()), backlog.oldest_seconds
    return f"{count} waiting, the oldest for {oldest:.0f} s: {causes}"
