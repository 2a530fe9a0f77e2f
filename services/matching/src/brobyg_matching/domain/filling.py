"""Who has a seat: the helper who was found, and the one of the same way."""

from typing import Any

from brobyg_contracts import StaffMatched, VolunteerMatched
from brobyg_kit.ids import derived_id
from msgspec import UNSET
from msgspec.structs import replace

from brobyg_matching.domain import decisions, way
from brobyg_matching.domain.board import GivenUp
from brobyg_matching.domain.diary import RESOURCE
from brobyg_matching.domain.draft import Draft, seconds
from brobyg_matching.domain.local_time import date_of, day_of, instant
from brobyg_matching.domain.need import Need, Offer
from brobyg_matching.domain.roster import Reachable, reachable, wish_of
from brobyg_matching.domain.rules import capacity_rule_broken, span_of


def fill(draft: Draft, no: int, helper: Reachable, how: str, offer: Offer | None = None) -> None:
    """The helper has the seat; all other offers of the seat are withdrawn.

    Whether the helper can is the caller's to know; the database refuses a second span or a case
    too many.
    """
    draft.withdraw_offers("taken", no)
    seat, now = draft.seat(no), draft.board.now
    key = offer.offer_id if offer else f"{draft.need_id}/{no}/{seat.round}/{seconds(now)}"
    draft.set_seat(
        no,
        state="filled",
        reason=None,
        due_at=None,
        helper_id=helper.helper_id,
        pool=helper.pool,
        match_id=derived_id("match", key, helper.helper_id),
        way=how,
        matched_at=now,
        offer_id=offer.offer_id if offer else None,
    )
    _book(draft, no, helper)
    tell_match(draft, no)
    draft.board.promised.add(helper.helper_id)
    _fill_followers(draft, no)


def _book(draft: Draft, no: int, helper: Reachable) -> None:
    """Book the helper for the whole way that begins with this need."""
    whole = way.whole_way(draft.board, draft.need)
    span = span_of(helper, whole)
    draft.set_seat(
        no,
        leave_at=instant(span[0]) if span else None,
        meet_at=instant(whole.meet_at) if whole.meet_at is not None else None,
        home_at=instant(span[1]) if span else None,
    )
    booking = draft.booking(draft.seat(no))
    if booking is not None:
        draft.board.book(booking, helper.case_limit)


def tell_match(draft: Draft, no: int, *, corrected: bool = False) -> None:
    """Emit what the seat's helper has agreed to; `corrected` when it begins at another time now.

    When the two meet and how long it takes the helper is not told: it would tell where they meet.
    """
    need, seat = draft.need, draft.seat(no)
    assert seat.helper_id is not None  # it is filled
    assert seat.match_id is not None
    pool = draft.board.reference.pools.get(seat.pool or "")
    kind = StaffMatched if pool is not None and pool.employed else VolunteerMatched
    data: dict[str, Any] = {
        **draft.facts(),
        "offer_id": seat.offer_id or UNSET,
        "resource_id": need.resource_id or UNSET,
        "shares_with": need.follows or UNSET,
        "corrected": corrected or UNSET,
    }
    draft.emit(
        kind(
            match_id=seat.match_id,
            need_id=need.need_id,
            seat=no,
            role=seat.role,
            pool=seat.pool or "",
            pathway=need.pathway,
            policy_version=draft.policy.version,
            department=need.department,
            helper_id=seat.helper_id,
            way=seat.way or "",
            crew_complete=need.missing == 0,
            **data,
        )
    )


def named_helper(draft: Draft, no: int, helper_id: str) -> Reachable | None:
    """The helper as the rules see them for this seat; None if they were not read."""
    board, need = draft.board, draft.need
    profile = board.profile(need, helper_id)
    if profile is None:
        return None
    whole = way.whole_way(board, need)
    wish = wish_of(need, draft.seat(no), draft.policy, board.citizen(need), whole, board.reference)
    return reachable(profile, wish, draft.policy.travel, board.distances)


def join_way(draft: Draft, lead: Need) -> None:
    """The need is helped on the way of `lead`, by whoever has that or will have it.

    Whoever has it may not be able to be there for both: then the coordinator is told.
    """
    board = draft.board
    draft.set(follows=lead.need_id)
    for seat in draft.need.seats:
        draft.set_seat(seat.no, state="waiting", reason="same_way", due_at=None)
    first = Draft(board, lead)
    no, reason = lead.seats[0].no, lead.seats[0].reason
    if lead.seats[0].state == "escalated" and reason is not None:
        nobody_for_follower(draft, reason)
    if lead.seats[0].state != "filled":
        return
    helper = named_helper(first, no, lead.seats[0].helper_id or "")
    if helper is None or not _can_do_both(first, helper):
        draft.set(follows=None)
        part_of_way(draft, lead)
        return
    before = lead.seats[0]
    _book(first, no, helper)
    if first.seat(no).leave_at != before.leave_at:
        tell_match(first, no, corrected=True)
    _fill_followers(first, no)


