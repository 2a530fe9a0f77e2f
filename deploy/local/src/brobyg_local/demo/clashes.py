"""Appointments of one citizen that are in each other's way, or one way, and what came of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from brobyg_contracts.events import (
    AttentionRaised,
    MatchEscalated,
    NeedChanged,
    NeedClosed,
    NeedOpened,
)
from brobyg_contracts.pathways import load_pathway
from brobyg_kit.event import Event
from msgspec import UNSET

from brobyg_local.reference import metres_between

from .history import promises

Need = NeedOpened | NeedChanged
NEEDS: dict[str, type[Need]] = {one.EVENT_TYPE: one for one in (NeedOpened, NeedChanged)}
TOOK_PLACE = {"completed", "missed"}


@dataclass(frozen=True)
class Clash:
    """Two needs of one citizen."""

    needs: frozenset[str]
    #: Whether a human was told of the clash, that the helper of one way does only a part of it, or
    #: that nobody was found for either of the two.
    told: bool
    #: Whether one helper goes along to both.
    one_helper: bool
    #: Whether two helpers were promised at once.
    two_helpers: bool

    @property
    def answered(self) -> bool:
        """Whether it went as it must."""
        return (self.told or self.one_helper) and not self.two_helpers


def citizen_clashes(events: Sequence[Event]) -> list[Clash]:
    """The pairs among needs that were not called off, by the times they had last."""
    told, nobody = _told(events), _given_up(events)
    helpers = promises(events)
    found = []
    for one, other in _pairs(events):
        pair = frozenset({one.need_id, other.need_id})
        mine = [promise for promise in helpers if promise.match.need_id in pair]
        last = {
            promise.match.need_id: promise.match.helper_id
            for promise in mine
            if promise.until is None
        }
        two = any(
            a.match.helper_id != b.match.helper_id
            and a.match.need_id != b.match.need_id
            and a.stood_with(b)
            for a, b in combinations(mine, 2)
        )
        one_helper = len(last) == 2 and len(set(last.values())) == 1
        is_told = pair <= nobody or any(about <= pair for about in told)
        found.append(Clash(pair, is_told, one_helper, two))
    return found


def _told(events: Sequence[Event]) -> list[frozenset[object]]:
    """The needs, one or two, of each thing that the coordinator was told."""
    found: list[frozenset[object]] = []
    for event in events:
        if event.type == AttentionRaised.EVENT_TYPE:
            raised = event.decode(AttentionRaised)
            if raised.kind == "clash":
                found.append(frozenset({raised.need_id, raised.other_need_id}))
        elif event.type == MatchEscalated.EVENT_TYPE:
            escalated = event.decode(MatchEscalated)
            if escalated.reason in ("clash", "part_of_way"):
                found.append(frozenset({escalated.need_id}))
    return found


def _given_up(events: Sequence[Event]) -> set[str]:
    """The needs for which nobody was found, as the coordinator was told."""
    told = (one.decode(MatchEscalated) for one in events if one.type == MatchEscalated.EVENT_TYPE)
    return {one.need_id for one in told}


def _pairs(events: Sequence[Event]) -> Iterator[tuple[Need, Need]]:
    needs: dict[str, Need] = {}
    for event in events:
        if event.type in NEEDS:
            need = event.decode(NEEDS[event.type])
            needs[need.need_id] = need
        elif event.type == NeedClosed.EVENT_TYPE:
            closed = event.decode(NeedClosed)
            if closed.reason not in TOOK_PLACE:
                needs.pop(closed.need_id, None)
    return (pair for pair in combinations(needs.values(), 2) if _in_the_way(*pair))


def _in_the_way(one: Need, other: Need) -> bool:
    """Whether they overlap, or follow each other as near as the pathway's policy has it."""
    if one.citizen_id is UNSET or one.citizen_id != other.citizen_id:
        return False
    starts, ends, others, their_ends = one.starts_at, one.ends_at, other.starts_at, other.ends_at
    if starts is UNSET or ends is UNSET or others is UNSET or their_ends is UNSET:
        return False
    gap = max(starts - their_ends, others - ends)
    sharing = load_pathway(one.pathway).sharing
    if sharing is None or not _near(one, other, sharing.distance_metres):
        return gap < timedelta(0)
    return gap <= timedelta(minutes=sharing.gap_minutes)


def _near(one: Need, other: Need, metres: int) -> bool:
    here, there = one.location_id, other.location_id
    return here is not UNSET and there is not UNSET and metres_between(here, there) <= metres
