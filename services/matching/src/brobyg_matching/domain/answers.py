"""What helpers answer, and what coordinators do by hand.

Pure: no I/O, no clock. What has changed is left on the board; `finishing.finish` follows each.
"""

from datetime import datetime, timedelta
from typing import Literal

from brobyg_contracts import OfferAccepted, OfferDeclined
from msgspec import UNSET
from msgspec.structs import replace

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.decisions import Actor, decide
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.filling import (
    clash,
    fill,
    leave_way,
    named_helper,
    part_of_way,
    release_followers,
)
from brobyg_matching.domain.local_time import date_of
from brobyg_matching.domain.need import Need, Offer, Seat
from brobyg_matching.domain.roster import Reachable, timeless_rule_broken, wish_of
from brobyg_matching.domain.rules import capacity_rule_broken, span_of
from brobyg_matching.domain.searching import go_on, last_offer, search_seat, survey
from brobyg_matching.domain.way import clash_of, followers, way_of, whole_way
from brobyg_matching.errors import Clash, NotAllowed, Objection, UnknownMatch

#: How a broken rule is told to who wants the seat.
_OBJECTIONS: dict[str, Objection] = {
    "active": "not_active", "elsewhere": "elsewhere", "weekly_limit": "weekly_limit",
    "caseload": "caseload", "blocked": "withdrawn",
}  # fmt: skip
#: Why a helper is released who can't after all, by who says so.
_CAN_NOT = {"helper": "helper_withdrew", "coordinator": "coordinator_released"}


def is_open(offer: Offer, answer: Literal["accept", "decline", "withdraw"], now: datetime) -> bool:
    """True when this answer can be taken, False when it was given already.

    An acceptance can be withdrawn, all else be answered while the offer is open. Raises NotAllowed
    otherwise.
    """
    if answer == "withdraw":
        if offer.state == "withdrawn" and offer.reason in _CAN_NOT.values():
            return False
        if offer.state != "accepted":
            raise NotAllowed("not_matched")
        return True
    if offer.state == ("accepted" if answer == "accept" else "declined"):
        return False
    if offer.state == "expired" or (offer.state == "open" and offer.expires_at <= now):
        raise NotAllowed("expired")
    if offer.state == "withdrawn":
        raise NotAllowed("taken" if offer.reason == "taken" else "withdrawn")
    if offer.state != "open":
        raise NotAllowed(offer.state)
    return True


def accepted(draft: Draft, offer: Offer, by: Actor | None = None) -> None:
    """The helper has the seat; all other offers of it are withdrawn. The offer must be open.

    A coordinator `by` whom it is said is named. Raises NotAllowed when, since being asked, the two
    were blocked, or the helper was paused, is elsewhere at the time, or has reached a limit.
    """
    helper = _who(draft, offer.seat_no, offer.helper_id)
    rule = _broken(draft, helper)
    if rule == "elsewhere" and followers(draft.board, draft.need):
        # The needs that have joined this way since are too much; the one that was asked is not.
        for one in followers(draft.board, draft.need):
            other = Draft(draft.board, one)
            other.set(follows=None)
            part_of_way(other, draft.need)
        rule = _broken(draft, helper)
    if rule is not None:
        raise NotAllowed(_OBJECTIONS[rule])
    draft.close_offers([offer], "accepted")
    draft.set(offers=(*draft.need.offers, draft.board.offers[offer.offer_id]))
    draft.emit(
        OfferAccepted(
            offer_id=offer.offer_id,
            need_id=draft.need_id,
            seat=offer.seat_no,
            helper_id=offer.helper_id,
            referral_id=draft.need.referral_id or UNSET,
        )
    )
    if by is not None and by.role == "coordinator":
        decide(draft, offer.seat_no, "accepted", by=by)
    fill(draft, offer.seat_no, helper, "offer", offer)


def _who(draft: Draft, no: int, helper_id: str) -> Reachable:
    helper = named_helper(draft, no, helper_id)
    if helper is None:
        raise UnknownMatch
    return helper


