"""Whether a citizen's calendar entry still stands. Two topics tell of it and have no order between them: both decide here, one at a time
for each referral.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from brobyg_contracts import VolunteerMatched
from brobyg_kit import event as events
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

# Each lane of the referral's citizen, with its newest calendar method, and when its newest match was made and lets the two meet.
_LANES = """
select distinct on (n.lane) n.recipient_id, n.appointment_id::text, n.calendar_method, m.matched_at, m.meet_at
from notification n
left join lateral (
    select (e.cause_event->>'time')::timestamptz as matched_at, (e.cause_event->'data'->>'meet_at')::timestamptz as meet_at
    from notification e where e.lane = n.lane and e.cause_event->>'type' = $3 order by matched_at desc limit 1
) m on true
where n.referral_id = $1 and n.recipient_role = 'citizen' and n.calendar_sequence is not null
    and ($2::uuid is null or n.appointment_id = $2)
order by n.lane, n.calendar_sequence desc
"""

_CALL_OFF = """
insert into called_off (about, happened_at, event) values ($1, $2, $3)
on conflict (about) do update set happened_at = excluded.happened_at, event = excluded.event
where called_off.happened_at < excluded.happened_at
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A citizen's calendar entry: whether the newest file about it is an invitation, when its newest match was made, and when the two meet."""

    citizen_id: str
    appointment_id: str
    invited: bool
    matched_at: datetime | None
    meet_at: datetime | None

    def stands(self, at: datetime) -> bool:
        """Whether it still invites to what was agreed before `at` and has not begun by then."""
        agreed = self.matched_at is not None and self.matched_at <= at
        return self.invited and agreed and self.meet_at is not None and self.meet_at > at


async def lock(transaction: Transaction, referral_ids: Collection[str]) -> None:
    """Be the only one to decide about these referrals until the transaction ends. In one order, so that no two wait for each other."""
    await transaction.driver.execute(
        "select pg_advisory_xact_lock(key) from"
        " (select distinct hashtextextended(referral_id, 0) as key from unnest($1::text[]) as r(referral_id) order by key) as keys",
        list(referral_ids),
    )


async def standing(
    transaction: Transaction, referral_id: str, appointment_id: str | None = None
) -> list[Standing]:
    """The referral's calendar entries, or the appointment's alone."""
    rows = await transaction.driver.fetch(
        _LANES, referral_id, appointment_id, VolunteerMatched.EVENT_TYPE
    )
    return [_standing(row) for row in rows]


async def call_off(transaction: Transaction, about: str, cause: Event) -> None:
    """Remember that what is `about` no longer stands; an older event than the one known has no effect."""
    await transaction.driver.execute(_CALL_OFF, about, cause.time, cause)


async def called_off(
    transaction: Transaction, referral_id: str, appointment_id: str, since: datetime
) -> Event | None:
    """The event by which the appointment stands no longer as it did at `since`; None when it does."""
    found = await transaction.driver.fetchval(
        "select event::text from called_off where about = any($1::uuid[]) and happened_at >= $2"
        " order by happened_at desc limit 1",
        [referral_id, appointment_id],
        since,
    )
    return events.decode(str(found).encode()) if found else None


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        row["recipient_id"],
        row["appointment_id"],
        row["calendar_method"] == "REQUEST",
        row["matched_at"],
        row["meet_at"],
    )