def _can_do_both(lead: Draft, helper: Reachable) -> bool:
    board = lead.board
    whole = way.whole_way(board, lead.need)
    span = span_of(helper, whole)
    if span is None or _is_elsewhere(lead, helper, span):
        return False
    return helper.profile.is_free(day_of(date_of(whole.meet_at or 0)), *span)


def _fill_followers(lead: Draft, no: int) -> None:
    """Whoever has the first of the way has those that follow."""
    _tell_followers(lead, no)
    has = lead.seat(no)
    times = {"leave_at": has.leave_at, "meet_at": has.meet_at, "home_at": has.home_at}
    for need in way.followers(lead.board, lead.need):
        draft = Draft(lead.board, need)
        for seat in need.seats:
            if seat.state in ("filled", "held"):
                continue
            draft.set_seat(
                seat.no,
                state="filled",
                reason=None,
                helper_id=has.helper_id,
                pool=has.pool,
                match_id=derived_id("match", has.match_id or "", need.need_id),
                way="same_way",
                matched_at=lead.board.now,
                offer_id=None,
                **times,
                due_at=None,
            )
            booking = draft.booking(draft.seat(seat.no))
            if booking is not None:
                lead.board.book(booking)
            decisions.decide(draft, seat.no, "same_way")
            tell_match(draft, seat.no)


def _is_elsewhere(lead: Draft, helper: Reachable, span: tuple[int, int]) -> bool:
    """Whether the helper is taken in this time by anything but the way.

    A way counts once in the week, and it is counted already.
    """
    own = frozenset(one.need_id for one in way.way_of(lead.board, lead.need))
    return capacity_rule_broken(lead.board.diary, helper, span, own) == "elsewhere"


def _tell_followers(lead: Draft, no: int) -> None:
    """Whoever has those that follow has them at the times of the whole way.

    They are told when they leave at another time now.
    """
    has = lead.seat(no)
    for need in way.followers(lead.board, lead.need):
        draft = Draft(lead.board, need)
        for seat in need.seats:
            if seat.state != "filled" or (seat.leave_at, seat.home_at) == (
                has.leave_at,
                has.home_at,
            ):
                continue
            draft.set_seat(seat.no, leave_at=has.leave_at, meet_at=has.meet_at, home_at=has.home_at)
            if (booking := draft.booking(draft.seat(seat.no))) is not None:
                lead.board.book(booking)
            if seat.leave_at != has.leave_at:
                tell_match(draft, seat.no, corrected=True)


def part_of_way(draft: Draft, lead: Need) -> None:
    """Whoever has the rest of the way does not have this: nobody is asked, a human decides."""
    clash(draft, lead, "part_of_way")


def clash(draft: Draft, other: Need, reason: str = "clash") -> None:
    """The citizen is somewhere else at the time: nobody is asked, a human decides."""
    draft.set(clashes_with=other.need_id)
    for seat in draft.need.seats:
        if seat.state not in ("filled", "closed"):
            draft.withdraw_offers("clash", seat.no)
            draft.set_seat(seat.no, state="escalated", reason=reason, due_at=None)
            decisions.decide(draft, seat.no, reason)
    draft.board.given_up.setdefault(draft.need_id, []).append(GivenUp(reason, 0, {}))


def nobody_for_follower(draft: Draft, reason: str) -> None:
    """Nobody was found for the first of the way, so nobody has this one, which follows."""
    for seat in draft.need.seats:
        if seat.state == "waiting":
            draft.set_seat(seat.no, state="escalated", reason=reason)
            decisions.decide(draft, seat.no, reason)
    draft.board.given_up.setdefault(draft.need_id, []).append(GivenUp(reason, 0, {}))


def leave_way(draft: Draft) -> None:
    """The need, which nobody fills any more, is no longer part of a way.

    Whoever has the rest of it keeps that, and is told the times that hold now. What nobody has yet
    is decided anew.
    """
    board, need = draft.board, draft.need
    if need.follows is not None:
        lead = board.needs.get(need.follows)
        draft.set(follows=None)
        if lead is not None and lead.state != "closed":
            _book_anew(Draft(board, lead))
        return
    left = way.followers(board, need)
    if not left:
        return
    lead = next((one for one in left if one.seats[0].state == "filled"), left[0])
    for one in left:
        Draft(board, one).set(follows=None if one is lead else lead.need_id)
    if not _book_anew(Draft(board, board.needs[lead.need_id])):
        for one in left:
            draft = Draft(board, board.needs[one.need_id])
            draft.release(draft.need.seats[0].no, "reassigned")
            draft.decide_anew()


