"""Who can, and who is asked first. Hard rules exclude; soft rules only order."""

from collections.abc import Mapping
from datetime import date
from heapq import nsmallest

import msgspec

from brobyg_matching.domain.diary import Diary
from brobyg_matching.domain.local_time import covers, date_of, week_of
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
SCORES = ("former", "known", "near", "fair")


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
    """Somebody who can, with why and when. Seconds since 1970 UTC."""

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
    timely = _Timely(diary, policy, question)
    soft = _Soft(diary, policy, question)
    seed = int(question.need_id[-12:], 16)
    scored: list[tuple[int, int, int, str, Candidate]] = []
    for helper in shortlist.reachable:
        who = helper.helper_id
        if who in question.skip:
            continue
        rule = timely.broken(helper)
        if rule is not None:
            excluded.setdefault(rule, []).append(who)
            continue
        known = who in question.known
        score = soft.score(helper, known=known)
        order = ((helper.profile.tie ^ seed) * 2_654_435_761) & _MASK
        first = -sum(score)
        if question.turns is not None:
            first = -1 if who == question.first else question.turns.get(who, 0)
        near = (helper.distance_metres or 0) if question.nearest else 0
        scored.append((first, near, order, who, Candidate(helper, known, score)))
    best = nsmallest(MAX_CONSIDERED, scored, key=_order)
    return Selection([entry[4] for entry in best], len(scored), excluded)


def _order(entry: tuple[int, int, int, str, Candidate]) -> tuple[int, int, int, str]:
    return entry[:4]


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


def papers_hold(helper: Reachable, day: date) -> bool:
    """Whether all papers of the helper still hold on this day."""
    return helper.until is None or helper.until >= day


class _Timely:
    """The hard rules that depend on the time, for one question."""

    __slots__ = ("day", "diary", "earliest", "question", "way")

    def __init__(self, diary: Diary, policy: Policy, question: Question) -> None:
        self.diary, self.question, self.way = diary, question, question.itinerary
        self.earliest = question.now + policy.asking.latest_offer_minutes * 60
        self.day = date_of(question.starts_at or question.now)

    def broken(self, helper: Reachable) -> str | None:
        """The first rule that fails, or None."""
        question = self.question
        if question.blocked and helper.helper_id in question.blocked:
            return "blocked"
        if helper.until is not None and not papers_hold(helper, self.day):
            return "paper"
        span = span_of(helper, self.way)
        rule = capacity_rule_broken(self.diary, helper, span, question.own)
        if rule is not None or span is None:
            return rule
        profile = helper.profile
        if not covers(profile.days.get(self.day) or profile.free(self.day), *span):
            return "availability"
        # The last: it names who could come if there were time to ask.
        return "notice" if span[0] < self.earliest else None


class _Soft:
    """The soft rules for one question.

    Known counts whole; near by the share of the range left over; fair by how little is promised
    and asked already. At short notice near counts more: somebody close can still make it.
    """

    __slots__ = ("days", "diary", "fair", "first", "known", "near", "open", "starts_at")

    def __init__(self, diary: Diary, policy: Policy, question: Question) -> None:
        weights, start = policy.weights, question.starts_at
        notice = policy.asking.short_notice_minutes * 60
        short = start is not None and start - question.now < notice
        self.near = weights.near_at_short_notice if short else weights.near
        self.known, self.fair, self.days = weights.known, weights.fair, weights.fair_share_days
        self.diary, self.starts_at, self.first = diary, start, question.first
        self.open = question.open_offers

    def score(self, helper: Reachable, *, known: bool) -> Score:
        """The points of a candidate."""
        who = helper.helper_id
        load = self.open.get(who, 0)
        if self.starts_at is None:
            leisure = 1 - (load + self.diary.cases.get(who, 0)) / (helper.case_limit or 1)
        else:
            window, start = self.days * _DAY, self.starts_at
            for one in self.diary.of(who).values():
                load += one.exclusive and -window <= (one.since or 0) - start <= window
            # 1 with nothing promised or asked, 0 with the weekly limit kept up all the time.
            leisure = 1 - load * 7 / (self.days * (helper.weekly_limit or 1))
        return (
            _FORMER if who == self.first else 0,
            self.known if known else 0,
            int(self.near * helper.nearness),
            int(self.fair * leisure) if leisure > 0 else 0,
        )
