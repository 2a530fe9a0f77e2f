"""Two needs of one citizen: one way, in each other's way, or nothing to each other."""

from typing import Literal

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.need import Need
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.travel import Itinerary

Relation = Literal["same_way", "clash"]


def relation(board: Board, one: Need, other: Need) -> Relation | None:
    """How the two stand to each other; None where each can be helped by somebody of its own.

    They are one way when the pathway's policy says that they are near enough in time and place. If
    not, and the citizen would have to be in two places, they clash.
    """
    if one.starts_at is None or other.starts_at is None:
        return None
    policy = board.policy(one)
    if _shareable(board, policy, one, other):
        return "same_way"
    a, b = board.itinerary(one), board.itinerary(other)
    if a.meet_at is None or a.part_at is None or b.meet_at is None or b.part_at is None:
        return None
    return "clash" if a.meet_at < b.part_at and b.meet_at < a.part_at else None


def _shareable(board: Board, policy: Policy, one: Need, other: Need) -> bool:
    sharing = policy.sharing
    if sharing is None or one.pathway != other.pathway or one.mode != other.mode:
        return False
    if len(one.seats) != 1 or len(other.seats) != 1 or policy.resource is not None:
        return False
    if one.location_id is None or other.location_id is None:
        return False
    if one.starts_at is None or one.ends_at is None:
        return False
    if other.starts_at is None or other.ends_at is None:
        return False
    gap = max(one.starts_at - other.ends_at, other.starts_at - one.ends_at)
    if gap.total_seconds() > sharing.gap_minutes * 60:
        return False
    same = one.location_id == other.location_id
    metres = 0 if same else board.distances.metres(one.location_id, other.location_id)
    return metres <= sharing.distance_metres


def followers(board: Board, need: Need) -> list[Need]:
    """The needs that are helped on this one's way."""
    if need.citizen_id is None:
        return []
    return [one for one in board.of_citizen(need.citizen_id) if one.follows == need.need_id]


def way_of(board: Board, need: Need) -> list[Need]:
    """The need and those that follow it."""
    return [need, *followers(board, need)]


def whole_way(board: Board, need: Need) -> Itinerary:
    """The need's itinerary, from the first meeting to the last parting where others follow it."""
    own, others = board.itinerary(need), followers(board, need)
    if not others or own.meet_at is None or own.part_at is None:
        return own
    ways = [own, *map(board.itinerary, others)]
    first = min(ways, key=lambda one: one.meet_at or 0)
    last = max(ways, key=lambda one: one.part_at or 0)
    return Itinerary(first.meeting_place, last.parting_place, first.meet_at, last.part_at)


def standing(board: Board, need: Need) -> tuple[Relation, Need] | None:
    """How this need, which is new or has moved, stands to those that the citizen had before.

    `same_way` with the need that it is to follow, `clash` with the one that it clashes with. Needs
    that clash themselves, or wait for the citizen's record or consent, do not count.
    """
    found: Need | None = None
    for other in board.of_citizen(need.citizen_id):
        if other.need_id == need.need_id or other.clashes_with or other.state == "waiting":
            continue
        if other.follows == need.need_id:
            continue
        match relation(board, need, other):
            case "clash":
                if other.ends_at is None or other.ends_at > board.now:
                    return "clash", other
            case "same_way":
                lead = board.needs.get(other.follows or "") or other
                found = found or lead
    return ("same_way", found) if found is not None else None


def clash_of(board: Board, need: Need) -> Need | None:
    """The need that was there before and for which the citizen would have to be in two places."""
    stands = standing(board, need)
    return stands[1] if stands is not None and stands[0] == "clash" else None
