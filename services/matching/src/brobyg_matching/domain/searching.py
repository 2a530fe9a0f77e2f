"""How a seat is searched for: who is asked when, and what happens when nobody can."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from brobyg_contracts import OfferMade
from brobyg_contracts.reference import id_of
from brobyg_kit.ids import derived_id

from brobyg_matching.domain.board import GivenUp
from brobyg_matching.domain.decisions import NOBODY, counts, decide
from brobyg_matching.domain.draft import Draft, seconds
from brobyg_matching.domain.filling import fill, nobody_for_follower
from brobyg_matching.domain.local_time import instant
from brobyg_matching.domain.need import NEIGHBOURS, Need, Offer, Seat
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.roster import wish_of
from brobyg_matching.domain.rules import Candidate, Question, Selection, joined, select, span_of
from brobyg_matching.domain.travel import Itinerary
from brobyg_matching.domain.way import followers, whole_way

#: So long a need waits for its place, department and calendar to be in the reference data, and so
#: often it is looked at meanwhile.
AWAITED = timedelta(minutes=10)
AGAIN = timedelta(minutes=1)


def search_seat(draft: Draft, no: int) -> None:
    """Open the seat's search if what is held with the need is held or free."""
    if draft.hold_resource():
        start_search(draft, no)
    else:
        give_up(draft, no, "no_room")


def start_search(draft: Draft, no: int, first: str | None = None) -> None:
    """Open the seat's search: ask, or give up when nobody can or it is too late.

    `first` is asked before everybody else if the rules still allow it. A held seat stays held.
    """
    if draft.seat(no).state == "held":
        return
    now, need = draft.board.now, draft.need
    last = last_offer(need, draft.policy)
    draft.set_seat(
        no,
        state="searching",
        reason=None,
        round=draft.seat(no).round + 1,
        wave=0,
        asked=(),
        searched_at=now,
        decide_by=_deadline(need, draft.policy, now),
        due_at=None,
    )
    if last is not None and last <= now:
        give_up(draft, no, "too_late", survey(draft, no))
    else:
        _ask(draft, no, first)


def last_offer(need: Need, policy: Policy) -> datetime | None:
    """From this moment on nobody is asked any more, wherever they live; None for no such moment."""
    if need.meet_at is not None:
        return need.meet_at - timedelta(minutes=policy.asking.latest_offer_minutes)
    # What waits for capacity is still wanted later.
    return None if policy.giving_up.way == "wait" else need.answer_by


def ordinary_deadline(need: Need, policy: Policy) -> datetime | None:
    """When a human is told by the policy alone; None where nothing presses.

    What nobody is asked for and nothing presses could stay unseen for ever: a human is told when an
    offer would have expired.
    """
    end = need.starts_at or need.answer_by
    if end is not None:
        return end - timedelta(minutes=policy.giving_up.before_minutes)
    if policy.asking.way == "claim":
        return need.opened_at + timedelta(minutes=policy.asking.offer_lifetime_minutes)
    return None


def _deadline(need: Need, policy: Policy, now: datetime) -> datetime | None:
    """When a human is told unless somebody is found; None where nothing presses."""
    deadline, last = ordinary_deadline(need, policy), last_offer(need, policy)
    if policy.giving_up.way == "wait" and deadline is not None and deadline <= now:
        return None  # a human has been told, and it waits on
    if policy.asking.way == "claim" and (need.starts_at or need.answer_by) is None:
        return now + timedelta(minutes=policy.asking.offer_lifetime_minutes)
    if deadline is None or last is None:
        return deadline
    asking = policy.asking
    if now + timedelta(minutes=asking.shortest_wave_minutes) > deadline:
        # Too near for waves: one question, and half of the time left is the coordinator's.
        lifetime = timedelta(minutes=asking.offer_lifetime_minutes)
        return max(now, min(now + lifetime, now + (last - now) / 2))
    return deadline


def deadline_moved(draft: Draft, no: int) -> None:
    """The need is to be answered by another time than the seat's search has gone by."""
    deadline = _deadline(draft.need, draft.policy, draft.board.now)
    due = [one for one in (draft.seat(no).due_at, deadline) if one is not None]
    draft.set_seat(no, decide_by=deadline, due_at=min(due, default=None))


def look_again(draft: Draft, no: int) -> None:
    """The time of what was waited for is over: a wave's answers, an opening, a deadline."""
    draft.expire_offers(no)
    decide_by = draft.seat(no).decide_by
    over = decide_by is not None and decide_by <= draft.board.now
    if over or not draft.need.open_offers(no):
        go_on(draft, no)
    else:
        _wait_for_answers(draft, no)


