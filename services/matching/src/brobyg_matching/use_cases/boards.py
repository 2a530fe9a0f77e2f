"""Puts together what a transaction is about: the needs, and what a search of them looks at."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.replica import Replica

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Profile
from brobyg_matching.domain.need import Facts, Need
from brobyg_matching.domain.policy import policy_of
from brobyg_matching.domain.roster import Roster
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Around, Helpers, Loaded, Needs, Rosters


class Boards:
    """Opens boards and saves them."""

    def __init__(
        self,
        needs: Needs,
        helpers: Helpers,
        rosters: Rosters,
        reference: Replica[Reference],
        metrics: MatchingMetrics,
    ) -> None:
        """Store the arguments."""
        self.needs, self.helpers, self._rosters = needs, helpers, rosters
        self._reference, self._metrics = reference, metrics

    async def reference(self, tx: Transaction) -> Reference:
        """The reference data as of now."""
        return await self._reference.get(tx)

    async def open(
        self,
        tx: Transaction,
        loaded: Loaded,
        *,
        searched: Collection[Facts] = (),
        named: Iterable[str] = (),
        wait: bool = True,
    ) -> Board | None:
        """A board of what was loaded.

        `searched` are the needs for which somebody may be asked, new ones too; `named` the helpers
        whom it is about. Helpers who may get something without being asked are locked. Without
        `wait`, for timers: None when somebody else holds one of them, a place or a timer.
        """
        reference = await self._reference.get(tx)
        distances = self._rosters.distances(reference)
        rosters = await self._rosters.get(
            tx, sorted({one.department for one in searched}), distances
        )
        if not await self.needs.hold_places(tx, _places(searched), wait=wait):
            return None
        locked = {*named, *_on_one_way(loaded, searched), *_assignable(searched, rosters)}
        found = await self.helpers.lock(tx, locked, wait=wait) if locked else {}
        if not wait and (
            len(found) < len(locked) or not await self.needs.claim_timers(tx, loaded.needs, found)
        ):
            return None
        since, until = _window([*searched, *(loaded.needs.values() if named else ())])
        policies = [policy_of(one.pathway) for one in searched]
        about = [policy_of(one.pathway) for one in loaded.needs.values()] if named else []
        around = Around(
            rosters=rosters,
            profiles={name: Profile(one) for name, one in found.items()},
            resources=_resources(searched, reference),
            citizens={
                one.citizen_id
                for one in (*searched, *(loaded.needs.values() if named else ()))
                if one.citizen_id is not None
            },
            since=since,
            until=until,
            cases=any(not one.need.has_span for one in (*policies, *about)),
            turns=any(one.asking.way == "in_turn" for one in policies),
        )
        known = await self.needs.around(tx, loaded, around)
        return Board(tx.now, distances, loaded.needs, known)

    async def save(self, tx: Transaction, board: Board) -> None:
        """Write what has changed; it is counted when it is committed. Raises DoubleBooking."""
        finish(board)
        await self.needs.save(tx, board)
        tx.after_commit(lambda: self._metrics.observe(board))


def _window(needs: Iterable[Facts]) -> tuple[datetime | None, datetime | None]:
    """The time in which bookings can matter: the week, and over which work is shared fairly."""
    since: datetime | None = None
    until: datetime | None = None
    for one in needs:
        if one.starts_at is not None and one.ends_at is not None:
            days = max(7, policy_of(one.pathway).weights.fair_share_days) + 2
            first, last = one.starts_at - timedelta(days), one.ends_at + timedelta(days)
            since = first if since is None else min(since, first)
            until = last if until is None else max(until, last)
    return since, until


def _places(needs: Iterable[Facts]) -> set[str]:
    """Where resources may be held."""
    return {
        one.location_id
        for one in needs
        if one.location_id is not None and policy_of(one.pathway).resource is not None
    }


def _resources(needs: Iterable[Facts], reference: Reference) -> list[str]:
    return sorted(
        {
            resource.resource_id
            for place_id in _places(needs)
            if (place := reference.places.get(place_id)) is not None
            for resource in place.resources
        }
    )


def _on_one_way(loaded: Loaded, searched: Collection[Facts]) -> set[str]:
    """Who has a seat of a citizen with other needs, and may get those as well or be left with them.

    And who has a case, of whom it matters where else they serve.
    """
    every: dict[str, Facts] = {**loaded.needs, **{one.need_id: one for one in searched}}
    count = Counter(
        one.citizen_id
        for one in every.values()
        if one.citizen_id is not None and not (isinstance(one, Need) and one.state == "closed")
    )
    found: set[str] = set()
    for need in loaded.needs.values():
        policy = policy_of(need.pathway)
        of_way = policy.sharing is not None and count[need.citizen_id or ""] > 1
        if of_way or not policy.need.has_span:
            found.update(need.helpers())
    return found


def _assignable(searched: Iterable[Facts], rosters: dict[str, Roster]) -> set[str]:
    """Who may be given a seat without being asked."""
    found: set[str] = set()
    for one in searched:
        policy, roster = policy_of(one.pathway), rosters.get(one.department)
        if policy.asking.way == "assign" and roster is not None:
            pools = {pool for seat in policy.declared.seats for pool in seat.pools}
            found.update(
                name
                for name, profile in roster.profiles.items()
                if profile.helper.status == "active" and not pools.isdisjoint(profile.helper.pools)
            )
    return found
