"""Who can, and who is asked first. Hard rules leave out; soft rules only order."""

import msgspec

from brobyg_matching.domain.local_time import covers, date_of, week_of
from brobyg_matching.domain.travel import Itinerary, Policy
from brobyg_matching.domain.world import Commitment, Excluded, Reachable, Referral, World

#: All hard rules in the order they are tried; a volunteer is counted under the first that fails.
HARD_RULES: tuple[str, ...] = (
    "active", "pool", "language", "gender", "competence", "range", "blocked", "elsewhere", "weekly_limit", "availability", "notice",
)  # fmt: skip
_DAY = 86_400
_MASK = 0xFFFFFFFF


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the rules: an appointment with its itinerary. Instants in seconds."""

    appointment_id: str
    starts_at: int
    itinerary: Itinerary
    now: int
    #: How many candidates are wanted at the most.
    wanted: int
    skip: frozenset[str] = frozenset()
    first: str | None = None


class Points(msgspec.Struct, frozen=True):
    """Why somebody stands where they stand."""

    former: int
    known: int
    near: int
    fair: int

    @property
    def total(self) -> int:
        """The sum that orders."""
        return self.former + self.known + self.near + self.fair


class Candidate(msgspec.Struct, frozen=True):
    """Somebody who can, with the span it takes of them. Instants in seconds."""

    volunteer_id: str
    distance_metres: int
    leave_at: int
    home_at: int
    known: bool
    points: Points


class Selection(msgspec.Struct, frozen=True):
    """The best of those who can, in order; how many can; and everybody who can't by the first rule that fails."""

    candidates: list[Candidate]
    could: int
    excluded: Excluded

    def counts(self) -> dict[str, int]:
        """How many each rule left out; rules that left out nobody are absent."""
        return {rule: len(self.excluded[rule]) for rule in HARD_RULES if rule in self.excluded}


def select(world: World, referral: Referral, policy: Policy, question: Question) -> Selection:
    """Apply hard rules, then soft ones. The same input gives the same answer in the same order."""
    way = question.itinerary
    shortlist = world.roster.shortlist(
        referral.department, policy, referral.needs, way.meeting_place, way.parting_place
    )
    excluded = {rule: list(ids) for rule, ids in shortlist.excluded.items()}
    earliest = question.now + policy.matching.latest_offer_minutes * 60
    day, week = date_of(question.starts_at), week_of(question.starts_at)
    scored: list[tuple[int, int, str, Reachable]] = []
    seed, acquainted = int(question.appointment_id[-12:], 16), world.acquainted(referral.citizen_id)
    commitments = world.commitments
    for reachable in shortlist.reachable:
        who, profile = reachable.volunteer_id, reachable.profile
        if who in question.skip:
            continue
        leave_at, home_at = (
            way.meet_at - reachable.out_seconds,
            way.part_at + reachable.back_seconds,
        )
        if world.blocks and (who, referral.citizen_id) in world.blocks:
            rule: str | None = "blocked"
        elif who in commitments or reachable.weekly_limit < 1:
            mine = commitments.get(who)
            rule = promise_broken(
                mine, question.appointment_id, leave_at, home_at, week, reachable.weekly_limit
            )
        else:
            rule = None
        if rule is None and not covers(
            profile.days.get(day) or profile.free(day), leave_at, home_at
        ):
            rule = "availability"
        if rule is None and leave_at < earliest:
            rule = "notice"  # the last: whom it names could come, if only there were time to ask
        if rule is not None:
            excluded.setdefault(rule, []).append(who)
        else:
            points = _points(world, policy, question, reachable, who in acquainted).total
            scored.append((-points, ((profile.tie ^ seed) * 2_654_435_761) & _MASK, who, reachable))
    scored.sort(key=_order)
    best = [
        _candidate(world, policy, question, entry[3], entry[2] in acquainted)
        for entry in scored[: question.wanted]
    ]
    return Selection(best, len(scored), excluded)


def _order(entry: tuple[int, int, str, Reachable]) -> tuple[int, int, str]:
    return entry[:3]


def _candidate(
    world: World, policy: Policy, question: Question, reachable: Reachable, known: bool
) -> Candidate:
    return Candidate(
        reachable.volunteer_id,
        reachable.distance_metres,
        question.itinerary.meet_at - reachable.out_seconds,
        question.itinerary.part_at + reachable.back_seconds,
        known,
        _points(world, policy, question, reachable, known),
    )


def promise_broken(
    mine: dict[str, Commitment] | None,
    appointment_id: str,
    leave_at: int,
    home_at: int,
    week: int,
    weekly_limit: int,
) -> str | None:
    """The rule about a volunteer's other promises that this span would break: `elsewhere`, `weekly_limit`, or None."""
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


def _points(
    world: World, policy: Policy, question: Question, reachable: Reachable, known: bool
) -> Points:
    """Known counts whole; near by the share of the range left over; fair by how little is promised and asked already.

    The shorter the notice, the more near counts: somebody close can still make it.
    """
    weights, who = policy.matching.weights, reachable.volunteer_id
    short = question.starts_at - question.now < policy.matching.short_notice_minutes * 60
    near = weights.near_at_short_notice if short else weights.near
    former = 10_000 if who == question.first else 0
    fair = int(weights.fair * _leisure(world, policy, question, reachable))
    return Points(former, weights.known if known else 0, int(near * reachable.nearness), fair)


def _leisure(world: World, policy: Policy, question: Question, reachable: Reachable) -> float:
    """From 1 for somebody with nothing promised or asked around the appointment to 0 for the weekly limit kept up all the time."""
    days = policy.matching.fair_share_days
    mine = world.commitments.get(reachable.volunteer_id)
    load = (
        sum(abs(c.starts_at - question.starts_at) <= days * _DAY for c in mine.values())
        if mine
        else 0
    )
    load += world.open_offers.get(reachable.volunteer_id, 0)
    return max(0.0, 1 - load * 7 / (days * max(1, reachable.weekly_limit)))
