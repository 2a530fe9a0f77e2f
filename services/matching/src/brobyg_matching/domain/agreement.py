"""Whether what is agreed and asked still holds when the citizen's record is another.

Pure: no I/O, no clock.
"""

from msgspec.structs import replace

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.need import Citizen, Need, Seat
from brobyg_matching.domain.roster import (
    Wish,
    citizen_rule_broken,
    timeless_rule_broken,
    wish_of,
)
from brobyg_matching.domain.travel import itinerary
from brobyg_matching.domain.way import whole_way


def still_agreed(draft: Draft, before: Citizen) -> bool:
    """Whether what is agreed holds by the new record as it did by the one before.

    Only what the record asks for anew counts: whoever was given the seat by hand, or was paused
    since, keeps it. Where nothing has a time the citizen may move.
    """
    board, need = draft.board, draft.need
    known = board.itinerary(need)
    then = itinerary(draft.policy, need, before, board.distances)
    if known.meet_at is not None and then != known:
        return False
    for seat in need.seats:
        if seat.state != "filled" or _chosen_by_hand(board, need, seat):
            continue
        new = _new_wishes(draft, seat, before)
        profile = board.profile(need, seat.helper_id or "")
        if profile is not None and citizen_rule_broken(profile.helper, new):
            return False
    return True


def _chosen_by_hand(board: Board, need: Need, seat: Seat) -> bool:
    """Whether a human has judged who has the seat, or the first seat of its way."""
    lead = board.needs.get(need.follows or "")
    way = lead.seats[0].way if lead is not None else seat.way
    return way in ("by_hand", "claimed")


def _new_wishes(draft: Draft, seat: Seat, before: Citizen) -> Wish:
    """What the seat asks now of what the citizen speaks, wishes and needs, and did not before."""
    board, need = draft.board, draft.need
    way = whole_way(board, need)
    old, now = (
        wish_of(need, seat, draft.policy, citizen, way, board.reference)
        for citizen in (before, board.citizen(need))
    )
    return replace(
        now,
        languages=() if now.languages == old.languages else now.languages,
        gender=None if now.gender == old.gender else now.gender,
        for_mobility=() if now.for_mobility == old.for_mobility else now.for_mobility,
    )


def still_searched(draft: Draft) -> bool:
    """Whether all who are asked still can, and no seat has been given up."""
    board, need = draft.board, draft.need
    way = whole_way(board, need)
    for offer in need.open_offers():
        seat = draft.seat(offer.seat_no)
        wish = wish_of(need, seat, draft.policy, board.citizen(need), way, board.reference)
        profile = board.profile(need, offer.helper_id)
        if profile is None or timeless_rule_broken(profile.helper, wish, board.distances):
            return False
    return not any(one.state == "escalated" for one in need.seats)
