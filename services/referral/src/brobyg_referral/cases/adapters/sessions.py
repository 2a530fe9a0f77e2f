"""Planned sessions in PostgreSQL."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any

import msgspec
from brobyg_contracts.events import SeatWanted
from brobyg_kit.database import Transaction
from sqlalchemy import Row, insert, select, update

from brobyg_referral.cases.adapters.tables import session
from brobyg_referral.cases.domain.session import Session

_FIELDS = [field.name for field in fields(Session)]


class PostgresSessions:
    """Implements `cases.ports.SessionStore`."""

    async def insert(self, tx: Transaction, new: Session) -> None:
        """As the port says."""
        await tx.connection.execute(insert(session).values(_values(new)))

    async def get(self, tx: Transaction, session_id: str, *, lock: bool = False) -> Session | None:
        """As the port says."""
        wanted = select(session).where(session.c.session_id == session_id)
        if lock:
            wanted = wanted.with_for_update()
        row = (await tx.connection.execute(wanted)).one_or_none()
        return _session(row) if row else None

    async def lock_free(self, tx: Transaction, session_ids: Collection[str]) -> list[Session]:
        """As the port says."""
        free = (
            select(session)
            .where(session.c.session_id.in_(session_ids))
            .order_by(session.c.session_id)
            .with_for_update(skip_locked=True)
        )
        return [_session(row) for row in await tx.connection.execute(free)]

    async def save(self, tx: Transaction, changed: Session) -> None:
        """As the port says."""
        await tx.connection.execute(
            update(session)
            .where(session.c.session_id == changed.session_id)
            .values(_values(changed))
        )


def _session(row: Row[Any]) -> Session:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Session(**values | {"seats": msgspec.convert(row.seats, tuple[SeatWanted, ...])})


def _values(one: Session) -> dict[str, object]:
    values = {name: getattr(one, name) for name in _FIELDS}
    return values | {"seats": msgspec.to_builtins(one.seats)}
