"""What the events of a need, its citizen and its consent do to it, and what time does.

Pure: no I/O, no clock. What has changed is left on the board; `finishing.finish` follows each.
"""

from datetime import datetime

from brobyg_contracts.pathways import pathways
from msgspec.structs import replace

from brobyg_matching.domain.agreement import still_agreed, still_searched
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.filling import clash, hand_over_way, join_way, leave_way, prolong
from brobyg_matching.domain.local_time import instant
from brobyg_matching.domain.need import (
    DECISIVE,
    FACTS,
    Citizen,
    Facts,
    Need,
    Seat,
    have_met,
    seats_of,
)
from brobyg_matching.domain.neighbours import asked_for
from brobyg_matching.domain.policy import awaited_pools
from brobyg_matching.domain.roster import case_limit
from brobyg_matching.domain.searching import (
    deadline_moved,
    give_up,
    look_again,
    search_seat,
    start_search,
    survey,
)
from brobyg_matching.domain.way import followers, relation, standing

#: Reasons with which a need ends because it has taken place, or the citizen did not come.
_OVER = frozenset({"completed", "missed"})
_MOVED = "appointment_rescheduled"
_TIMES = {"starts_at", "ends_at"}


def opened(board: Board, facts: Facts) -> None:
    """The need is like this now: new, changed, or open again.

    No effect when that was known and it is not closed. When it is elsewhere, at another time or
    asks for something else, offers are withdrawn and helpers released, who are asked first when
    they still can. Once helper and citizen have met, and there are new times which mean no later
    meeting, the helper stays, and for as long as it takes. Raises UnknownPathway.
    """
    before = board.needs.get(facts.need_id)
    values = {name: getattr(facts, name) for name in FACTS}
    if before is None:
        opened_at = board.now if board.cause is None else board.cause.time
        need = Need(**values, state="waiting", opened_at=opened_at, seats=_new_seats(facts))
        board.put(need)
        _precede(board, need)
        begin(Draft(board, need))
        return
    draft = Draft(board, before)
    if before.state == "closed":
        draft.release_all(_MOVED)
        draft.free_resource()
        seats = tuple(
            replace(one, state="waiting", reason=None, unwilling=()) for one in draft.need.seats
        )
        draft.set(**values, state="waiting", reason=None, opened_at=board.now, seats=seats,
                  follows=None)  # fmt: skip
        draft = Draft(board, draft.need)  # it may be another pathway's now
        _set_crew(draft, facts)
        begin(draft)
    elif any(getattr(before, name) != values[name] for name in DECISIVE):
        _move(draft, facts)
    elif any(getattr(before, name) != values[name] for name in FACTS):
        draft.set(**values)
        if facts.crew != before.crew:
            _set_crew(draft, facts)
        for seat in draft.need.seats:
            if facts.answer_by != before.answer_by and seat.state == "searching":
                deadline_moved(draft, seat.no)
            alone = draft.need.follows is None and draft.need.clashes_with is None
            if (
                seat.state == "waiting"
                and not seat.reason
                and alone
                and draft.need.state != "waiting"
            ):
                search_seat(draft, seat.no)
            elif seat.state == "searching" and not draft.need.open_offers(seat.no):
                draft.set_seat(seat.no, due_at=board.now)


def _new_seats(facts: Facts) -> tuple[Seat, ...]:
    return tuple(Seat(no=no, role=role) for no, role in enumerate(seats_of(facts.crew), 1))


def _set_crew(draft: Draft, facts: Facts) -> None:
    """Close the seats that are no longer wanted, empty ones first, and add those that are new."""
    left = seats_of(facts.crew)
    for seat in sorted(draft.need.seats, key=lambda one: (one.state != "filled", one.no)):
        if seat.role in left:
            left.remove(seat.role)
            if seat.state == "closed":
                draft.set_seat(seat.no, state="waiting", reason=None)
        elif seat.state != "closed":
            draft.withdraw_offers(_MOVED, seat.no)
            draft.release(seat.no, _MOVED)
            draft.set_seat(seat.no, state="closed", due_at=None)
    last = max((one.no for one in draft.need.seats), default=0)
    added = tuple(Seat(no=no, role=role) for no, role in enumerate(left, last + 1))
    draft.set(seats=draft.need.seats + added)


def _move(draft: Draft, facts: Facts) -> None:
    """The need is elsewhere, at another time, or asks for something else."""
    before, board = draft.need, draft.board
    values = {name: getattr(facts, name) for name in FACTS}
    moved = replace(before, **values)
    changed = {name for name in DECISIVE if getattr(before, name) != values[name]}
    if changed <= _TIMES and _have_met(board, before, moved):
        draft.set(**values, meet_at=_meet_at(board, moved))
        prolong(draft)
        return
    former = _former(before)
    _let_go(draft, _MOVED)
    draft = Draft(board, moved)
    draft.set(**values)
    _set_crew(draft, facts)
    draft.set(seats=tuple(replace(one, unwilling=()) for one in draft.need.seats))
    begin(draft, former)


