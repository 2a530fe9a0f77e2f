"""What a search looks at beside the needs, read with a fixed number of statements.

Nothing here grows with other departments' helpers or with needs elsewhere: bookings and open offers
are those of helpers who may be asked, bookings around the span only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from brobyg_kit.database import Transaction
from brobyg_kit.statements import driver_text
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    bindparam,
    cast,
    extract,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import block, booking, caseload, need, offer, seat, turn
from brobyg_matching.domain.board import Known
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.need import have_met
from brobyg_matching.ports import Around, Loaded


def _epoch(column: Any) -> Any:  # SQLAlchemy's columns of computed values
    return cast(extract("epoch", column), BigInteger)


_HELPERS = bindparam("helpers", type_=ARRAY(Id))
#: Parameters: holders, since, until.
_BOOKINGS = driver_text(
    select(
        booking.c.holder,
        booking.c.need_id.cast(Text),
        booking.c.seat_no,
        _epoch(func.lower(booking.c.span)),
        _epoch(func.upper(booking.c.span)),
        booking.c.exclusive,
    ).where(
        booking.c.holder == func.any(bindparam("holders", type_=ARRAY(Text))),
        booking.c.exclusive,
        func.upper(booking.c.span) > bindparam("since", type_=Instant),
        func.lower(booking.c.span) < bindparam("until", type_=Instant),
    )
)
_OPEN_OFFERS = driver_text(
    select(offer.c.helper_id.cast(Text), func.count())
    .where(offer.c.helper_id == func.any(_HELPERS), offer.c.state == literal_column("'open'"))
    .group_by(offer.c.helper_id)
)
_CITIZENS = bindparam("citizens", type_=ARRAY(Id))
#: Whom each citizen has had a helper in, and whom they are not brought together with.
_ACQUAINTANCES = driver_text(
    union_all(
        select(
            need.c.citizen_id.cast(Text),
            seat.c.helper_id.cast(Text),
            need.c.need_id.cast(Text),
            need.c.reason,
            need.c.ends_at,
        )
        .join(seat, seat.c.need_id == need.c.need_id)
        .where(need.c.citizen_id == func.any(_CITIZENS), seat.c.helper_id.is_not(None)),
        select(
            block.c.citizen_id.cast(Text),
            block.c.helper_id.cast(Text),
            null().cast(Text),
            null().cast(Text),
            null().cast(Instant),
        ).where(block.c.citizen_id == func.any(_CITIZENS)),
    )
)
_CASES = driver_text(
    select(caseload.c.helper_id.cast(Text), caseload.c.taken).where(
        caseload.c.helper_id == func.any(_HELPERS)
    )
)
_TURNS = driver_text(
    select(turn.c.helper_id.cast(Text), _epoch(turn.c.asked_at)).where(
        turn.c.helper_id == func.any(_HELPERS), turn.c.asked_at.is_not(None)
    )
)


async def known(tx: Transaction, loaded: Loaded, around: Around) -> Known:
    """See `ports.Needs.around`."""
    helpers = sorted(around.helpers)
    bookings: Sequence[Booking] = ()
    if around.since is not None and around.until is not None and (helpers or around.resources):
        holders = [*helpers, *around.resources]
        bookings = [
            Booking(*row)
            for row in await tx.driver.fetch(_BOOKINGS, holders, around.since, around.until)
        ]
    asked = await tx.driver.fetch(_OPEN_OFFERS, helpers) if around.rosters else []
    met, blocks = await _acquaintances(tx, around)
    return Known(
        citizens=loaded.citizens,
        consents=loaded.consents,
        rosters=around.rosters,
        profiles=around.profiles,
        bookings=tuple(bookings),
        cases=rows.pairs(await tx.driver.fetch(_CASES, helpers)) if around.cases else {},
        turns=rows.pairs(await tx.driver.fetch(_TURNS, helpers)) if around.turns else {},
        open_offers=rows.pairs(asked),
        met=met,
        blocks=blocks,
    )


async def _acquaintances(
    tx: Transaction, around: Around
) -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, frozenset[str]]]:
    met: dict[str, dict[str, str]] = {}
    blocks: dict[str, frozenset[str]] = {}
    if around.citizens:
        for citizen_id, helper_id, need_id, reason, ends_at in await tx.driver.fetch(
            _ACQUAINTANCES, [*around.citizens]
        ):
            if need_id is None:
                blocks[citizen_id] = blocks.get(citizen_id, frozenset()) | {helper_id}
            elif have_met(reason, ends_at, tx.now):
                met.setdefault(citizen_id, {})[need_id] = helper_id
    return met, blocks