def _broken(draft: Draft, helper: Reachable) -> str | None:
    """The rule of _OBJECTIONS that stands against the helper, or None."""
    board, need = draft.board, draft.need
    if helper.helper_id in board.blocks.get(need.citizen_id or "", ()):
        return "blocked"
    if helper.profile.helper.status != "active":
        return "active"
    span = span_of(helper, whole_way(board, need))
    own = frozenset(one.need_id for one in way_of(board, need))
    return capacity_rule_broken(board.diary, helper, span, own)


def declined(draft: Draft, offer: Offer, by: Actor | None = None) -> None:
    """The helper can't. If no other offer is open the search goes on. The offer must be open.

    A coordinator `by` whom it is said is named.
    """
    no = offer.seat_no
    draft.close_offers([offer], "declined")
    seat = draft.seat(no)
    draft.set_seat(no, unwilling=(*seat.unwilling, offer.helper_id))
    draft.emit(
        OfferDeclined(
            offer_id=offer.offer_id,
            need_id=draft.need_id,
            seat=no,
            helper_id=offer.helper_id,
            referral_id=draft.need.referral_id or UNSET,
        )
    )
    if by is not None and by.role == "coordinator":
        decide(draft, no, "declined", by=by)
    _go_on_without(draft, no)


def _go_on_without(draft: Draft, no: int) -> None:
    if draft.seat(no).state == "searching" and not draft.need.open_offers(no):
        go_on(draft, no)


def signed_off(draft: Draft, match_id: str) -> None:
    """The helper of this match can't after all, in whatever way they came to have the seat.

    No effect when they have said so before. Raises NotAllowed when the match is gone for another
    reason, or it has begun.
    """
    seat = next((one for one in draft.need.seats if one.match_id == match_id), None)
    if seat is not None:
        withdrew(draft, seat)
    elif not any(match_id in one.withdrawn for one in draft.need.seats):
        raise NotAllowed("not_matched")


def withdrew(draft: Draft, seat: Seat, by: Actor | None = None) -> None:
    """Whoever has the seat can't after all; it is searched anew without them.

    The helper says so, or a coordinator `by` whom they are released. When it is late, a human is
    told. Raises NotAllowed when nobody has it, or it has begun.
    """
    need, now = draft.need, draft.board.now
    if seat.state != "filled" or seat.helper_id is None:
        raise NotAllowed("not_matched")
    if need.meet_at is not None and need.meet_at <= now:
        raise NotAllowed("begun")
    before = timedelta(minutes=draft.policy.giving_up.before_minutes)
    if need.starts_at is not None and need.starts_at - now < before:
        draft.board.late.add(need.need_id)
    by = by or Actor(seat.helper_id, "helper")
    if by.role == "helper" and seat.match_id is not None:
        draft.set_seat(seat.no, withdrawn=(*seat.withdrawn, seat.match_id))
    decide(draft, seat.no, "signed_off" if by.role == "helper" else "released", by=by)
    search_without(draft, seat.no, _CAN_NOT[by.role])


def search_without(draft: Draft, no: int, reason: str) -> None:
    """Release the seat's helper, who is not asked again, and search anew."""
    board, seat = draft.board, draft.seat(no)
    draft.release(no, reason)
    if seat.helper_id is not None:
        unwilling = dict.fromkeys((*seat.unwilling, seat.helper_id))
        draft.set_seat(no, unwilling=tuple(unwilling))
    lead = board.needs.get(draft.need.follows or "")
    if lead is not None:
        leave_way(draft)
        if lead.state != "closed":
            # Somebody else at the citizen's side for a part of one way is a human's decision.
            part_of_way(draft, board.needs[lead.need_id])
            return
    draft.set(follows=None)
    release_followers(draft, reason)
    other = clash_of(board, draft.need)
    if other is not None:
        # Whoever had the seat may have had it by hand; a coordinator's word holds for that once.
        clash(draft, other)
        return
    search_seat(draft, no)


