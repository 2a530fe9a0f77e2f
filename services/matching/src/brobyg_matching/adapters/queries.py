"""What the API shows of needs and offers. Reads only, without locks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database
from brobyg_kit.replica import Replica
from brobyg_kit.tables import Id, Instant
from sqlalchemy import (
    RowMapping,
    Select,
    exists,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import booking, citizen, need, offer, seat
from brobyg_matching.domain.need import Need, Offer, Seat, at_present


class Queries:
    """Every method may raise one of the kit's DATABASE_ERRORS."""

    def __init__(self, database: Database, replica: Replica[Reference]) -> None:
        """Departments are told as they are called by the reference data as it was last read."""
        self._database, self._replica = database, replica

    async def _read(self, statement: "Select[Any]") -> list[RowMapping]:
        async with self._database.connect() as connection:
            return list((await connection.execute(statement)).mappings())

    async def offer(self, offer_id: str) -> tuple[Offer, Need] | None:
        """An offer with its need, or None."""
        for row in await self._read(select(offer).where(offer.c.offer_id == offer_id)):
            if (found := await self.need(row["need_id"])) is not None:
                return rows.offer_of(row), found
        return None

    async def meeting(self, citizen_id: str | None) -> str | None:
        """Where the citizen wishes to meet a helper; None for nobody, or while it is not known."""
        found = await self._read(
            select(citizen.c.meeting).where(citizen.c.citizen_id == citizen_id)
        )
        return found[0]["meeting"] if found else None

    async def need(self, need_id: str) -> Need | None:
        """A need with its seats, without its offers, or None."""
        found = await self._read(select(need).where(need.c.need_id == need_id))
        return (await self._with_seats(found))[0] if found else None

    async def _with_seats(self, found: Sequence[RowMapping]) -> list[Need]:
        ids = [row["need_id"] for row in found]
        seats: dict[str, list[Seat]] = {}
        statement = select(seat).where(seat.c.need_id.in_(ids)).order_by(seat.c.no)
        for row in await self._read(statement):
            seats.setdefault(row["need_id"], []).append(rows.seat_of(row))
        needs = [rows.need_of(row, tuple(seats.get(row["need_id"], ()))) for row in found]
        return [at_present(one, self._replica.latest) for one in needs]

    async def clashing(self, of: Sequence[Need]) -> dict[str, list[str]]:
        """By the needs' ids: which of the citizen's others each clashes with, either way round."""
        citizens = {one.citizen_id for one in of if one.citizen_id is not None}
        found: dict[str, list[str]] = {}
        if not citizens:
            return found
        one, other = need.c.need_id, need.c.clashes_with
        statement = select(one, other).where(need.c.citizen_id.in_(citizens), other.is_not(None))
        for row in await self._read(statement.order_by(one)):
            found.setdefault(row["need_id"], []).append(row["clashes_with"])
            found.setdefault(row["clashes_with"], []).append(row["need_id"])
        return found

    async def offers_of(self, need_id: str, limit: int) -> list[Offer]:
        """The first `limit` offers made for the need, in the order of asking."""
        found = await self._read(
            select(offer)
            .where(offer.c.need_id == need_id)
            .order_by(offer.c.made_at, offer.c.seat_no, offer.c.rank)
            .limit(limit)
        )
        return [rows.offer_of(row) for row in found]

    async def bookings_of(self, need_id: str) -> list[dict[str, object]]:
        """What is booked for the need: holder, seat and span."""
        found = await self._read(
            select(
                booking.c.seat_no,
                booking.c.holder,
                func.lower(booking.c.span).label("since"),
                func.upper(booking.c.span).label("until"),
                booking.c.exclusive,
            )
            .where(booking.c.need_id == need_id)
            .order_by(booking.c.seat_no)
        )
        return [dict(row) for row in found]

    async def needs(
        self,
        department: str | None,
        state: str | None,
        seat_state: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Need]:
        """The next `limit` needs by start (without one: by opening) and id, after the given."""
        position = func.coalesce(need.c.starts_at, need.c.opened_at), need.c.need_id
        statement = select(need).order_by(*position).limit(limit)
        if department is not None:
            names = self._replica.latest.department_ids(department)
            statement = statement.where(need.c.department.in_(names))
        if state is not None:
            statement = statement.where(need.c.state == state)
        if {state, seat_state} - {None, "closed"}:
            # The seats of what has ended are closed. Said so, the index of what has not serves.
            statement = statement.where(need.c.state != literal_column("'closed'"))
        if seat_state is not None:
            there = exists().where(seat.c.need_id == need.c.need_id, seat.c.state == seat_state)
            statement = statement.where(there)
        if after is not None:
            start = tuple_(literal(after[0], Instant), literal(after[1], Id))
            statement = statement.where(tuple_(*position) > start)
        return await self._with_seats(await self._read(statement))
