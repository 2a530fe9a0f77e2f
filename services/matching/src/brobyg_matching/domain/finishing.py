"""What follows from the changes to a need: its state, its timer, its resource, and attention."""

from datetime import datetime

from brobyg_contracts import MatchEscalated
from msgspec import UNSET

from brobyg_matching.domain.board import Board, Raised, Settled
from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.searching import AWAITED, ordinary_deadline
from brobyg_matching.domain.transitions import begin
from brobyg_matching.domain.way import clash_of


def finish(board: Board) -> None:
    """Bring what follows from the changes up to date: states, timers, resources, attention."""
    while board.again:
        need_id = next(iter(board.again))
        del board.again[need_id]
        need = board.needs[need_id]
        if need.state == "waiting":
            begin(Draft(board, need))
    for need_id in list(board.touched):
        _finish(Draft(board, board.needs[need_id]))
    board.touched.clear()
    board.given_up.clear()
    board.late.clear()


def _finish(draft: Draft) -> None:
    need, board = draft.need, draft.board
    if need.state in ("open", "filled"):
        draft.set(state="open" if need.missing else "filled")
        if not any(one.state in ("searching", "held", "filled") for one in need.seats):
            draft.free_resource()
    due = [one.due_at for one in draft.need.seats if one.state == "searching" and one.due_at]
    told_at = _told_at(draft)
    if told_at is not None and told_at > board.now:
        due.append(told_at)
    board.timers[need.need_id] = min(due, default=None)
    given_up = board.given_up.get(need.need_id, ())
    if given_up and draft.need.state == "open":
        last, other = given_up[-1], board.needs.get(draft.need.clashes_with or "")
        draft.emit(
            MatchEscalated(
                need_id=need.need_id,
                pathway=need.pathway,
                department=need.department,
                reason=last.reason,
                asked=sum(one.asked for one in given_up),
                missing=draft.need.missing,
                excluded=last.excluded,
                other_need_id=other.need_id if other else UNSET,
                other_location_id=(other and other.location_id) or UNSET,
                other_starts_at=(other and other.starts_at) or UNSET,
                other_ends_at=(other and other.ends_at) or UNSET,
                **draft.facts(),  # type: ignore[arg-type]  # by name, as the struct has them
            )
        )
    _raise_or_settle(draft, fresh=bool(given_up))


def _told_at(draft: Draft) -> datetime | None:
    """When a human is told that the need waits, for capacity or for the citizen's record.

    None where it does not, and where nothing presses. Without consent nothing is told.
    """
    need, board = draft.need, draft.board
    deadline = ordinary_deadline(need, draft.policy)
    if need.state == "waiting":
        consent = need.referral_id is None or board.consents.get(need.referral_id, False)
        over = need.ends_at is not None and need.ends_at <= board.now
        if deadline is None or not consent or (over and not need.attention):
            return None
        return max(deadline, need.opened_at + AWAITED)  # it may be on its way
    waits = draft.policy.giving_up.way == "wait" and any(
        one.state == "searching" or one.waits for one in need.seats
    )
    return deadline if waits else None


def _raise_or_settle(draft: Draft, *, fresh: bool) -> None:
    """Raise what needs a human now, and settle what no longer does."""
    need, board = draft.need, draft.board
    reasons = {o.reason for o in need.seats if o.state == "escalated" and o.reason}
    # Whoever has the seat has promised something else in the time that it takes now.
    reasons |= {o.reason for o in need.seats if o.state == "filled" and o.reason}
    late, wanted = need.need_id in board.late, set()
    told_at = _told_at(draft)
    if told_at is not None and told_at <= board.now:
        if need.state == "waiting":
            reasons = {"no_record"}
            wanted.add("nobody_found")
        else:
            reasons.add("nobody_available")
    # Searched or filled in spite of it, by a coordinator's word.
    in_spite = clash_of(board, need) if "clash" in need.attention else None
    clashes = need.state in ("open", "filled") and "clash" in reasons
    if clashes or (need.state == "open" and in_spite is not None):
        wanted.add("clash")
    if need.state == "open":
        if reasons - {"clash"}:
            wanted.add("nobody_found")
        if late or "late_cancellation" in need.attention:
            wanted.add("late_cancellation")
    raised = {*need.attention}
    for kind in sorted(raised - wanted):
        both = kind == "clash" and need.state == "filled" and in_spite is not None
        outcome = "both_kept" if both else None
        board.attention.append(Settled(kind, need.need_id, board.cause, outcome))
    again = {"late_cancellation": late, "clash": fresh and clashes}
    for kind in sorted(wanted):
        if kind not in raised or again.get(kind, fresh):
            _raise(draft, kind, tuple(sorted(reasons)))
    if raised != wanted:
        draft.set(attention=tuple(sorted(wanted)))


def _raise(draft: Draft, kind: str, reasons: tuple[str, ...]) -> None:
    need, now = draft.need, draft.board.now
    due_at = need.starts_at or need.answer_by
    soon = due_at is not None and (due_at - now).total_seconds() < 24 * 3600
    draft.board.attention.append(
        Raised(
            kind=kind,
            need_id=need.need_id,
            urgency="now" if soon or kind == "late_cancellation" else "today",
            department=need.department,
            reasons=reasons or (kind,),
            referral_id=need.referral_id,
            citizen_id=need.citizen_id,
            other_need_id=need.clashes_with,
            due_at=due_at,
            cause=draft.board.cause,
        )
    )