def blocked(board: Board, need: Need, helper_id: str) -> None:
    """The helper and the need's citizen are not brought together; the board holds the block.

    An open offer is withdrawn, and a match is released while it has not begun; the search goes on
    without the helper. Once the two have met, that is for the coordinator to settle by phone.
    """
    draft = Draft(board, need)
    for seat in need.seats:
        begun = need.meet_at is not None and need.meet_at <= board.now
        # Of one way the first is released with those that follow: look at it as it is now.
        now = draft.seat(seat.no)
        if now.state == "filled" and now.helper_id == helper_id and not begun:
            search_without(draft, seat.no, "blocked")
    withdraw_from(board, need, helper_id, "blocked")


def withdraw_from(board: Board, need: Need, helper_id: str, reason: str) -> None:
    """Withdraw open offers to the helper; the search goes on. No effect without one."""
    draft = Draft(board, need)
    for offer in draft.need.open_offers(helper_id=helper_id):
        draft.withdraw_offers(reason, offer.seat_no, helper_id)
        _go_on_without(draft, offer.seat_no)


def recheck(board: Board, need: Need, helper_id: str) -> None:
    """The helper was matched elsewhere or is paused: open offers that can't be accepted go."""
    draft = Draft(board, need)
    for offer in need.open_offers(helper_id=helper_id):
        helper = named_helper(draft, offer.seat_no, helper_id)
        rule = _broken(draft, helper) if helper is not None else None
        if rule is not None:
            reason = "helper_paused" if rule == "active" else "helper_promised"
            withdraw_from(board, draft.need, helper_id, reason)


def hold(draft: Draft, by: Actor) -> None:
    """A coordinator stops the asking: open offers are withdrawn, who has a seat keeps it.

    Raises NotAllowed when nothing is searched for.
    """
    stopped = [one for one in draft.need.seats if one.state in ("searching", "waiting")]
    if draft.need.state in ("closed", "waiting") or not stopped:
        raise NotAllowed("not_searching")
    for seat in stopped:
        draft.withdraw_offers("held", seat.no)
        draft.set_seat(seat.no, state="held", reason=None, due_at=None)
        decide(draft, seat.no, "held", by=by)


def resume(draft: Draft, by: Actor) -> None:
    """The coordinator lets the asking go on, as a new round. Raises NotAllowed.

    What had been reopened in spite of a clash is searched on in spite of it.
    """
    held = [one for one in draft.need.seats if one.state == "held"]
    if draft.need.state == "closed" or not held:
        raise NotAllowed("not_held")
    for seat in held:
        draft.set_seat(seat.no, state="waiting")
        decide(draft, seat.no, "resumed", by=by)
    if clash_of(draft.board, draft.need) is None:
        draft.decide_anew()
        return
    for seat in held:
        search_seat(draft, seat.no)


def reopen(draft: Draft, by: Actor) -> None:
    """The coordinator has it searched once more: a new round with whoever can now.

    Who was silent is asked again, who declined isn't. What clashes with another need of the citizen
    is searched all the same: the coordinator knows, and whoever looks at the clash goes on doing
    so until it has a helper. Raises NotAllowed when it is not with the coordinator, or too late to
    ask anybody.
    """
    lead = draft.board.needs.get(draft.need.follows or "")
    if lead is not None:
        draft = Draft(draft.board, lead)
    seats = [one for one in draft.need.seats if one.state == "escalated"]
    if draft.need.state not in ("open", "filled") or not seats:
        raise NotAllowed("not_escalated")
    last = last_offer(draft.need, draft.policy)
    if last is not None and last <= draft.board.now:
        raise NotAllowed("too_late")
    draft.set(clashes_with=None)
    for need in followers(draft.board, draft.need):
        for seat in need.seats:
            if seat.state == "escalated":
                other = Draft(draft.board, need)
                other.set_seat(seat.no, state="waiting", reason="same_way")
    for seat in seats:
        decide(draft, seat.no, "reopened", by=by)
        search_seat(draft, seat.no)


