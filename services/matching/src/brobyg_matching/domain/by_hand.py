"""What coordinators do by hand, and the seats that helpers take without having been asked.

Pure: no I/O, no clock. What has changed is left on the board; `finishing.finish` follows each.
"""

from msgspec.structs import replace

from brobyg_matching.domain.answers import OBJECTIONS, broken_rule, helper_for
from brobyg_matching.domain.decisions import Actor, decide
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.filling import fill, leave_way, release_followers
from brobyg_matching.domain.local_time import date_of
from brobyg_matching.domain.need import Seat
from brobyg_matching.domain.roster import timeless_rule_broken, wish_of
from brobyg_matching.domain.searching import last_offer, search_seat, survey
from brobyg_matching.domain.way import clash_of, followers, whole_way
from brobyg_matching.errors import Clash, NotAllowed, Objection, UnknownMatch


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
    helper = helper_for(draft, no, helper_id)
    wish = wish_of(
        draft.need, seat, draft.policy, draft.board.citizen(draft.need),
        whole_way(draft.board, draft.need), draft.board.reference,
    )  # fmt: skip
    anywhere = replace(wish, in_range=False)
    rule = timeless_rule_broken(helper.profile.helper, anywhere, draft.board.distances)
    if rule is not None:
        restricted = helper.profile.helper.status == "restricted"
        inactive: Objection = "restricted" if restricted else "not_active"
        raise NotAllowed(inactive if rule == "active" else "not_suitable")
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
    named = helper_for(draft, no, helper_id).profile.helper
    if not draft.board.serves(named, (draft.need.department, *near)):
        raise NotAllowed("another_department")
    had = draft.seat(no)
    if had.state == "filled":
        draft.release(no, "reassigned")
        release_followers(draft, "reassigned")
    if draft.need.follows is not None:
        leave_way(draft)
    helper = helper_for(draft, no, helper_id)
    rule = broken_rule(draft, helper)
    if rule is not None:
        raise NotAllowed(OBJECTIONS[rule])
    if not draft.hold_resource():
        raise NotAllowed("no_room")
    draft.withdraw_offers("reassigned" if how == "by_hand" else "taken", no)
    draft.withdraw_offers("taken", helper_id=helper_id)
    draft.set(clashes_with=None)
    decide(draft, no, how, survey(draft, no, again=True), by=by)
    fill(draft, no, helper, how)
