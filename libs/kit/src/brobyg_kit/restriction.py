"""Restricting people (GDPR art. 18): all is kept, and nothing is done with it until that is lifted.

The person's owner keeps who is restricted, in its own transaction and with the person's lock held:
whoever is about to do something with a person asks with a lock held that the restriction takes too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from brobyg_kit.database import Transaction
from brobyg_kit.tables import Id, restriction

_r = restriction.c


@dataclass(frozen=True, slots=True)
class Restriction:
    """That nothing is done with a person's data."""

    person_id: str
    #: One word.
    reason: str
    #: Who asked; names nobody, see `attention.actor_of`.
    actor: str
    restricted_at: datetime


async def restriction_of(tx: Transaction, person_id: str) -> Restriction | None:
    """The person's; None for one who is not restricted."""
    found = await tx.connection.execute(select(restriction).where(_r.person_id == person_id))
    row = found.one_or_none()
    return None if row is None else Restriction(*row)


async def restricted(tx: Transaction, person_ids: Collection[str]) -> set[str]:
    """Those of these who are restricted."""
    if not person_ids:
        return set()
    wanted = func.any(bindparam("people", list(person_ids), type_=ARRAY(Id)))
    return set(await tx.connection.scalars(select(_r.person_id).where(_r.person_id == wanted)))


async def restrict(tx: Transaction, person_id: str, reason: str, actor: str) -> bool:
    """From now on the person is restricted; False for one who was: their first reason stays."""
    row = {"person_id": person_id, "reason": reason, "actor": actor, "restricted_at": tx.now}
    done = await tx.connection.execute(insert(restriction).values(row).on_conflict_do_nothing())
    return bool(done.rowcount)


async def lift(tx: Transaction, person_id: str) -> bool:
    """The person is restricted no longer; False for one who was not."""
    done = await tx.connection.execute(delete(restriction).where(_r.person_id == person_id))
    return bool(done.rowcount)