def assign(
    draft: Draft, no: int, helper_id: str, by: Actor, *, clash_confirmed: bool = False
) -> None:
    """The coordinator gives the seat to a helper, whoever had it before.

    The rules about the helper's own time and consent of both hold; what the helper is like is the
    coordinator's to judge. The same again has no effect. Raises NotAllowed; Clash where the citizen
    has another need at the time, unless the coordinator has confirmed that both are to be helped.
    """
    seat = _wanted(draft, no)
    if seat.state == "filled":
        if seat.helper_id == helper_id:
            return
        if draft.need.meet_at is not None and draft.need.meet_at <= draft.board.now:
            raise NotAllowed("begun")
    other = None if clash_confirmed else clash_of(draft.board, draft.need)
    if other is not None:
        raise Clash(other.need_id)
    _take(draft, no, helper_id, "by_hand", by)


def claim(draft: Draft, no: int, helper_id: str, by: Actor) -> None:
    """The helper takes a free seat without having been asked. The same again has no effect.

    All rules hold but those of habit: how far, when free, how long before. Raises NotAllowed.
    """
    seat = _wanted(draft, no)
    if seat.state == "filled":
        if seat.helper_id == helper_id:
            return
        raise NotAllowed("taken")
    if not draft.policy.asking.claimable and draft.policy.asking.way != "claim":
        raise NotAllowed("not_claimable")
    if draft.need.clashes_with is not None or draft.need.follows is not None:
        raise NotAllowed("not_claimable")
    if seat.state == "held":
        raise NotAllowed("held")
    helper = _who(draft, no, helper_id)
    wish = wish_of(
        draft.need, seat, draft.policy, draft.board.citizen(draft.need),
        whole_way(draft.board, draft.need), draft.board.reference,
    )  # fmt: skip
    anywhere = replace(wish, in_range=False)
    rule = timeless_rule_broken(helper.profile.helper, anywhere, draft.board.distances)
    if rule is not None:
        raise NotAllowed("not_active" if rule == "active" else "not_suitable")
    begins = draft.need.starts_at or draft.board.now
    if helper.until is not None and helper.until < date_of(int(begins.timestamp())):
        raise NotAllowed("not_suitable")
    _take(draft, no, helper_id, "claimed", by)


def _wanted(draft: Draft, no: int) -> Seat:
    seat = draft.need.seat(no)
    if seat is None or seat.state == "closed" or draft.need.state == "closed":
        raise UnknownMatch
    if draft.need.state == "waiting":
        raise NotAllowed("waiting")
    return seat


def _take(draft: Draft, no: int, helper_id: str, how: str, by: Actor) -> None:
    """Give the seat to the helper, unless a rule about their time stands against it."""
    if helper_id in [one.helper_id for one in draft.need.seats if one.no != no]:
        raise NotAllowed("elsewhere")
    if draft.need.starts_at is not None and draft.need.starts_at <= draft.board.now:
        raise NotAllowed("begun")
    near = draft.board.neighbours(draft.need) if how == "by_hand" else ()
    named = _who(draft, no, helper_id).profile.helper
    if not draft.board.serves(named, (draft.need.department, *near)):
        raise NotAllowed("another_department")
    had = draft.seat(no)
    if had.state == "filled":
        draft.release(no, "reassigned")
        release_followers(draft, "reassigned")
    if draft.need.follows is not None:
        leave_way(draft)
    helper = _who(draft, no, helper_id)
    rule = _broken(draft, helper)
    if rule is not None:
        raise NotAllowed(_OBJECTIONS[rule])
    if not draft.hold_resource():
        raise NotAllowed("no_room")
    draft.withdraw_offers("reassigned" if how == "by_hand" else "taken", no)
    draft.withdraw_offers("taken", helper_id=helper_id)
    draft.set(clashes_with=None)
    decide(draft, no, how, survey(draft, no, again=True), by=by)
    fill(draft, no, helper, how)
