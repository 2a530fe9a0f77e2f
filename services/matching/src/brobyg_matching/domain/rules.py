"""Who can, and who is asked first. Hard rules exclude; soft rules only order."""

from collections.abc import Callable, Mapping
from operator import itemgetter

import msgspec

from brobyg_matching.domain.diary import Diary
from brobyg_matching.domain.local_time import date_of, day_of, week_of
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.roster import Excluded, Reachable, Shortlist
from brobyg_matching.domain.travel import Itinerary

#: All hard rules in the order they are tried; a helper counts under the first that fails.
HARD_RULES: tuple[str, ...] = (
    "active", "pool", "paper", "language", "gender", "mobility", "competence", "range", "blocked",
    "elsewhere", "weekly_limit", "caseload", "availability", "notice",
)  # fmt: skip
#: How many of those who could are named in a decision.
MAX_CONSIDERED = 50
#: Puts whoever had the seat before a change at the head of the order.
_FORMER = 10_000
_DAY = 86_400
_MASK = 0xFFFFFFFF

#: Points by former, known, near, fair.
Score = tuple[int, int, int, int]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the rules. Seconds since 1970 UTC."""

    need_id: str
    #: Needs whose bookings do not stand in the way: this one, and those of the same way.
    own: frozenset[str]
    starts_at: int | None
    itinerary: Itinerary
    now: int
    #: Helpers who are not considered.
    skip: frozenset[str] = frozenset()
    #: Who comes first if the rules still allow it.
    first: str | None = None
    #: Helpers who have helped the citizen before.
    known: frozenset[str] = frozenset()
    #: Helpers who are not brought together with the citizen.
    blocked: frozenset[str] = frozenset()
    #: How many offers are open to each helper.
    open_offers: Mapping[str, int] = {}
    #: When each helper was last asked in turn, where that decides the order.
    turns: Mapping[str, int] | None = None
    #: Whether the nearest comes first among equals.
    nearest: bool = False


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """Somebody who can, and why they have their place in the order."""

    helper: Reachable
    known: bool
    score: Score

    @property
    def helper_id(self) -> str:
        """Who it is."""
        return self.helper.helper_id


class Selection(msgspec.Struct, frozen=True):
    """The best of those who can, in order, and everybody who can't by the first failed rule."""

    #: MAX_CONSIDERED at most.
    candidates: list[Candidate]
    #: How many can.
    could: int
    excluded: Excluded


def select(shortlist: Shortlist, diary: Diary, policy: Policy, question: Question) -> Selection:
    """Apply the hard rules, then the soft ones. Equal input gives equal answers in equal order."""
    excluded = {rule: list(ids) for rule, ids in shortlist.excluded.items()}
    broken, score = _hard(diary, policy, question), _soft(diary, policy, question)
    seed, skip, known = int(question.need_id[-12:], 16), question.skip, question.known
    turns, first = question.turns, question.first
    scored: list[tuple[int, int, int, str, Reachable, Score]] = []
    for helper in shortlist.reachable:
        who = helper.helper_id
        if who in skip:
            continue
        rule = broken(helper)
        if rule is not None:
            excluded.setdefault(rule, []).append(who)
            continue
        points = score(helper, who in known)
        if turns is None:
            place = -sum(points)
        else:
            place = -1 if who == first else turns.get(who, 0)
        near = (helper.distance_metres or 0) if question.nearest else 0
        mixed = ((helper.profile.tie ^ seed) * 2_654_435_761) & _MASK
        scored.append((place, near, mixed, who, helper, points))
    scored.sort(key=itemgetter(0, 1, 2, 3))
    best = [
        Candidate(helper, who in known, points)
        for _, _, _, who, helper, points in scored[:MAX_CONSIDERED]
    ]
    return Selection(best, len(scored), excluded)


def joined(one: Selection, other: Selection) -> Selection:
    """Both, the second after the first; whoever is ruled out in both counts once."""
    excluded = {rule: list(ids) for rule, ids in one.excluded.items()}
    named = {helper for ids in excluded.values() for helper in ids}
    for rule, ids in other.excluded.items():
        excluded.setdefault(rule, []).extend(who for who in ids if who not in named)
    candidates = [*one.candidates, *other.candidates][:MAX_CONSIDERED]
    return Selection(candidates, one.could + other.could, excluded)