def go_on(draft: Draft, no: int) -> None:
    """No open offer is left: ask the next, or give up when there is no time for that."""
    seat, now, asking = draft.seat(no), draft.board.now, draft.policy.asking
    shortest = timedelta(minutes=asking.shortest_wave_minutes)
    if seat.decide_by is not None:
        ordinary = ordinary_deadline(draft.need, draft.policy)
        one_wave_only = ordinary is None or seat.decide_by > ordinary
        over = seat.decide_by <= now
        if over or (seat.wave and (one_wave_only or now + shortest > seat.decide_by)):
            if draft.policy.giving_up.way != "wait":
                give_up(draft, no, _why_nobody(seat, draft.policy), survey(draft, no))
                return
            draft.set_seat(no, decide_by=None)  # a human is told, and the asking goes on
    _ask(draft, no)


def _ask(draft: Draft, no: int, first: str | None = None) -> None:
    """Do what the policy's way says, as soon as it may be done."""
    waits = _not_yet(draft, no)
    if waits is not None:
        draft.set_seat(no, due_at=waits)
        return
    if not _is_known(draft):
        # Nobody can say who reaches it, or when they may be asked: waiting would not help.
        give_up(draft, no, "nobody_available", waits=False)
        return
    way = draft.policy.asking.way
    if way == "claim":
        draft.set_seat(no, due_at=draft.seat(no).decide_by)
        return
    selection = survey(draft, no, first)
    neighbours = draft.board.neighbours(draft.need)
    if not selection.candidates and draft.seat(no).reason is None and neighbours:
        draft.set_seat(no, reason=NEIGHBOURS)
        if not all(one in draft.board.rosters for one in neighbours):
            draft.set_seat(no, due_at=draft.board.now)  # the timer, which fires at once, loads them
            return
        selection = survey(draft, no, first)
    if not selection.candidates:
        give_up(draft, no, _why_nobody(draft.seat(no), draft.policy), selection)
    elif way == "assign":
        best = selection.candidates[0]
        draft.set_seat(no, wave=draft.seat(no).wave + 1)
        decide(draft, no, "assigned", selection, asked=1)
        fill(draft, no, best.helper, "assigned")
    else:
        _make_offers(draft, no, selection)


def _is_known(draft: Draft) -> bool:
    """Whether the reference data has the need's department, its place and its calendar, if any."""
    place, reference = draft.need.location_id, draft.board.reference
    known = place is None or place in reference.places
    calendar = draft.policy.asking.calendar
    timely = calendar is None or id_of(calendar) in reference.calendars
    return known and timely and draft.need.department in reference.departments


def _not_yet(draft: Draft, no: int) -> datetime | None:
    """When somebody may be asked; None for now."""
    need, board, asking = draft.need, draft.board, draft.policy.asking
    now, decide_by = board.now, draft.seat(no).decide_by
    opens = max(now, need.not_before or now)
    if not _is_known(draft) and now < need.opened_at + AWAITED:
        opens = max(opens, now + AGAIN)
    calendar = board.reference.calendars.get(id_of(asking.calendar)) if asking.calendar else None
    if calendar is not None:
        opens = calendar.next_open(opens) or now + timedelta(days=1)
    if opens <= now:
        return None
    return opens if decide_by is None else min(opens, decide_by)


def _question(draft: Draft, no: int, first: str | None, *, again: bool) -> Question:
    need, board, seat = draft.need, draft.board, draft.seat(no)
    skip = {offer.helper_id for offer in need.open_offers()} | {*need.helpers()}
    for one in need.seats:
        if one.role == seat.role:  # the same question
            skip.update(one.unwilling)
            if one.state == "searching" and not again:
                skip.update(one.asked)
    in_turn = draft.policy.asking.way == "in_turn"
    return Question(
        need_id=need.need_id,
        own=frozenset((need.need_id,)),
        starts_at=seconds(need.starts_at),
        itinerary=whole_way(board, need),
        now=int(board.now.timestamp()),
        skip=frozenset(skip),
        first=first,
        known=board.acquainted(need),
        blocked=board.blocks.get(need.citizen_id or "", frozenset()),
        open_offers=board.open_offers,
        turns=board.turns if in_turn else None,
        nearest=draft.policy.asking.way == "assign",
    )


