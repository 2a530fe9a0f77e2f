"""Searches, offers and decisions in PostgreSQL: many at once, locked in one order, written once.

The three reads of a batch that return the most rows run on the driver, new rows are written by
COPY; their text is made from the tables.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, get_args

import asyncpg
from brobyg_contracts import Pathway
from brobyg_kit.database import Transaction
from brobyg_kit.database_errors import cause_of
from brobyg_kit.event import Event
from brobyg_kit.statements import driver_text, json_rows
from brobyg_kit.tables import Id
from msgspec.structs import replace
from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import (
    OPEN,
    block,
    decision,
    match,
    offer,
    referral,
    volunteer,
)
from brobyg_matching.domain.change import Change
from brobyg_matching.domain.match import WAVE, Decision, Offer, have_met
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.snapshot import Commitment, Snapshot
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.errors import DoubleBooking
from brobyg_matching.ports import Loaded

#: Volunteers listed by id under one rule in a decision; the counts are always complete.
MAX_LISTED = 200
#: Commitments this far from an appointment can matter to it: its week, and the longest time over
#: which any pathway shares work fairly.
AROUND = timedelta(
    days=max(7, *(policy_of(name).matching.fair_share_days for name in get_args(Pathway))) + 2
)


def _ids(name: str) -> BindParameter[Sequence[str]]:
    """The parameter `name`, a list of ids.

    Not as a text that the server casts: a scan would cast it again for every row.
    """
    return bindparam(name, type_=ARRAY(Id))


#: Parameters: appointments, referrals.
_LOAD_MATCHES = (
    select(*rows.driver_columns(match))
    .where(
        or_(
            match.c.appointment_id == func.any(_ids("appointments")),
            match.c.referral_id == func.any(_ids("referrals")),
        )
    )
    .order_by(match.c.appointment_id)
)
_LOAD_AND_LOCK = driver_text(_LOAD_MATCHES.with_for_update(key_share=True))
_LOAD_UNLOCKED = driver_text(_LOAD_MATCHES.with_for_update(key_share=True, skip_locked=True))
#: The offers that are loaded with their match.
_LIVE = text("state in ('open', 'accepted')")
#: Parameter: appointments.
_LOAD_OFFERS = driver_text(
    select(*rows.driver_columns(offer))
    .where(offer.c.appointment_id == func.any(_ids("appointments")), _LIVE)
    .order_by(offer.c.appointment_id, offer.c.rank)
)
#: Parameter: referrals.
_LOAD_REFERRALS = driver_text(
    select(*rows.driver_columns(referral)).where(
        referral.c.referral_id == func.any(_ids("referrals"))
    )
)
_COMMITMENTS = select(*(match.c[name] for name in Commitment.__struct_fields__)).where(
    match.c.volunteer_id.is_not(None),
    match.c.starts_at.between(bindparam("since"), bindparam("until")),
)
_OPEN_OFFERS = select(offer.c.volunteer_id, func.count()).where(OPEN).group_by(offer.c.volunteer_id)
_CITIZENS = _ids("citizens")
_KNOWN = select(
    match.c.citizen_id, match.c.appointment_id, match.c.volunteer_id, match.c.reason,
    match.c.ends_at,
).where(match.c.citizen_id == func.any(_CITIZENS), match.c.volunteer_id.is_not(None))  # fmt: skip
_BLOCKS = select(block.c.volunteer_id, block.c.citizen_id).where(
    block.c.citizen_id == func.any(_CITIZENS)
)
#: Changes with every volunteer that is added or changed.
_ROSTER_MARK = select(
    func.count(),
    func.sum(func.hashtextextended(cast(volunteer.c.volunteer_id, Text), volunteer.c.version)),
).select_from(volunteer)
#: Written out, so that the index on open offers can serve.
_IS_OPEN: ColumnElement[str] = literal_column("'open'")
_ROSTER = select(volunteer).where(volunteer.c.status != "applied")


def _save_referrals() -> Any:  # an upsert has no public type of its own
    given = json_rows(referral.c)
    statement = insert(referral).from_select(referral.c.keys(), select(given))
    return statement.on_conflict_do_update(
        index_elements=[referral.c.referral_id],
        set_={c.name: statement.excluded[c.name] for c in referral.c if not c.primary_key},
    )


def _update(table: Table, changing: Sequence[str]) -> Update:
    """Writes these columns of rows that are there."""
    [key] = table.primary_key
    given = json_rows([key, *(table.c[one] for one in changing)])
    values = {one: given.c[one] for one in changing}
    return update(table).values(values).where(key == given.c[key.name])


#: What changes of an offer that has been made.
_ANSWER = ("state", "reason", "answered_at")
_SAVE_REFERRALS = _save_referrals()
_UPDATE_MATCHES = _update(match, [one.name for one in match.c if not one.primary_key])
_UPDATE_OFFERS = _update(offer, _ANSWER)
_match_record = attrgetter(*rows.copied_columns(match))
_offer_record = attrgetter(*rows.copied_columns(offer))


class PostgresMatches:
    """`ports.Matches` on the service's own database."""

    def __init__(self) -> None:
        """Remember the roster between transactions until a volunteer changes."""
        self._roster = Roster()
        self._roster_mark: object = None

    async def load(
        self,
        tx: Transaction,
        *,
        referrals: Collection[str] = (),
        appointments: Collection[str] = (),
        all_of: Collection[str] = (),
        wait: bool = True,
    ) -> Loaded:
        """See `ports.Matches.load`."""
        statement = _LOAD_AND_LOCK if wait else _LOAD_UNLOCKED
        found = await tx.driver.fetch(statement, [*appointments], [*all_of])
        offers: dict[str, list[Offer]] = {}
        if found:
            ids = [row["appointment_id"] for row in found]
            for row in await tx.driver.fetch(_LOAD_OFFERS, ids):
                offers.setdefault(row["appointment_id"], []).append(rows.offer_of(row))
        matches = {
            row["appointment_id"]: rows.match_of(row, tuple(offers.get(row["appointment_id"], ())))
            for row in found
        }
        wanted = {*referrals, *(one.referral_id for one in matches.values())}
        known = await tx.driver.fetch(_LOAD_REFERRALS, [*wanted])
        return Loaded({row["referral_id"]: rows.referral_of(row) for row in known}, matches)

    async def snapshot(
        self, tx: Transaction, appointments: Collection[tuple[str, datetime]]
    ) -> Snapshot:
        """See `ports.Matches.snapshot`."""
        if not appointments:
            return Snapshot(roster=Roster())
        starts = [starts_at for _, starts_at in appointments]
        citizens = {"citizens": [*{citizen_id for citizen_id, _ in appointments}]}
        span = {"since": min(starts) - AROUND, "until": max(starts) + AROUND}
        commitments: dict[str, dict[str, Commitment]] = {}
        for row in (await tx.connection.execute(_COMMITMENTS, span)).mappings():
            one = rows.commitment_of(row)
            commitments.setdefault(one.volunteer_id, {})[one.appointment_id] = one
        known: dict[str, dict[str, str]] = {}
        for (
            citizen_id,
            appointment_id,
            volunteer_id,
            reason,
            ends_at,
        ) in await tx.connection.execute(_KNOWN, citizens):
            if have_met(reason, ends_at, tx.now):
                known.setdefault(citizen_id, {})[appointment_id] = volunteer_id
        open_offers = await tx.connection.execute(_OPEN_OFFERS)
        blocks = await tx.connection.execute(_BLOCKS, citizens)
        return Snapshot(
            roster=await self._current_roster(tx),
            commitments=commitments,
            open_offers={row[0]: row[1] for row in open_offers},
            known=known,
            blocks=frozenset((who, citizen_id) for who, citizen_id in blocks),
        )

    async def _current_roster(self, tx: Transaction) -> Roster:
        """The roster, read again when a volunteer has changed."""
        mark = tuple((await tx.connection.execute(_ROSTER_MARK)).one())
        if mark != self._roster_mark:
            found = (await tx.connection.execute(_ROSTER)).mappings()
            self._roster, self._roster_mark = Roster(rows.volunteer_of(row) for row in found), mark
        return self._roster

    async def save(
        self,
        tx: Transaction,
        referrals: Iterable[Referral],
        changes: Sequence[tuple[Change, Event | None]],
    ) -> None:
        """See `ports.Matches.save`."""
        for change, cause in changes:
            for data in change.events:
                tx.emit(data, subject=change.match.referral_id, cause=cause)
            if change.timer is None:
                tx.unschedule(WAVE, change.match.appointment_id)
            elif change.timer is not False:
                tx.schedule(WAVE, change.match.appointment_id, change.timer)
        if given := [rows.referral_values(one) for one in referrals]:
            await tx.connection.execute(_SAVE_REFERRALS, {"rows": rows.as_json(given)})
        await _save_matches(tx, [change for change, _ in changes])
        await _save_offers(tx, [change for change, _ in changes])
        if made := [one for change, _ in changes for one in change.decisions]:
            await rows.copy(tx, decision, map(_decision_record, made))

    async def offer(self, tx: Transaction, offer_id: str) -> tuple[Offer, Loaded] | None:
        """See `ports.Matches.offer`."""
        one: Select[Any] = select(offer).where(offer.c.offer_id == offer_id)
        found = (await tx.connection.execute(one)).mappings().first()
        if found is None:
            return None
        loaded = await self.load(tx, appointments=(found["appointment_id"],))
        locked = (await tx.connection.execute(one)).mappings().one()
        return rows.offer_of(locked), loaded

    async def appointments_of(
        self, tx: Transaction, volunteer_id: str, citizen_id: str | None
    ) -> set[str]:
        """See `ports.Matches.appointments_of`."""
        asked = (
            select(offer.c.appointment_id)
            .join(match, match.c.appointment_id == offer.c.appointment_id)
            .where(offer.c.volunteer_id == volunteer_id, offer.c.state == _IS_OPEN)
        )
        if citizen_id is None:
            return set(await tx.connection.scalars(asked))
        matched = select(match.c.appointment_id).where(
            match.c.volunteer_id == volunteer_id,
            match.c.citizen_id == citizen_id,
            match.c.state == "matched",
        )
        both = asked.where(match.c.citizen_id == citizen_id).union(matched)
        return {row[0] for row in await tx.connection.execute(both)}

    async def knows_citizen(self, tx: Transaction, citizen_id: str) -> bool:
        """See `ports.Matches.knows_citizen`."""
        found = select(exists().where(referral.c.citizen_id == citizen_id))
        return bool(await tx.connection.scalar(found))


