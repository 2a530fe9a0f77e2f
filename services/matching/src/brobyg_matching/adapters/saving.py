"""Writes what a board has changed: each row once, new rows by COPY, others by one statement."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

import asyncpg
from brobyg_contracts import (
    AttentionClaimed,
    AttentionRaised,
    AttentionSettled,
    CitizenErased,
    ErasureAcknowledged,
    HelperErased,
)
from brobyg_kit.attention import Attention, attention_id
from brobyg_kit.database import Transaction
from brobyg_kit.database_errors import cause_of
from brobyg_kit.erasure import Erasures, erased, remember
from brobyg_kit.event import Event
from brobyg_kit.restriction import lift, restrict
from brobyg_kit.statements import json_rows, unnest
from brobyg_kit.tables import Id
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    Integer,
    SmallInteger,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import (
    block,
    booking,
    caseload,
    citizen,
    consent,
    need,
    offer,
    seat,
    turn,
)
from brobyg_matching.domain.board import Board, Raised
from brobyg_matching.domain.need import CAPACITY, RECHECK, SEARCH
from brobyg_matching.errors import DoubleBooking

#: Citizens are referral's: of their erasure it is heard. That of a helper, who is matching's own,
#: begins here. What matching says of helpers stands on no compacted topic.
ERASURES = Erasures(
    "matching",
    ErasureAcknowledged,
    kinds=(CitizenErased, HelperErased),
    expected=("notification",),
)
ATTENTION = Attention("matching", AttentionClaimed, AttentionSettled, "no_longer_so")

#: What the database refuses so that nobody is taken twice.
_TAKEN_TWICE = (asyncpg.ExclusionViolationError, asyncpg.CheckViolationError)
#: What changes of an offer that has been made.
_ANSWER = ("state", "reason", "answered_at")


def _update(table: Table, changing: Sequence[str]) -> Update:
    """Writes these columns of rows that are there.

    The keys are given as an array too: of how many rows there are in JSON the server guesses 100,
    for which it would read the whole of a narrow table.
    """
    [key] = table.primary_key
    given = json_rows([key, *(table.c[one] for one in changing)])
    values = {one: given.c[one] for one in changing}
    keys = bindparam("keys", type_=ARRAY(Id))
    return update(table).values(values).where(key == given.c[key.name], key == func.any(keys))


def _upsert(table: Table) -> Any:  # an upsert has no public type of its own
    """Writes whole rows, whether they are there or not."""
    given = json_rows(table.c)
    statement = insert(table).from_select(table.c.keys(), select(given))
    return statement.on_conflict_do_update(
        index_elements=[*table.primary_key],
        set_={one.name: statement.excluded[one.name] for one in table.c if not one.primary_key},
    )


def _others(table: Table) -> list[str]:
    return [one.name for one in table.c if not one.primary_key]


_UPDATE_NEEDS = _update(need, _others(need))
_UPDATE_OFFERS = _update(offer, _ANSWER)
_UPDATE_CITIZENS = _update(citizen, _others(citizen))
#: The needs of erased citizens, apart from those that never went by a record and are open still.
_ERASED_CITIZENS = func.any(bindparam("citizens", type_=ARRAY(Id)))
_ERASED = (
    need.c.citizen_id == _ERASED_CITIZENS,
    need.c.state.in_(("waiting", "closed")),
)
#: What told where they live, how they move and where they wish to meet.
_FORGET = (
    update(need).where(*_ERASED, need.c.meet_at.is_not(None)).values(meet_at=need.c.starts_at),
    update(seat)
    .where(*_ERASED, seat.c.need_id == need.c.need_id, seat.c.leave_at.is_not(None))
    .values(leave_at=need.c.starts_at, meet_at=need.c.starts_at, home_at=need.c.ends_at),
    update(offer)
    .where(*_ERASED, offer.c.need_id == need.c.need_id)
    .values(distance_metres=None, leave_at=None, meet_at=None, home_at=None),
    update(booking)
    .where(*_ERASED, booking.c.need_id == need.c.need_id, booking.c.span.is_not(None))
    .values(span=booking.c.span * func.tstzrange(need.c.starts_at, need.c.ends_at)),
    delete(block).where(block.c.citizen_id == _ERASED_CITIZENS),
)
_SAVE_SEATS = _upsert(seat)
_SAVE_CONSENTS = _upsert(consent)
_offer_record = attrgetter(*rows.OFFER_COLUMNS)
_seat_record = attrgetter(*(one for one in rows.SEAT_COLUMNS if one != "need_id"))
_BEFORE_CREW = rows.NEED_COLUMNS.index("crew")
_need_record = attrgetter(*rows.NEED_COLUMNS)


async def save(tx: Transaction, board: Board) -> None:
    """See `ports.Needs.save`."""
    for one in board.emissions:
        tx.emit(one.data, subject=one.subject, cause=one.cause)
    for need_id, due in board.timers.items():
        if due is not None:
            tx.schedule(SEARCH, need_id, due)
        elif board.before.get(need_id) is not None:
            tx.unschedule(SEARCH, need_id)
    for helper_id in board.promised:
        # Other open offers to them belong to needs of other citizens, which must not be locked
        # after the helper: a timer takes care of those at once.
        tx.schedule(RECHECK, helper_id, tx.now)
    for department in board.freed:
        tx.schedule(CAPACITY, department, tx.now)
    await _save_people(tx, board)
    await _save_needs(tx, board)
    await _save_offers(tx, board)
    try:
        await _save_bookings(tx, board)
        await _save_cases(tx, board)
    except (IntegrityError, asyncpg.IntegrityConstraintViolationError) as error:
        if isinstance(cause_of(error), _TAKEN_TWICE):
            raise DoubleBooking from error
        raise
    if board.erased:
        await _erase(tx, board.erased)
    await _save_restrictions(tx, board)
    if board.acknowledged:
        await ERASURES.note(tx, board.acknowledged)
    if board.turned:
        await _save_turns(tx, board.turned)
    await _save_attention(tx, board)


async def _write(
    tx: Transaction, statement: Update, key: str, given: Sequence[Mapping[str, object]]
) -> None:
    """Carry out an `_update`."""
    keys = [one[key] for one in given]
    await tx.connection.execute(statement, {"rows": rows.as_json(given), "keys": keys})


async def _save_people(tx: Transaction, board: Board) -> None:
    if board.changed_citizens:
        empty: dict[str, object] = dict.fromkeys(_others(citizen))
        given = []
        for citizen_id in sorted(board.changed_citizens):
            record = board.citizens.get(citizen_id)
            said = {name: getattr(record, name) for name in empty} if record else empty
            given.append({"citizen_id": citizen_id, **said})
        await _write(tx, _UPDATE_CITIZENS, "citizen_id", given)
    if board.changed_consents:
        given = [
            {
                "referral_id": referral_id,
                "citizen_id": citizen_id,
                "given": board.consents[referral_id],
            }
            for referral_id, citizen_id in sorted(board.changed_consents.items())
        ]
        await tx.connection.execute(_SAVE_CONSENTS, {"rows": rows.as_json(given)})


async def _erase(tx: Transaction, erased: Mapping[str, Event | None]) -> None:
    """Of the needs of these, who are erased, keep only the times that were told of them.

    What is booked shrinks to those, so that a week's work still counts. Whom they were not to be
    brought together with goes too.
    """
    citizens = sorted(erased)
    for statement in _FORGET:
        await tx.connection.execute(statement, {"citizens": citizens})
    await remember(tx, [one for one in citizens if not erased[one]])
    for citizen_id in citizens:
        if cause := erased[citizen_id]:
            await ERASURES.acknowledge(tx, citizen_id, cause)


async def _save_restrictions(tx: Transaction, board: Board) -> None:
    """What is said of a citizen who is erased comes late and is dropped."""
    if not board.restricted:
        return
    gone = await erased(tx, board.restricted)
    for citizen_id, why in sorted(board.restricted.items()):
        if why is None:
            await lift(tx, citizen_id)
        elif citizen_id not in gone:
            await restrict(tx, citizen_id, why, "referral")


async def _save_needs(tx: Transaction, board: Board) -> None:
    """Needs before all that refers to them."""
    new = [one for one, before in board.before.items() if before is None]
    if new:
        records, seats = [], []
        for need_id in new:
            one = board.needs[need_id]
            record = list(_need_record(one))
            record[_BEFORE_CREW] = rows.as_json(one.crew)
            records.append(tuple(record))
            seats += [(need_id, *_seat_record(its)) for its in one.seats]
        await rows.copy(tx, need, records)
        await rows.copy(tx, seat, seats)
    changed = [
        (before, board.needs[one]) for one, before in board.before.items() if before is not None
    ]
    if changed:
        given = [rows.need_values(one) for _, one in changed]
        await _write(tx, _UPDATE_NEEDS, "need_id", given)
        given = [
            rows.seat_values(one.need_id, its)
            for before, one in changed
            for its in one.seats
            if its not in before.seats
        ]
        if given:
            await tx.connection.execute(_SAVE_SEATS, {"rows": rows.as_json(given)})


async def _save_offers(tx: Transaction, board: Board) -> None:
    if board.made:
        await rows.copy(tx, offer, (_offer_record(board.offers[one]) for one in board.made))
    columns = ("offer_id", *_ANSWER)
    given = [
        {name: getattr(one, name) for name in columns}
        for offer_id, one in board.offers.items()
        if offer_id not in board.made
    ]
    if given:
        await _write(tx, _UPDATE_OFFERS, "offer_id", given)


async def _save_bookings(tx: Transaction, board: Board) -> None:
    """What was booked before for a place makes way first."""
    old = [place for place in board.booked if board.before.get(place[0]) is not None]
    if old:
        given = unnest({"need_id": Id, "seat_no": SmallInteger()}, sorted(old))
        await tx.connection.execute(
            delete(booking).where(
                and_(booking.c.need_id == given.c.need_id, booking.c.seat_no == given.c.seat_no)
            )
        )
    records = [rows.booking_record(one) for one in board.booked.values() if one is not None]
    if records:
        await rows.copy(tx, booking, records)


async def _save_cases(tx: Transaction, board: Board) -> None:
    """Count cases; in the order of the helpers, so that two never wait for each other."""
    changes = [
        (helper_id, by, limit if limit is not None else 0)
        for helper_id, (by, limit) in sorted(board.case_changes.items())
        if by
    ]
    if not changes:
        return
    kinds = {"helper_id": Id, "by": Integer(), "allowed": Integer()}
    given = unnest(kinds, changes)
    columns = [caseload.c.helper_id, caseload.c.taken, caseload.c.allowed]
    zero = select(given.c.helper_id, literal(0), given.c.allowed)
    await tx.connection.execute(
        insert(caseload).from_select(columns, zero).on_conflict_do_nothing()
    )
    given = unnest(kinds, changes)
    taken = caseload.c.taken + given.c.by
    await tx.connection.execute(
        update(caseload)
        .where(caseload.c.helper_id == given.c.helper_id)
        .values(
            taken=taken,
            allowed=case(
                (given.c.by > 0, given.c.allowed),
                else_=func.greatest(caseload.c.allowed, taken),
            ),
        )
    )


async def _save_turns(tx: Transaction, helpers: Collection[str]) -> None:
    """A turn that somebody else holds is being set to now as well: nobody waits for it."""
    free = (
        select(turn.c.helper_id)
        .where(turn.c.helper_id.in_(sorted(helpers)))
        .with_for_update(key_share=True, skip_locked=True)
    )
    await tx.connection.execute(
        update(turn).where(turn.c.helper_id.in_(free)).values(asked_at=tx.now)
    )


async def _save_attention(tx: Transaction, board: Board) -> None:
    """Of each item the last word: raised, or settled."""
    last = {attention_id(one.kind, one.need_id): one for one in board.attention}
    raised = [
        (
            AttentionRaised(
                attention_id=item,
                kind=one.kind,
                urgency=one.urgency,
                department=one.department,
                reasons=one.reasons[:16],
                referral_id=one.referral_id or UNSET,
                citizen_id=one.citizen_id or UNSET,
                need_id=one.need_id,
                other_need_id=one.other_need_id or UNSET,
                due_at=one.due_at or UNSET,
            ),
            one.cause,
        )
        for item, one in last.items()
        if isinstance(one, Raised)
    ]
    if raised:
        await ATTENTION.raise_(tx, raised)
    settled: dict[str | None, dict[str, Event | None]] = {}
    for item, one in last.items():
        if not isinstance(one, Raised):
            settled.setdefault(one.outcome, {})[item] = one.cause
    for outcome, items in settled.items():
        await ATTENTION.settle_own(tx, items, outcome)
