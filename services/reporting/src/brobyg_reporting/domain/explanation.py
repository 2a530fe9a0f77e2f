"""Why a need's helpers were asked, or nobody: told from its events alone, however old they are.

Helpers and actors are ids. A word that is unknown here is shown as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec
from brobyg_contracts import EVENTS, events
from brobyg_contracts.reference import Reference
from brobyg_kit.event import EventData

from brobyg_reporting.domain.projection import given
from brobyg_reporting.domain.sentences import department_name, sentence
from brobyg_reporting.domain.words import POINTS, RULES, Wording, told

_Answer: TypeAlias = (
    events.OfferAccepted | events.OfferDeclined | events.OfferExpired | events.OfferWithdrawn
)
_ANSWERS: dict[type[_Answer], str] = {
    events.OfferAccepted: "accepted",
    events.OfferDeclined: "declined",
    events.OfferExpired: "expired",
    events.OfferWithdrawn: "withdrawn",
}
_Matched: TypeAlias = events.VolunteerMatched | events.StaffMatched


class PastEvent(NamedTuple):
    """An event as the log holds it."""

    time: datetime
    type: str
    data: bytes


class Candidate(msgspec.Struct, kw_only=True):
    """Somebody who could, what spoke for them, and what they answered."""

    helper_id: str
    #: Place in the order of asking; None for who was not asked.
    rank: int | None
    #: Points by soft rule, the most first, and their sum. Those for nearness are told nowhere.
    points: dict[str, int]
    total: int
    offer_id: str | None = None
    #: open, accepted, declined, expired or withdrawn; None for who was not asked.
    answer: str | None = None
    answered_at: datetime | None = None
    #: Why the offer was withdrawn.
    reason: str | None = None


class RuledOut(msgspec.Struct, kw_only=True):
    """Whom one rule ruled out: how many, and the ids that the decision names."""

    rule: str
    count: int
    helpers: Sequence[str]


class Decision(msgspec.Struct, kw_only=True):
    """One decision whom to ask for a seat."""

    time: datetime
    seat: int
    role: str
    round: int
    wave: int
    pathway: str
    policy_version: int
    outcome: str
    #: How many passed all hard rules, and how many of them were asked.
    could: int
    asked: int
    #: Those who could, best first; at most 50.
    considered: list[Candidate]
    ruled_out: list[RuledOut]
    #: Who did it and as what (coordinator, helper), where it was done by hand.
    actor: str | None = None
    actor_role: str | None = None


class Agreement(msgspec.Struct, kw_only=True):
    """One helper's agreement to a seat, and how it ended."""

    match_id: str
    seat: int
    role: str
    helper_id: str
    pool: str
    way: str
    policy_version: int
    matched_at: datetime
    released_at: datetime | None = None
    release_reason: str | None = None


class Line(msgspec.Struct):
    """What happened at a time, in words."""

    time: datetime
    type: str
    #: By language.
    sentence: dict[str, str]


class Explanation(msgspec.Struct, kw_only=True):
    """A need from its first event to its last."""

    need_id: str
    pathway: str | None = None
    about_kind: str | None = None
    about_id: str | None = None
    department: str | None = None
    department_name: str | None = None
    #: open or closed; None while only other services have told of it.
    state: str | None = None
    closed_reason: str | None = None
    #: The versions of the pathway's policy by which something was decided.
    policy_versions: list[int]
    decisions: list[Decision]
    matches: list[Agreement]
    story: list[Line]
    #: After how many events the history was cut: what came later is told nowhere here. None when
    #: all of it is told.
    cut_after: int | None = None


def explain(need_id: str, history: Sequence[PastEvent], reference: Reference) -> Explanation:
    """The need explained from the events about it, in the order in which they happened."""
    found = Explanation(need_id=need_id, policy_versions=[], decisions=[], matches=[], story=[])
    read = [(one, _decoded(one)) for one in history]
    several = any(getattr(event, "seat", 1) > 1 for _, event in read)
    for one, event in read:
        if isinstance(event, events.NeedOpened | events.NeedChanged):
            _describe(found, event, reference)
        elif isinstance(event, events.NeedClosed):
            found.state, found.closed_reason = "closed", event.reason
        elif isinstance(event, events.NeedDecided):
            found.decisions.append(_decision(one.time, event))
        found.story += _lines(need_id, one, event, reference, several_seats=several)
    _answer(found.decisions, read)
    _agree(found.matches, read)
    by_decision = {decision.policy_version for decision in found.decisions}
    found.policy_versions = sorted(by_decision | {match.policy_version for match in found.matches})
    return found


