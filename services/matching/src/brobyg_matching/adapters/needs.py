"""Needs, seats and offers in PostgreSQL: loaded by array, locked in one order.

Locks are taken in this order everywhere: citizens, needs, places of resources, helpers; each by id.
Timers never wait for any: whoever holds one may wait for the timer that is claimed (0021).
The reads of a batch run on the driver; their text is made from the tables.
"""

from collections.abc import Collection, Sequence
from zlib import crc32

from brobyg_kit import erasure
from brobyg_kit.database import Transaction
from brobyg_kit.statements import driver_text
from brobyg_kit.tables import Id, timer
from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from brobyg_matching.adapters import rows, saving, surroundings
from brobyg_matching.adapters.tables import citizen, consent, need, offer, seat, waiting_list
from brobyg_matching.domain.board import Board, Known
from brobyg_matching.domain.need import RECHECK, SEARCH, Need, Offer, Seat
from brobyg_matching.ports import Around, Loaded, LookedThrough, Waiting

#: Places are locked by so many keys: two places may share one, and then wait for each other.
_PLACE_KEYS = 64
_PLACE_LOCK = 0x706C6163


def _ids(name: str) -> BindParameter[Sequence[str]]:
    """The parameter `name`, a list of ids.

    Not as a text that the server casts: a scan would cast it again for every row.
    """
    return bindparam(name, type_=ARRAY(Id))


def _texts(name: str) -> BindParameter[Sequence[str]]:
    return bindparam(name, type_=ARRAY(Text))


#: Written out, so that the partial indexes can serve.
_IS_LIVE: ColumnElement[bool] = need.c.state != literal_column("'closed'")
_IS_OPEN: ColumnElement[bool] = offer.c.state == literal_column("'open'")

_ADD_CITIZENS = driver_text(
    insert(citizen)
    .from_select([citizen.c.citizen_id], select(func.unnest(_ids("citizens"))))
    .on_conflict_do_nothing()
)
_CITIZENS = (
    select(*rows.driver_columns(citizen))
    .where(citizen.c.citizen_id == func.any(_ids("citizens")))
    .order_by(citizen.c.citizen_id)
)
_LOCK_CITIZENS = driver_text(_CITIZENS.with_for_update(key_share=True))
#: Parameters: citizens, needs. As an array, so that the index serves.
_LOCK_CITIZENS_OF = driver_text(
    select(*rows.driver_columns(citizen))
    .where(
        citizen.c.citizen_id
        == func.any(
            _ids("citizens").op("||")(
                func.array(
                    select(need.c.citizen_id)
                    .where(need.c.need_id == func.any(_ids("needs")))
                    .scalar_subquery()
                )
            )
        )
    )
    .order_by(citizen.c.citizen_id)
    .with_for_update(key_share=True)
)
_LOCK_FREE_CITIZENS = driver_text(_CITIZENS.with_for_update(key_share=True, skip_locked=True))
_CITIZENS_OF = driver_text(
    select(need.c.need_id.cast(Text), need.c.citizen_id.cast(Text)).where(
        need.c.need_id == func.any(_ids("needs"))
    )
)
#: Parameters: needs, citizens.
_NEEDS = (
    select(*rows.driver_columns(need))
    .where(
        or_(
            need.c.need_id == func.any(_ids("needs")),
            and_(need.c.citizen_id == func.any(_ids("citizens")), _IS_LIVE),
        )
    )
    .order_by(need.c.need_id)
)
_LOCK_NEEDS = driver_text(_NEEDS.with_for_update(key_share=True))
_LOCK_FREE_NEEDS = driver_text(_NEEDS.with_for_update(key_share=True, skip_locked=True))
_SEATS = driver_text(
    select(*rows.driver_columns(seat))
    .where(seat.c.need_id == func.any(_ids("needs")))
    .order_by(seat.c.need_id, seat.c.no)
)
_OFFERS = driver_text(
    select(*rows.driver_columns(offer))
    .where(
        offer.c.need_id == func.any(_ids("needs")),
        offer.c.state.in_([literal_column("'open'"), literal_column("'accepted'")]),
    )
    .order_by(offer.c.need_id, offer.c.seat_no, offer.c.rank)
)
_CONSENTS = driver_text(
    select(consent.c.referral_id.cast(Text), consent.c.given).where(
        consent.c.referral_id == func.any(_ids("referrals"))
    )
)
_PLACE: tuple[ColumnElement[int], ColumnElement[int]] = (
    literal_column(str(_PLACE_LOCK)),
    func.unnest(bindparam("keys", type_=ARRAY(Integer))),
)
_LOCK_PLACES = driver_text(select(func.pg_advisory_xact_lock(*_PLACE)))
_LOCK_FREE_PLACES = driver_text(select(func.pg_try_advisory_xact_lock(*_PLACE)))
_TIMERS = select(timer.c.kind, timer.c.subject).where(
    tuple_(timer.c.kind, timer.c.subject).in_(
        select(func.unnest(_texts("kinds")), func.unnest(_texts("subjects")))
    )
)
_FREE_TIMERS = _TIMERS.with_for_update(skip_locked=True).cte("free")
#: In one statement, so that both count what is there at one moment.
_CLAIM_TIMERS = driver_text(
    select(
        select(func.count()).select_from(_FREE_TIMERS).scalar_subquery()
        == select(func.count()).select_from(_TIMERS.subquery()).scalar_subquery()
    )
)
_IN_LINE = (need.c.priority, need.c.opened_at, need.c.need_id)
_LOOKED = select(*(one for one in waiting_list.c if one is not waiting_list.c.department)).where(
    waiting_list.c.department == bindparam("department")
)
_OFFER = driver_text(
    select(*rows.driver_columns(offer)).where(offer.c.offer_id == bindparam("offer", type_=Id))
)


