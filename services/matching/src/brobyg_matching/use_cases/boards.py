"""Puts together what a transaction is about: the needs, and what a search of them looks at."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.replica import Replica

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.finishing import finish
from brobyg_matching.domain.helper import Profile
from brobyg_matching.domain.need import Facts, Need, at_present
from brobyg_matching.domain.neighbours import neighbours
from brobyg_matching.domain.policy import awaited_pools, policy_of
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.travel import Distances, itinerary
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Around, Helpers, Loaded, Needs, Rosters

#: So often whoever was chosen is locked and the work done anew; then all who may be chosen are.
ATTEMPTS = 3


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
        """As `Needs.load`; each need is one of the department that has it now."""
        loaded = await self.needs.load(
            tx, needs=needs, citizens=citizens, referrals=referrals, new=new, wait=wait
        )
        reference = await self._reference.get(tx)
        for need_id, need in loaded.needs.items():
            loaded.needs[need_id] = at_present(need, reference)
        return loaded

    async def carry_out(
        self,
        tx: Transaction,
        loaded: Loaded,
        work: Callable[[Board], Awaitable[None]],
        *,
        searched: Collection[Facts] = (),
        named: Collection[str] = (),
        departments: Collection[str] = (),
        wait: bool = True,
    ) -> bool:
        """Do `work` on a board of what was loaded, and save it.

        `searched` are the needs for which somebody may be asked, new ones too; `named` the helpers
        whom it is about; `departments` those whose helpers are looked at beside the needs' own.
        Whoever gets something must be locked, and whom the work chooses is known only afterwards:
        then all of it is done anew, with them locked as well, and they get it if they are still
        the best. Locks are given back before, so that all are taken in one order.
        Without `wait`, for timers: False when somebody else holds one of them, a place or a timer,
        and nothing is done. Raises DoubleBooking, and what `work` raises.
        """
        if not await self.needs.hold_places(tx, _places(searched), wait=wait):
            return False
        locked = {*named, *_on_one_way(loaded, searched, tx.now)}
        chooses = any(policy_of(one.pathway).asking.way == "assign" for one in searched)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with tx.driver.transaction() if chooses else nullcontext():
                    board = await self._open(
                        tx, loaded, searched, named, departments, locked, wait=wait
                    )
                    if board is None:
                        return False
                    await work(board)
                    finish(board)
                    if chosen := board.promised - locked:
                        # At last all who can be chosen.
                        if attempt >= ATTEMPTS:
                            chosen |= _assignable(searched, board.rosters)
                        raise _NotLocked(chosen)
            except _NotLocked as error:
                locked |= error.helpers
            else:
                await self.needs.save(tx, board)
                tx.after_commit(partial(self._metrics.observe, board))
                return True

    async def _open(
        self,
        tx: Transaction,
        loaded: Loaded,
        searched: Collection[Facts],
        named: Collection[str],
        departments: Collection[str],
        locked: Collection[str],
        *,
        wait: bool,
    ) -> Board | None:
        """A board with these helpers locked; without `wait`, None when one is held elsewhere."""
        reference = await self._reference.get(tx)
        distances = self._rosters.distances(reference)
        asked = {*departments, *(one.department for one in searched)}
        for need in searched:
            asked.update(_neighbours_asked(need, loaded, distances))
        rosters = await self._rosters.get(tx, sorted(asked), distances)
        locked = {*locked, *_of_elsewhere(searched, rosters)}
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
            helpers=_who_matter(searched, loaded, rosters) | found.keys(),
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


class _NotLocked(Exception):
    """Somebody was chosen whose row is not locked. Never leaves this module."""

    def __init__(self, helpers: set[str]) -> None:
        """Carry whom to lock."""
        super().__init__()
        self.helpers = helpers


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


def _on_one_way(loaded: Loaded, searched: Collection[Facts], now: datetime) -> set[str]:
    """Who has a seat of a citizen with other needs, and may get those as well or be left with them.

    And who has a case, of whom it matters where else they serve; and who is with a citizen while
    the need is changed, so that it may take longer.
    """
    changed = {one.need_id for one in searched if not isinstance(one, Need)}
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
        begun = need.meet_at is not None and need.meet_at <= now
        if of_way or not policy.need.has_span or (begun and need.need_id in changed):
            found.update(need.helpers())
    return found


def _assignable(searched: Iterable[Facts], rosters: Mapping[str, Roster]) -> set[str]:
    """Who may be given a seat without being asked."""
    policies = {one.pathway: policy_of(one.pathway) for one in searched}
    given = [one.pools() for one in policies.values() if one.asking.way == "assign"]
    pools = frozenset[str]().union(*given)
    return {name for roster in rosters.values() for name in roster.active(pools)}


def _who_matter(
    searched: Iterable[Facts], loaded: Loaded, rosters: Mapping[str, Roster]
) -> set[str]:
    """Who may be asked or given a seat, and who has one or is asked.

    Where needs wait, so do others: whether any of these could be served is looked at too.
    """
    every = [*loaded.needs.values(), *searched]
    policies = {one.pathway: policy_of(one.pathway) for one in every}
    pools = frozenset[str]().union(*(one.pools() for one in policies.values()))
    if any(one.giving_up.way == "wait" for one in policies.values()):
        pools |= awaited_pools()
    return {
        *(name for roster in rosters.values() for name in roster.active(pools)),
        *(helper_id for one in every if isinstance(one, Need) for helper_id in _named(one)),
    }


def _neighbours_asked(need: Facts, loaded: Loaded, distances: Distances) -> tuple[str, ...]:
    """The other departments whose helpers are asked for the need too."""
    known = loaded.needs.get(need.need_id)
    if known is None or not any(one.asks_neighbours for one in known.seats):
        return ()
    policy = policy_of(known.pathway)
    citizen = loaded.citizens.get(known.citizen_id or "") if policy.need.of_citizen else None
    where = itinerary(policy, known, citizen, distances).meeting_place
    return neighbours(known, where, distances.reference)


def _of_elsewhere(searched: Iterable[Facts], rosters: Mapping[str, Roster]) -> set[str]:
    """Who has a seat of these needs, or is asked, and serves other departments only."""
    return {
        helper_id
        for one in searched
        if isinstance(one, Need)
        for helper_id in _named(one)
        if helper_id not in rosters[one.department].profiles
    }


def _named(need: Need) -> set[str]:
    """Who has a seat of the need, or is asked."""
    return {*need.helpers(), *(offer.helper_id for offer in need.open_offers())}