def survey(draft: Draft, no: int, first: str | None = None, *, again: bool = False) -> Selection:
    """Who could fill the seat now and has not been asked in this round, or (`again`) at all.

    Those of the need's own department come first, then those of its neighbours, if they are asked:
    when nobody of its own could, so while the seat waits for capacity too.
    """
    need, board, seat = draft.need, draft.board, draft.seat(no)
    question = _question(draft, no, first, again=again)
    wish = wish_of(need, seat, draft.policy, board.citizen(need), question.itinerary,
                   board.reference)  # fmt: skip
    found = NOBODY
    asked = board.neighbours(need) if seat.asks_neighbours else ()
    for name in (need.department, *asked):
        roster = board.rosters.get(name)
        if roster is None:
            continue
        shortlist = roster.shortlist(wish, draft.policy.travel)
        more = select(shortlist, board.diary, draft.policy, question)
        found = more if found is NOBODY else joined(found, more)
        question = msgspec.structs.replace(question, skip=question.skip | roster.profiles.keys())
    return found


def _make_offers(draft: Draft, no: int, selection: Selection) -> None:
    """Ask the best few: as many as the policy says, one in turn."""
    board, asking, seat = draft.board, draft.policy.asking, draft.seat(no)
    size = 1 if asking.way == "in_turn" else asking.wave_size
    chosen, already = selection.candidates[:size], len(seat.asked)
    expires_at = board.now + timedelta(minutes=asking.offer_lifetime_minutes)
    if seat.decide_by is not None:
        expires_at = min(expires_at, seat.decide_by)
    who = tuple(one.helper_id for one in chosen)
    draft.set_seat(no, wave=seat.wave + 1, asked=seat.asked + who)
    decide(draft, no, "asked", selection, asked=len(chosen), already=already)
    way, facts = whole_way(board, draft.need), draft.facts()
    made = [
        _offer(draft, draft.seat(no), candidate, rank, expires_at, way, facts)
        for rank, candidate in enumerate(chosen, already + 1)
    ]
    draft.set(offers=draft.need.offers + tuple(made))
    for one in who:
        board.open_offers[one] = board.open_offers.get(one, 0) + 1
        if asking.way == "in_turn":
            board.turns[one] = int(board.now.timestamp())
            board.turned.add(one)
    _wait_for_answers(draft, no)


def _wait_for_answers(draft: Draft, no: int) -> None:
    times = [one.expires_at for one in draft.need.open_offers(no)]
    decide_by = draft.seat(no).decide_by
    if decide_by is not None:
        times.append(decide_by)
    draft.set_seat(no, due_at=min(times, default=None))


def _offer(
    draft: Draft,
    seat: Seat,
    candidate: Candidate,
    rank: int,
    expires_at: datetime,
    way: Itinerary,
    facts: Mapping[str, Any],
) -> Offer:
    need, helper, no = draft.need, candidate.helper, seat.no
    span = span_of(helper, way)
    offer = Offer(
        offer_id=derived_id("offer", need.need_id, str(no), str(seat.round), helper.helper_id),
        need_id=need.need_id,
        seat_no=no,
        helper_id=helper.helper_id,
        round=seat.round,
        wave=seat.wave,
        rank=rank,
        state="open",
        reason=None,
        distance_metres=helper.distance_metres,
        known_to_citizen=candidate.known,
        made_at=draft.board.now,
        expires_at=expires_at,
        leave_at=instant(span[0]) if span else None,
        meet_at=instant(way.meet_at) if way.meet_at is not None else None,
        home_at=instant(span[1]) if span else None,
    )
    draft.board.offers[offer.offer_id] = offer
    draft.board.made.add(offer.offer_id)
    draft.emit(
        OfferMade(
            offer_id=offer.offer_id,
            need_id=need.need_id,
            seat=no,
            role=seat.role,
            pathway=need.pathway,
            department=need.department,
            helper_id=offer.helper_id,
            round=offer.round,
            wave=offer.wave,
            rank=rank,
            known_to_citizen=offer.known_to_citizen,
            expires_at=expires_at,
            **facts,
        )
    )
    return offer


def _why_nobody(seat: Seat, policy: Policy) -> str:
    return "nobody_answered" if seat.asked or policy.asking.way == "claim" else "nobody_available"


def give_up(
    draft: Draft, no: int, reason: str, selection: Selection = NOBODY, *, waits: bool = True
) -> None:
    """Nobody is asked any more: the seat waits for capacity, or a human finds somebody."""
    draft.withdraw_offers("escalated", no)
    if waits and draft.policy.giving_up.way == "wait" and reason.startswith("nobody"):
        draft.set_seat(no, state="waiting", reason="capacity", due_at=None)
        decide(draft, no, "waits", selection)
        return
    asked = len(draft.seat(no).asked)
    draft.set_seat(no, state="escalated", reason=reason, due_at=None)
    decide(draft, no, reason, selection)
    draft.board.given_up.setdefault(draft.need_id, []).append(
        GivenUp(reason, asked, counts(selection.excluded))
    )
    for follower in followers(draft.board, draft.need):
        nobody_for_follower(Draft(draft.board, follower), reason)