def hand_over_way(draft: Draft) -> None:
    """The first of the way is over: the next that its helper has takes its place.

    The booking of the whole way, which keeps the helper from being taken twice, becomes that one's;
    times stay as they were told. What nobody has is decided anew.
    """
    board = draft.board
    left = sorted(way.followers(board, draft.need), key=lambda one: one.starts_at or board.now)
    filled = [one for one in left if one.seats[0].state == "filled"]
    for one in left:
        if one not in filled:
            Draft(board, one).decide_anew()
    if not filled:
        return
    has = draft.need.seats[0]
    for one in filled:
        other = Draft(board, one)
        other.set(follows=None if one is filled[0] else filled[0].need_id)
        other.set_seat(
            one.seats[0].no, leave_at=has.leave_at, meet_at=has.meet_at, home_at=has.home_at
        )
    # Of the two only one may be exclusive, as they overlap.
    for now in (Draft(board, filled[0]), draft):
        booking = now.booking(now.need.seats[0])
        if booking is not None:
            board.book(replace(booking, exclusive=now is not draft))


def _book_anew(lead: Draft) -> bool:
    """Book what is left of a way for whoever has it, and tell them; False if nobody has it.

    What is left may take longer on its own. If they are elsewhere by then the old times stay.
    """
    seat = lead.need.seats[0]
    if seat.state != "filled" or seat.helper_id is None:
        return False
    helper = named_helper(lead, seat.no, seat.helper_id)
    if helper is None:
        return False
    before = seat.leave_at, seat.home_at
    span = span_of(helper, way.whole_way(lead.board, lead.need))
    if span is not None and _is_elsewhere(lead, helper, span):
        _keep_booking(lead, seat.no)
    else:
        _book(lead, seat.no, helper)
    _tell_followers(lead, seat.no)
    now = lead.seat(seat.no)
    if (now.leave_at, now.home_at) != before or seat.way == "same_way":
        tell_match(lead, seat.no, corrected=True)
    return True


def _keep_booking(draft: Draft, no: int) -> None:
    """The seat's helper is booked for the times that the seat has."""
    booking = draft.booking(draft.seat(no))
    if booking is not None:
        draft.board.book(booking)


def prolong(draft: Draft) -> None:
    """Helper and citizen are together, and it ends at another time: who is there stays until then.

    Whoever is promised to somebody else by then is booked as before, and a human is told, by a
    `clash`. The same holds for what is held with the need.
    """
    lead = Draft(draft.board, draft.board.needs.get(draft.need.follows or "", draft.need))
    room = _prolong_resource(draft)
    for seat in draft.need.seats:
        if seat.state != "filled":
            continue
        no = seat.no if lead.need_id == draft.need_id else lead.need.seats[0].no
        before = lead.seat(no).home_at
        fits = _prolong_helper(lead, no) and room
        draft.set_seat(seat.no, reason=None if fits else "clash")
        if lead.seat(no).home_at != before:
            tell_match(draft, seat.no, corrected=True)


def _prolong_helper(lead: Draft, no: int) -> bool:
    """Book the helper of the way until they are home; False if they are elsewhere by then."""
    seat = lead.seat(no)
    left, home = seconds(seat.leave_at), seconds(seat.home_at)
    if left is None or home is None:
        return True
    helper = named_helper(lead, no, seat.helper_id or "")
    span = span_of(helper, way.whole_way(lead.board, lead.need)) if helper else None
    if helper is None or span is None:
        return False
    if span[1] <= home:
        return True
    if _is_elsewhere(lead, helper, (left, span[1])):
        return False
    lead.set_seat(no, home_at=instant(span[1]))
    _keep_booking(lead, no)
    _tell_followers(lead, no)
    return True


def _prolong_resource(draft: Draft) -> bool:
    """Hold what is held with the need until its end; False if somebody else has it by then."""
    board, need = draft.board, draft.need
    before = board.diary.of(need.resource_id or "").get((need.need_id, RESOURCE))
    until = seconds(need.ends_at)
    if before is None or before.since is None or before.until is None or until is None:
        return need.resource_id is None
    if until <= before.until:
        return True
    if board.diary.is_taken(before.holder, before.until, until):
        return False
    board.book(replace(before, until=until))
    return True


def release_followers(draft: Draft, reason: str) -> None:
    """Whoever had the first of the way has gone: those that follow wait for the next."""
    for need in way.followers(draft.board, draft.need):
        other = Draft(draft.board, need)
        for seat in need.seats:
            other.release(seat.no, reason)
            if other.seat(seat.no).state != "held":
                other.set_seat(seat.no, state="waiting", reason="same_way")
