"""Citizens found by the keyed hashes of what names them. Nothing here is decrypted."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from brobyg_kit.database import Transaction
from brobyg_kit.statements import unnest
from sqlalchemy import Integer, LargeBinary, Select, Text, func, select

from brobyg_referral.people.adapters.tables import name_token
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.domain.names import HOWS, Term
from brobyg_referral.people.ports import FoundCitizen

_KINDS = {"token": LargeBinary(), "part": Integer(), "kind": Text(), "rank": Integer()}
#: The ids of the citizens that one of these departments has referred; None for any.
ReferredBy = Callable[[Sequence[str] | None], Select[tuple[str]]]
#: The ids of the citizens for whom something is done.
Helped = Callable[[], Select[tuple[str]]]


class PostgresNameIndex:
    """Implements `people.ports.NameIndex`."""

    def __init__(self, hasher: Hasher, referred_by: ReferredBy, helped: Helped) -> None:
        """The last two are of who keeps the referrals: this package does not know them."""
        self._hasher, self._referred_by, self._helped = hasher, referred_by, helped

    async def find(
        self,
        tx: Transaction,
        wanted: Sequence[Collection[Term]],
        departments: Sequence[str] | None,
        limit: int,
    ) -> list[FoundCitizen]:
        """As the port says."""
        # A rank is the larger the better, so that it can be summed.
        given = unnest(
            _KINDS,
            [
                (self._hasher.term(term), part, term.kind, len(HOWS) - HOWS.index(term.how))
                for part, terms in enumerate(wanted)
                for term in terms
            ],
        )
        hits = select(name_token.c.citizen_id).join(given, given.c.token == name_token.c.token)
        own = hits.where(name_token.c.citizen_id.in_(self._referred_by(departments)))
        each = (
            own.add_columns(func.max(given.c.rank).label("rank"))
            .group_by(name_token.c.citizen_id, given.c.part)
            .subquery()
        )
        best: Select[Any] = (
            select(each.c.citizen_id)
            .group_by(each.c.citizen_id)
            .having(func.count() == len(wanted))
            .order_by(func.sum(each.c.rank).desc(), each.c.citizen_id)
            .limit(limit)
        )
        ids = list(await tx.connection.scalars(best))
        matched = await tx.connection.execute(
            hits.add_columns(given.c.kind, func.max(given.c.rank).label("rank"))
            .where(name_token.c.citizen_id.in_(ids))
            .group_by(name_token.c.citizen_id, given.c.kind)
        )
        of: dict[str, dict[Any, Any]] = {one: {} for one in ids}
        for row in matched:
            of[row.citizen_id][row.kind] = HOWS[len(HOWS) - row.rank]
        return [FoundCitizen(one, of[one]) for one in ids]

    async def of_address(self, tx: Transaction, email: str, limit: int) -> list[str]:
        """As the port says."""
        found = select(name_token.c.citizen_id).where(
            name_token.c.token == self._hasher.email(email)
        )
        helped_first = name_token.c.citizen_id.in_(self._helped()).desc()
        wanted = found.order_by(helped_first, name_token.c.citizen_id).limit(limit)
        return list(await tx.connection.scalars(wanted))