def _former(need: Need) -> dict[int, str | None]:
    return {one.no: one.helper_id for one in need.seats if one.state == "filled"}


def _have_met(board: Board, before: Need, now: Need) -> bool:
    """Whether helper and citizen have met, and the new times mean no later meeting."""
    if before.meet_at is None or not before.helpers():
        return False
    meet_at = _meet_at(board, now)
    return meet_at is not None and max(before.meet_at, meet_at) <= board.now


def _meet_at(board: Board, need: Need) -> datetime | None:
    meet_at = board.itinerary(need).meet_at
    return None if meet_at is None else instant(meet_at)


def _let_go(draft: Draft, reason: str, *, release: bool = True) -> None:
    """End all searches and, unless told otherwise, release all helpers and the resource."""
    board = draft.board
    draft.withdraw_offers(reason)
    if release:
        draft.release_all(reason)
        draft.free_resource()
        leave_way(draft)
        for other in board.of_citizen(draft.need.citizen_id):
            if other.clashes_with == draft.need_id:
                Draft(board, other).decide_anew()
            elif "clash" in other.attention:
                Draft(board, other).set()  # searched all the same: does it still clash?
    for seat in draft.need.seats:
        if seat.state not in ("filled", "held", "closed"):
            draft.set_seat(seat.no, state="waiting", reason=None, due_at=None)
    draft.set(clashes_with=None)


def _precede(board: Board, need: Need) -> None:
    """What clashes with this need, was recorded after it and has no helper yet gives way to it.

    Events of two needs may come in another order than they were recorded in.
    """
    if not is_ready(board, need):
        return
    for other in board.of_citizen(need.citizen_id):
        alone = other.follows is None and other.clashes_with is None and not followers(board, other)
        searched = other.state == "open" and not other.helpers()
        later = other.opened_at > need.opened_at
        if later and alone and searched and relation(board, need, other) == "clash":
            clash(Draft(board, other), need)


def is_ready(board: Board, need: Need) -> bool:
    """Whether the citizen's record and the referral's consent are there, as far as needed."""
    if board.policy(need).need.of_citizen and board.citizen(need) is None:
        return False
    return need.referral_id is None or board.consents.get(need.referral_id, False)


def begin(draft: Draft, former: dict[int, str | None] | None = None) -> None:
    """Look for helpers: at once, on the way of another need, or not before a human has decided."""
    board = draft.board
    if not is_ready(board, draft.need):
        draft.set(state="waiting")
        return
    draft.set(state="open", meet_at=_meet_at(board, draft.need))
    stands = standing(board, draft.need)
    if stands is not None:
        kind, other = stands
        if kind == "clash":
            clash(draft, other)
        else:
            join_way(draft, other)
        return
    _search(draft, former or {})


def _search(draft: Draft, former: dict[int, str | None]) -> None:
    """Search for each seat that nobody has. What is held with it comes first."""
    held = draft.hold_resource()
    for seat in draft.need.seats:
        if seat.state in ("filled", "held", "closed"):
            continue
        if held:
            start_search(draft, seat.no, former.get(seat.no))
        else:
            draft.set_seat(seat.no, round=seat.round + 1, wave=0, asked=())
            give_up(draft, seat.no, "no_room")


def closed(board: Board, need_id: str, reason: str) -> None:
    """Nobody is looked for any more. No effect on a need that is unknown or closed.

    Helpers are released, but not when it has taken place, or after its end: the time was given, and
    nobody is to be told that the past is cancelled.
    """
    need = board.needs.get(need_id)
    if need is None or need.state == "closed":
        return
    draft = Draft(board, need)
    over = reason in _OVER or (need.ends_at is not None and need.ends_at <= board.now)
    if over:
        hand_over_way(draft)
    _let_go(draft, "appointment_over" if over else reason, release=not over)
    if need.ends_at is not None and need.ends_at > board.now:
        draft.free_resource()  # over before its time
    for seat in draft.need.seats:
        if seat.state == "filled":
            if seat.leave_at is None:
                draft.free_helper(seat)
            if seat.helper_id is not None:
                met = have_met(reason, need.ends_at, board.now)
                board.note_met(need, seat.helper_id, met=met)
        draft.set_seat(seat.no, state="closed", due_at=None)
    draft.set(state="closed", reason=reason, closed_at=board.now, offers=())