def span_of(helper: Reachable, way: Itinerary) -> tuple[int, int] | None:
    """The helper's whole time from leaving home to being back; None without a span."""
    if way.meet_at is None or way.part_at is None:
        return None
    return way.meet_at - helper.out_seconds, way.part_at + helper.back_seconds


def capacity_rule_broken(
    diary: Diary, helper: Reachable, span: tuple[int, int] | None, own: frozenset[str]
) -> str | None:
    """The rule about what the helper has already that this would break, or None.

    `elsewhere`, `weekly_limit` or `caseload`. What is booked for the needs `own` does not count.
    """
    who = helper.helper_id
    if span is None:
        return "caseload" if diary.cases.get(who, 0) >= helper.case_limit else None
    mine = diary.of(who)
    if not mine:
        return "weekly_limit" if helper.weekly_limit < 1 else None
    since, until = span
    week, this_week = week_of(since), 0
    for other in mine.values():
        if not other.exclusive or other.need_id in own or other.since is None:
            continue
        if other.since < until and since < (other.until or 0):
            return "elsewhere"
        this_week += other.week == week
    return "weekly_limit" if this_week >= helper.weekly_limit else None


def _hard(diary: Diary, policy: Policy, question: Question) -> Callable[[Reachable], str | None]:
    """The hard rules that depend on the time, for one question: the first that fails, or None.

    A function of local names, as it is called for every helper of every search.
    """
    itinerary, own, blocked = question.itinerary, question.own, question.blocked
    meet_at, part_at = itinerary.meet_at, itinerary.part_at
    earliest = question.now + policy.asking.latest_offer_minutes * 60
    date = date_of(question.starts_at or question.now)
    day, bookings = day_of(date), diary.bookings

    def broken(helper: Reachable) -> str | None:
        """The first rule that rules the helper out, or None."""
        who = helper.helper_id
        if blocked and who in blocked:
            return "blocked"
        if helper.until is not None and helper.until < date:
            return "paper"
        if meet_at is None or part_at is None:
            return capacity_rule_broken(diary, helper, None, own)
        leave_at, home_at = meet_at - helper.out_seconds, part_at + helper.back_seconds
        if bookings.get(who) or helper.weekly_limit < 1:
            rule = capacity_rule_broken(diary, helper, (leave_at, home_at), own)
            if rule is not None:
                return rule
        if not helper.profile.is_free(day, leave_at, home_at):
            return "availability"
        # The last: it names who could come if there were time to ask.
        return "notice" if leave_at < earliest else None

    return broken


def _soft(diary: Diary, policy: Policy, question: Question) -> Callable[[Reachable, bool], Score]:
    """The soft rules for one question: the points of a helper, who has helped before or not.

    Known counts whole; near by the share of the range left over; fair by how little is promised
    and asked already. At short notice near counts more: somebody close can still come.
    """
    weights, start, first = policy.weights, question.starts_at, question.first
    notice, days = policy.asking.short_notice_minutes * 60, weights.fair_share_days
    short = start is not None and start - question.now < notice
    for_near = weights.near_at_short_notice if short else weights.near
    for_known, for_fair = weights.known, weights.fair
    window, bookings, asked = days * _DAY, diary.bookings, question.open_offers

    def score(helper: Reachable, known: bool) -> Score:
        """The helper's points; `known` when they have helped the citizen before."""
        who = helper.helper_id
        load = asked.get(who, 0)
        if start is None:
            unused = 1 - (load + diary.cases.get(who, 0)) / (helper.case_limit or 1)
        else:
            if mine := bookings.get(who):
                for one in mine.values():
                    load += one.exclusive and -window <= (one.since or 0) - start <= window
            # 1 with nothing promised or asked, 0 with the weekly limit kept up all the time.
            unused = 1 - load * 7 / (days * (helper.weekly_limit or 1))
        return (
            _FORMER if who == first else 0,
            for_known if known else 0,
            int(for_near * helper.nearness),
            int(for_fair * unused) if unused > 0 else 0,
        )

    return score
