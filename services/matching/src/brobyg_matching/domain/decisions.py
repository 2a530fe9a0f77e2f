"""What a decision says of helpers: bounded, and silent about what the citizen speaks or wishes.

How near a helper lives to where the two meet is not told either: it would tell where that is.
"""

from typing import Literal

import msgspec
from brobyg_contracts import ConsideredHelper, ExcludedHelpers, NeedDecided
from msgspec import UNSET

from brobyg_matching.domain.draft import Draft
from brobyg_matching.domain.roster import Excluded
from brobyg_matching.domain.rules import HARD_RULES, Selection

#: Rules whose names would tell what is said of the citizen. They are told as NOT_SUITABLE.
_TELLING = frozenset({"language", "gender", "mobility"})
NOT_SUITABLE = "not_suitable"
#: Ids of helpers ruled out, of all rules together and of one: a decision has at most 16 KB.
_MAX_NAMED = 150
_MAX_NAMED_BY_RULE = 50
#: What is found where nobody is looked at.
NOBODY = Selection([], 0, {})


class Actor(msgspec.Struct, frozen=True):
    """Who does something by hand: a coordinator's token subject, or a helper's id."""

    actor: str
    role: Literal["coordinator", "helper"]


def decide(
    draft: Draft,
    no: int,
    outcome: str,
    selection: Selection = NOBODY,
    asked: int = 0,
    already: int = 0,
    by: Actor | None = None,
) -> None:
    """Tell why the seat's helpers were asked, or nobody. The first `asked` candidates were.

    `by` says who did it, where somebody did it by hand.
    """
    need, seat = draft.need, draft.seat(no)
    draft.emit(
        NeedDecided(
            need_id=need.need_id,
            seat=no,
            role=seat.role,
            pathway=need.pathway,
            policy_version=draft.policy.version,
            department=need.department,
            round=max(1, seat.round),
            wave=max(1, seat.wave),
            outcome=outcome,
            could=selection.could,
            asked=asked,
            considered=considered(selection, asked, already),
            excluded=excluded(selection.excluded),
            referral_id=need.referral_id or UNSET,
            citizen_id=need.citizen_id or UNSET,
            actor=by.actor if by else UNSET,
            actor_role=by.role if by else UNSET,
        )
    )


def _told(excluded: Excluded) -> dict[str, list[str]]:
    """Whom each rule ruled out, by the name that the rule is told by, in the rules' order."""
    told: dict[str, list[str]] = {}
    for rule in HARD_RULES:
        if rule in excluded:
            name = NOT_SUITABLE if rule in _TELLING else rule
            told[name] = [*told[name], *excluded[rule]] if name in told else excluded[rule]
    return told


def counts(excluded: Excluded) -> dict[str, int]:
    """How many each rule ruled out; rules that ruled out nobody are absent."""
    return {rule: len(ids) for rule, ids in _told(excluded).items()}


def excluded(given: Excluded) -> tuple[ExcludedHelpers, ...]:
    """Whom each rule ruled out: all counted, the first by id named."""
    told = _told(given)
    most = min(_MAX_NAMED_BY_RULE, _MAX_NAMED // max(1, len(told)))
    return tuple(
        ExcludedHelpers(rule=rule, count=len(ids), helpers=tuple(sorted(ids)[:most]))
        for rule, ids in told.items()
    )


def considered(selection: Selection, asked: int, already: int) -> tuple[ConsideredHelper, ...]:
    """Those who could, best first; the first `asked` of them have ranks from `already` + 1."""
    told = []
    for number, candidate in enumerate(selection.candidates, 1):
        former, known, _, fair = candidate.score
        points = {"fair": fair}
        if known:
            points["known"] = known
        if former:
            points["former"] = former
        told.append(
            ConsideredHelper(
                helper_id=candidate.helper.helper_id,
                points=points,
                rank=already + number if number <= asked else UNSET,
            )
        )
    return tuple(told)