def recorded(board: Board, citizen: Citizen) -> None:
    """The citizen's record is this now: what waits for it begins, what it changes is done anew.

    What is agreed stays, unless times and places have changed, or the record asks for something new
    that the helper does not have.
    """
    before = board.citizens.get(citizen.citizen_id)
    if before == citizen:
        return
    board.know(citizen)
    anew: list[tuple[Draft, dict[int, str | None], bool]] = []
    for need in board.of_citizen(citizen.citizen_id):
        if board.policy(need).need.of_citizen:
            if need.waits:
                board.freed.add(need.department)  # others may do now
            draft = Draft(board, need)
            if need.state == "waiting":
                anew.append((draft, {}, False))
            elif not _have_met(board, need, need):
                stays = before is not None and still_agreed(draft, before)
                if not (stays and still_searched(draft)):
                    # Of one way all seats stay or none: each need of it has a single one.
                    anew.append((draft, _former(need), stays and bool(need.helpers())))
    for draft, _, stays in anew:
        if draft.need.state != "waiting":
            _let_go(draft, "citizen_changed", release=not stays)
            draft.set(state="waiting")
    for draft, former, _ in anew:
        begin(draft, former)


def erased(board: Board, citizen_id: str) -> None:
    """The citizen's record is gone: nothing is asked by what it said."""
    board.forget(citizen_id)
    for need in _followers_first(board.of_citizen(citizen_id)):
        if board.policy(need).need.of_citizen:
            _suspend(Draft(board, need), "citizen_erased")


def citizen_erased(board: Board, citizen_id: str) -> None:
    """The citizen is gone: nothing is done for them any more, whatever the pathway goes by.

    That their consent has ended and their needs are closed is said by other events, which may come
    later.
    """
    board.forget(citizen_id)
    board.erased[citizen_id] = board.cause
    board.restricted[citizen_id] = None
    for need in _followers_first(board.of_citizen(citizen_id)):
        if need.referral_id is not None:
            board.consent(need.referral_id, citizen_id, given=False)
        _suspend(Draft(board, need), "citizen_erased")


def consent_given(board: Board, referral_id: str, citizen_id: str) -> None:
    """What waits for the consent begins."""
    board.consent(referral_id, citizen_id, given=True)
    for need in board.of_referral(referral_id):
        if need.state == "waiting":
            begin(Draft(board, need))


def consent_withdrawn(board: Board, referral_id: str, citizen_id: str) -> None:
    """Nothing moves without consent: searches end, helpers are released, the needs wait."""
    board.consent(referral_id, citizen_id, given=False)
    for need in _followers_first(board.of_referral(referral_id)):
        if need.state != "closed":
            _suspend(Draft(board, need), "consent_withdrawn")


def _followers_first(needs: list[Need]) -> list[Need]:
    return sorted(needs, key=lambda one: one.follows is None)


def _suspend(draft: Draft, reason: str) -> None:
    ends_at = draft.need.ends_at
    _let_go(draft, reason, release=ends_at is None or ends_at > draft.board.now)
    draft.set(state="waiting")


def due(board: Board, need_id: str) -> None:
    """The need's timer has fired: look at each seat whose time it is.

    What waits for capacity is looked at by `finishing.finish`.
    """
    need = board.needs.get(need_id)
    if need is None or need.state == "closed":
        return
    draft = Draft(board, need)
    draft.set()
    for seat in need.seats:
        now = draft.seat(seat.no)
        if now.state == "searching" and now.due_at is not None and now.due_at <= board.now:
            look_again(draft, seat.no)


def capacity_free(board: Board, need_id: str) -> None:
    """Capacity has become free: search for what waits for it, if anybody could."""
    need = board.needs.get(need_id)
    if need is None or not need.waits:
        return
    draft = Draft(board, need)
    for seat in need.seats:
        # A new round asks those again who were silent.
        if seat.waits and survey(draft, seat.no, again=True).candidates:
            start_search(draft, seat.no)


def is_full(board: Board, department: str) -> bool:
    """Whether no helper of the department can take any more cases of what may wait for them.

    Nor one of the departments near it. Never where a pathway with a waiting list takes time and not
    cases.
    """
    waiting = [one for one in pathways().values() if one.giving_up.way == "wait"]
    asked = (department, *asked_for(department, board.reference))
    rosters = [board.rosters[one] for one in asked if one in board.rosters]
    if not rosters or any(one.need.has_span for one in waiting):
        return not rosters
    pools, records, cases = awaited_pools(), board.reference.pools, board.diary.cases
    return not any(
        cases.get(name, 0) < case_limit(roster.profiles[name].helper, records.get(pool))
        for roster in rosters
        for name in roster.active(pools)
        for pool in pools.intersection(roster.profiles[name].helper.pools)
    )