async def _save_matches(tx: Transaction, changes: Sequence[Change]) -> None:
    """Write each match once, as the last change leaves it: new ones by COPY, others by one update.

    Before the offers, which refer to them.
    """
    new = {one.match.appointment_id for one in changes if one.before is None}
    last = {one.match.appointment_id: one.match for one in changes}
    if new:
        await rows.copy(tx, match, (_match_record(last[one]) for one in last if one in new))
    if given := [replace(last[one], offers=()) for one in last if one not in new]:
        try:
            await tx.connection.execute(_UPDATE_MATCHES, {"rows": rows.as_json(given)})
        except IntegrityError as error:
            if isinstance(cause_of(error), asyncpg.ExclusionViolationError):
                raise DoubleBooking from error
            raise


async def _save_offers(tx: Transaction, changes: Sequence[Change]) -> None:
    """Write each offer once, in the same way."""
    all_offers = [one for change in changes for one in change.offers.values()]
    # A change holds an open offer only when it makes it: all else that happens closes one.
    new = {one.offer_id for one in all_offers if one.state == "open"}
    last = {one.offer_id: one for one in all_offers}
    if new:
        await rows.copy(tx, offer, (_offer_record(last[one]) for one in last if one in new))
    columns = ("offer_id", *_ANSWER)
    if given := [
        {name: getattr(last[one], name) for name in columns} for one in last if one not in new
    ]:
        await tx.connection.execute(_UPDATE_OFFERS, {"rows": rows.as_json(given)})


def _decision_record(made: Decision) -> tuple[object, ...]:
    computed = {
        "asked": rows.as_json(made.asked),
        "counts": rows.as_json({rule: len(ids) for rule, ids in made.excluded.items()}),
        "excluded": rows.as_json({rule: ids[:MAX_LISTED] for rule, ids in made.excluded.items()}),
    }
    return tuple(
        computed[name] if name in computed else getattr(made, name) for name in _DECISION_COLUMNS
    )


_DECISION_COLUMNS = rows.copied_columns(decision)