def _decoded(one: PastEvent) -> EventData | None:
    """What the event says; None for a type or a form that this code does not know."""
    kind = EVENTS.get(one.type)
    try:
        return None if kind is None else msgspec.json.decode(one.data, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def _describe(
    found: Explanation, event: events.NeedOpened | events.NeedChanged, reference: Reference
) -> None:
    found.state, found.closed_reason = "open", None
    found.pathway = event.pathway
    found.about_kind, found.about_id = event.about_kind, event.about_id
    found.department = event.department
    found.department_name = department_name(event.department, reference)


def _decision(time: datetime, event: events.NeedDecided) -> Decision:
    return Decision(
        time=time,
        seat=event.seat,
        role=event.role,
        round=event.round,
        wave=event.wave,
        pathway=event.pathway,
        policy_version=event.policy_version,
        outcome=event.outcome,
        could=event.could,
        asked=event.asked,
        considered=[
            Candidate(
                helper_id=one.helper_id,
                rank=given(one.rank),
                points=dict(sorted(one.points.items(), key=_most_first)),
                total=sum(one.points.values()),
            )
            for one in event.considered
        ],
        ruled_out=[
            RuledOut(rule=one.rule, count=one.count, helpers=one.helpers) for one in event.excluded
        ],
        actor=given(event.actor),
        actor_role=given(event.actor_role),
    )


def _most_first(points: tuple[str, int]) -> tuple[int, str]:
    rule, number = points
    return -number, rule


def _answer(
    decisions: Sequence[Decision], read: Sequence[tuple[PastEvent, EventData | None]]
) -> None:
    """Put the answers to whom they are of: a helper is asked about a seat once a round."""
    asked = {
        (one.seat, one.round, candidate.helper_id): candidate
        for one in decisions
        for candidate in one.considered
        if candidate.rank is not None
    }
    offered: dict[str, Candidate] = {}
    for one, event in read:
        if isinstance(event, events.OfferMade):
            candidate = asked.get((event.seat, event.round, event.helper_id))
            if candidate is not None:
                candidate.offer_id, candidate.answer = event.offer_id, "open"
                offered[event.offer_id] = candidate
        elif isinstance(event, _Answer) and event.offer_id in offered:
            candidate = offered[event.offer_id]
            candidate.answer, candidate.answered_at = _ANSWERS[type(event)], one.time
            if isinstance(event, events.OfferWithdrawn):
                candidate.reason = event.reason


def _agree(matches: list[Agreement], read: Sequence[tuple[PastEvent, EventData | None]]) -> None:
    by_id: dict[str, Agreement] = {}
    for one, event in read:
        if isinstance(event, _Matched):
            by_id[event.match_id] = Agreement(
                match_id=event.match_id,
                seat=event.seat,
                role=event.role,
                helper_id=event.helper_id,
                pool=event.pool,
                way=event.way,
                policy_version=event.policy_version,
                matched_at=one.time,
            )
        elif isinstance(event, events.MatchReleased) and event.match_id in by_id:
            by_id[event.match_id].released_at = one.time
            by_id[event.match_id].release_reason = event.reason
    matches += by_id.values()


#: What is said after an event's sentence: its property, in words.
_DETAILS = {
    "seat": Wording("Seat", "Plads"),
    "helper_id": Wording("Helper", "Hjælper"),
    "shares_with": Wording("Other need", "Andet behov"),
    "other_need_id": Wording("Other need", "Andet behov"),
    "actor": Wording("By", "Af"),
}


def _lines(
    need_id: str,
    one: PastEvent,
    event: EventData | None,
    reference: Reference,
    *,
    several_seats: bool,
) -> Iterator[Line]:
    en, da = sentence(one.type, one.data, reference)
    names_seat = several_seats and not isinstance(event, events.NeedDecided)
    for name, label in _DETAILS.items():
        value = given(getattr(event, name, None))
        if name == "other_need_id" and value == need_id:
            value = given(getattr(event, "need_id", None))  # told of the other of the two
        if value is not None and (name != "seat" or names_seat):
            en, da = f"{en} {label.en}: {value}.", f"{da} {label.da}: {value}."
    yield _line(one, Wording(en, da))
    if isinstance(event, events.NeedDecided):
        for said in _reasons(_decision(one.time, event)):
            yield _line(one, said)


def _line(one: PastEvent, said: Wording) -> Line:
    return Line(one.time, one.type, said._asdict())


#: How many helpers whom one rule ruled out, and who were not asked, the story names.
_NAMED = 3


def _reasons(decision: Decision) -> Iterator[Wording]:
    """A sentence for each rule that ruled somebody out, and for each who could.

    Long lists are cut and counted; the decision has them whole.
    """
    for out in decision.ruled_out:
        rule, regel = told(RULES, out.rule)
        more = out.count - len(out.helpers[:_NAMED])
        named = ", ".join(out.helpers[:_NAMED])
        yield Wording(
            f"Ruled out: {rule}: {out.count} ({named}{f' and {more} more' if more else ''}).",
            f"Udelukket: {regel}: {out.count} ({named}{f' og {more} til' if more else ''}).",
        )
    asked = [one for one in decision.considered if one.rank is not None]
    others = [one for one in decision.considered if one.rank is None][:_NAMED]
    for candidate in (*asked, *others):
        en, da = _points(candidate.points)
        if candidate.rank is None:
            first, foerst = "Could, and was not asked", "Kunne, og blev ikke spurgt"
        else:
            first, foerst = f"Number {candidate.rank}", f"Nummer {candidate.rank}"
        yield Wording(
            f"{first}: {candidate.helper_id}, {candidate.total} points beside nearness{en}.",
            f"{foerst}: {candidate.helper_id}, {candidate.total} point ud over nærhed{da}.",
        )
    if more := decision.could - len(asked) - len(others):
        yield Wording(f"And {more} more who could.", f"Og {more} til, som kunne.")


def _points(points: dict[str, int]) -> Wording:
    parts = [(told(POINTS, rule), number) for rule, number in points.items()]
    if not parts:
        return Wording("", "")
    return Wording(
        f" ({', '.join(f'{word.en} {number}' for word, number in parts)})",
        f" ({', '.join(f'{word.da} {number}' for word, number in parts)})",
    )
