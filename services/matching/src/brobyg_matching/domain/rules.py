"""Who can come along, and who is asked first. Hard rules exclude; soft rules only order."""

from collections.abc import Mapping
from operator import itemgetter

import msgspec

from brobyg_matching.domain.local_time import covers, date_of, week_of
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.roster import Excluded, Reachable
from brobyg_matching.domain.snapshot import Commitment, Snapshot
from brobyg_matching.domain.travel import Itinerary, Policy

#: All hard rules in the order they are tried; a volunteer counts under the first that fails.
HARD_RULES: tuple[str, ...] = (
    "active", "pool", "language", "gender", "competence", "range", "blocked", "elsewhere",
    "weekly_limit", "availability", "notice",
)  # fmt: skip
#: Puts whoever had accepted before a move at the head of the order.
_FORMER = 10_000
_DAY = 86_400
_MASK = 0xFFFFFFFF

#: The points of `Points`, in its order.
_Score = tuple[int, int, int, int]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the rules: an appointment with its itinerary. Seconds since 1970 UTC."""

    appointment_id: str
    starts_at: int
    itinerary: Itinerary
    now: int
    #: How many candidates are wanted at most.
    wanted: int
    #: Volunteers who are not considered.
    skip: frozenset[str] = frozenset()
    #: Who comes first if the rules still allow it.
    first: str | None = None


class Points(msgspec.Struct, frozen=True, gc=False):
    """Why somebody has their place in the order."""

    former: int
    known: int
    near: int
    fair: int

    @property
    def total(self) -> int:
        """The sum that orders."""
        return self.former + self.known + self.near + self.fair


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """Somebody who can, with the time it takes of them in seconds since 1970 UTC."""

    volunteer_id: str
    distance_metres: int
    leave_at: int
    home_at: int
    known: bool
    points: Points


class Selection(msgspec.Struct, frozen=True):
    """The best of those who can, in order, and everybody who can't by the first failed rule."""

    candidates: list[Candidate]
    #: How many can.
    could: int
    excluded: Excluded

    def counts(self) -> dict[str, int]:
        """How many each rule excluded; rules that excluded nobody are absent."""
        return {rule: len(self.excluded[rule]) for rule in HARD_RULES if rule in self.excluded}


def select(snapshot: Snapshot, referral: Referral, policy: Policy, question: Question) -> Selection:
    """Apply the hard rules, then the soft ones. Equal input gives equal answers in equal order."""
    itinerary = question.itinerary
    shortlist = snapshot.roster.shortlist(
        referral.department,
        policy,
        referral.needs,
        itinerary.meeting_place,
        itinerary.parting_place,
    )
    excluded = {rule: list(ids) for rule, ids in shortlist.excluded.items()}
    earliest = question.now + policy.matching.latest_offer_minutes * 60
    day, week = date_of(question.starts_at), week_of(question.starts_at)
    scored: list[tuple[int, int, str, Reachable]] = []
    seed = int(question.appointment_id[-12:], 16)
    acquainted = snapshot.known_to(referral.citizen_id)
    commitments, blocks, skip = snapshot.commitments, snapshot.blocks, question.skip
    citizen_id = referral.citizen_id
    soft = _SoftRules(snapshot, policy, question)
    for reachable in shortlist.reachable:
        who, profile = reachable.volunteer_id, reachable.profile
        if who in skip:
            continue
        leave_at = itinerary.meet_at - reachable.out_seconds
        home_at = itinerary.part_at + reachable.back_seconds
        if blocks and (who, citizen_id) in blocks:
            rule: str | None = "blocked"
        elif who in commitments or reachable.weekly_limit < 1:
            mine = commitments.get(who)
            rule = commitment_rule_broken(
                mine, question.appointment_id, leave_at, home_at, week, reachable.weekly_limit
            )
        else:
            rule = None
        if rule is None and not covers(
            profile.days.get(day) or profile.free(day), leave_at, home_at
        ):
            rule = "availability"
        if rule is None and leave_at < earliest:
            rule = "notice"  # the last: it names who could come if there were time to ask
        if rule is not None:
            excluded.setdefault(rule, []).append(who)
        else:
            points = sum(soft.score(reachable, who in acquainted))
            scored.append((-points, ((profile.tie ^ seed) * 2_654_435_761) & _MASK, who, reachable))
    scored.sort(key=itemgetter(0, 1, 2))
    best = [
        _candidate(question, soft, entry[3], entry[2] in acquainted)
        for entry in scored[: question.wanted]
    ]
    return Selection(best, len(scored), excluded)


def _candidate(
    question: Question, soft: "_SoftRules", reachable: Reachable, known: bool
) -> Candidate:
    return Candidate(
        reachable.volunteer_id,
        reachable.distance_metres,
        question.itinerary.meet_at - reachable.out_seconds,
        question.itinerary.part_at + reachable.back_seconds,
        known,
        Points(*soft.score(reachable, known)),
    )


def commitment_rule_broken(
    mine: Mapping[str, Commitment] | None,
    appointment_id: str,
    leave_at: int,
    home_at: int,
    week: int,
    weekly_limit: int,
) -> str | None:
    """The rule about other commitments that this span would break.

    `elsewhere`, `weekly_limit` or None. `mine` are the volunteer's commitments; one to the same
    appointment does not count.
    """
    if not mine:
        return "weekly_limit" if weekly_limit < 1 else None
    this_week = 0
    for other in mine.values():
        if other.appointment_id == appointment_id:
            continue
        if other.leave_at < home_at and leave_at < other.home_at:
            return "elsewhere"
        this_week += other.week == week
    return "weekly_limit" if this_week >= weekly_limit else None


class _SoftRules:
    """The soft rules for one question.

    Known counts whole; near by the share of the range left over; fair by how little is promised
    and asked already. At short notice near counts more: somebody close can still come.
    """

    __slots__ = ("days", "fair", "first", "known", "near", "snapshot", "starts_at")

    def __init__(self, snapshot: Snapshot, policy: Policy, question: Question) -> None:
        matching = policy.matching
        weights = matching.weights
        short = question.starts_at - question.now < matching.short_notice_minutes * 60
        self.near = weights.near_at_short_notice if short else weights.near
        self.known, self.fair, self.days = weights.known, weights.fair, matching.fair_share_days
        self.snapshot, self.starts_at = snapshot, question.starts_at
        self.first = question.first

    def score(self, reachable: Reachable, known: bool) -> _Score:
        """The points of a candidate."""
        who, load = reachable.volunteer_id, 0
        if mine := self.snapshot.commitments.get(who):
            window = self.days * _DAY
            load = sum(abs(c.starts_at - self.starts_at) <= window for c in mine.values())
        load += self.snapshot.open_offers.get(who, 0)
        # 1 with nothing promised or asked, 0 with the weekly limit kept up all the time.
        unused_share = 1 - load * 7 / (self.days * (reachable.weekly_limit or 1))
        return (
            _FORMER if who == self.first else 0,
            self.known if known else 0,
            int(self.near * reachable.nearness),
            int(self.fair * unused_share) if unused_share > 0 else 0,
        )