class PostgresNeeds:
    """`ports.Needs` on the service's own database."""

    async def load(
        self,
        tx: Transaction,
        *,
        needs: Collection[str] = (),
        citizens: Collection[str] = (),
        referrals: Collection[str] = (),
        new: bool = False,
        wait: bool = True,
    ) -> Loaded:
        """See `ports.Needs.load`."""
        of_need: dict[str, str | None] = {}
        if new:
            await tx.driver.execute(_ADD_CITIZENS, sorted(citizens))
            locked = await tx.driver.fetch(_LOCK_CITIZENS, sorted(citizens))
        elif wait:
            locked = await tx.driver.fetch(_LOCK_CITIZENS_OF, [*citizens], [*needs])
        else:
            of_need = rows.pairs(await tx.driver.fetch(_CITIZENS_OF, [*needs]))
            whose = {*citizens} | {one for one in of_need.values() if one is not None}
            locked = await tx.driver.fetch(_LOCK_FREE_CITIZENS, sorted(whose))
        records = {row["citizen_id"]: rows.citizen_of(row) for row in locked}
        free = [one for one in needs if of_need.get(one) is None or of_need[one] in records]
        found = await tx.driver.fetch(_LOCK_NEEDS if wait else _LOCK_FREE_NEEDS, free, [*records])
        all_needs = await self._with_seats(tx, found)
        known = {*referrals, *(o.referral_id for o in all_needs.values() if o.referral_id)}
        consents = rows.pairs(await tx.driver.fetch(_CONSENTS, [*known])) if known else {}
        there = {name: one for name, one in records.items() if one is not None}
        return Loaded(all_needs, there, consents)

    async def _with_seats(self, tx: Transaction, found: Sequence[rows.Row]) -> dict[str, Need]:
        if not found:
            return {}
        ids = [row["need_id"] for row in found]
        seats: dict[str, list[Seat]] = {}
        for row in await tx.driver.fetch(_SEATS, ids):
            seats.setdefault(row["need_id"], []).append(rows.seat_of(row))
        offers: dict[str, list[Offer]] = {}
        for row in await tx.driver.fetch(_OFFERS, ids):
            offers.setdefault(row["need_id"], []).append(rows.offer_of(row))
        return {
            one: rows.need_of(row, tuple(seats.get(one, ())), tuple(offers.get(one, ())))
            for one, row in zip(ids, found, strict=True)
        }

    async def around(self, tx: Transaction, loaded: Loaded, wanted: Around) -> Known:
        """See `ports.Needs.around`."""
        return await surroundings.known(tx, loaded, wanted)

    async def hold_places(
        self, tx: Transaction, places: Collection[str], *, wait: bool = True
    ) -> bool:
        """See `ports.Needs.hold_places`."""
        keys = sorted({crc32(place.encode()) % _PLACE_KEYS for place in places})
        if keys and not wait:
            return all(held for (held,) in await tx.driver.fetch(_LOCK_FREE_PLACES, keys))
        if keys:
            await tx.driver.execute(_LOCK_PLACES, keys)
        return True

    async def claim_timers(
        self, tx: Transaction, needs: Collection[str], helpers: Collection[str]
    ) -> bool:
        """See `ports.Needs.claim_timers`."""
        keys = [(SEARCH, one) for one in needs] + [(RECHECK, one) for one in helpers]
        kinds, subjects = [kind for kind, _ in keys], [subject for _, subject in keys]
        return bool(await tx.driver.fetchval(_CLAIM_TIMERS, kinds, subjects))

    async def save(self, tx: Transaction, board: Board) -> None:
        """See `ports.Needs.save`."""
        await saving.save(tx, board)

    async def offer(self, tx: Transaction, offer_id: str) -> Offer | None:
        """See `ports.Needs.offer`."""
        found = await tx.driver.fetchrow(_OFFER, offer_id)
        return rows.offer_of(found) if found is not None else None

    async def asked(self, tx: Transaction, helper_id: str) -> set[str]:
        """See `ports.Needs.asked`."""
        asked = select(offer.c.need_id).where(offer.c.helper_id == helper_id, _IS_OPEN)
        return set(await tx.connection.scalars(asked))

    async def waiting(
        self, tx: Transaction, departments: Collection[str], after: Waiting | None, limit: int
    ) -> list[Waiting]:
        """See `ports.Needs.waiting`."""
        waits = select(*_IN_LINE).where(need.c.waits)
        if after is not None:
            last = [literal(one, its.type) for one, its in zip(after, _IN_LINE, strict=True)]
            waits = waits.where(tuple_(*_IN_LINE) > tuple_(*last))
        # A page of each, as the index has them in this order for one department only.
        pages = [
            waits.where(need.c.department == one).order_by(*_IN_LINE).limit(limit).subquery()
            for one in departments
        ]
        line = union_all(*(select(page) for page in pages)).subquery()
        in_line = select(line).order_by(*line.c).limit(limit)
        return [Waiting(*row) for row in await tx.connection.execute(in_line)]

    async def looked_through(self, tx: Transaction, department: str) -> LookedThrough | None:
        """See `ports.Needs.looked_through`."""
        row = (await tx.connection.execute(_LOOKED, {"department": department})).first()
        return LookedThrough(row[0], row[1], Waiting(*row[2:])) if row else None

    async def keep_looked_through(
        self, tx: Transaction, department: str, now: LookedThrough | None
    ) -> None:
        """See `ports.Needs.keep_looked_through`."""
        of_department = waiting_list.c.department == department
        await tx.connection.execute(delete(waiting_list).where(of_department))
        if now is not None:
            values = {"department": department, "freed_at": now.freed_at, "again": now.again}
            await tx.connection.execute(insert(waiting_list).values(values | now.last._asdict()))

    async def erased(self, tx: Transaction, citizen_ids: Collection[str]) -> set[str]:
        """See `ports.Needs.erased`."""
        return await erasure.erased(tx, citizen_ids)

    async def knows_citizen(self, tx: Transaction, citizen_id: str) -> bool:
        """See `ports.Needs.knows_citizen`."""
        found = select(exists().where(citizen.c.citizen_id == citizen_id))
        return bool(await tx.connection.scalar(found))
