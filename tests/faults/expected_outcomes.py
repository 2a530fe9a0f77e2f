"""How each case of the small week ended, and how it must end.

That is: the hospital's last status, who comes along, who was notified of what. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import msgspec
from brobyg_kit.event import Event

from tests.e2e.small_week import CASES, Case

STATES = {
    "appointment.booked": "booked",
    "appointment.rescheduled": "booked",
    "appointment.completed": "completed",
    "appointment.missed": "missed",
    "appointment.cancelled": "cancelled",
}
#: What the hospital's last status comes to.
ENDS = {"fulfilled": "completed", "noshow": "missed", "cancelled": "cancelled"}


class EventFacts(msgspec.Struct, frozen=True):
    """The fields of an event's data that are compared here."""

    appointment_id: str = ""
    need_id: str = ""
    starts_at: datetime | None = None
    match_id: str = ""
    helper_id: str = ""
    notification_id: str = ""
    recipient_role: str = ""
    recipient_id: str = ""
    template: str = ""
    cause: str = ""
    kind: str = ""

    @property
    def about(self) -> str:
        """The appointment; its need has the same id."""
        return self.need_id or self.appointment_id


@dataclass(frozen=True)
class CaseOutcome:
    """How one appointment ended, but for which helper comes: another may be first to say yes."""

    state: str = "unknown"
    start: str = ""
    #: `matched` while one match is valid, for the last start; `released`; `escalated`; `nobody`
    #: where there was no search.
    company: str = "nobody"
    #: What the citizen, the coordinator and the helper who comes were told last.
    citizen: str = "nothing"
    coordinator: str = "nothing"
    helper: str = "nothing"
    #: Whether the last notification to each helper who was matched and does not come says so.
    released: str = "told"
    #: The thing that needed a human, by its kind.
    attention: str = "nothing"


@dataclass(frozen=True)
class HistoryEntry:
    """One event of an appointment's history."""

    kind: str
    facts: EventFacts
    event: Event


def expected(case: Case) -> CaseOutcome:
    """How the case ends in every week, whatever the fault."""
    if case.company == "nobody":
        return CaseOutcome()
    state, start = ENDS[case.steps[-1][1]], case.start.isoformat()
    outcome = CaseOutcome(state, start, case.company, attention=case.attention)
    if case.company == "escalated":
        return replace(outcome, coordinator="escalated")
    if case.company == "released":
        return replace(outcome, citizen="released_citizen")
    if case.reachable:
        return replace(outcome, citizen="matched_citizen", helper="matched_helper")
    return replace(outcome, coordinator="unreachable_citizen", helper="matched_helper")


def outcomes(events: Sequence[Event]) -> dict[str, CaseOutcome]:
    """How each case ended, by its name; an appointment that is no case's is there by its id."""
    histories: dict[str, list[HistoryEntry]] = {}
    # Events of one source are in order by `sequence`; nothing below depends on other orders.
    for event in sorted(events, key=lambda event: (event.source, event.subject, event.sequence)):
        facts = event.decode(EventFacts)
        if facts.about:
            entry = HistoryEntry(event.type.removeprefix("dk.brobyg."), facts, event)
            histories.setdefault(facts.about, []).append(entry)
    found = {
        _name(appointment_id, history): _outcome(history)
        for appointment_id, history in histories.items()
    }
    return {case.name: CaseOutcome() for case in CASES} | found


def differences(found: Mapping[str, CaseOutcome]) -> list[str]:
    """A sentence for each case that did not end as it must: what differs."""
    wanted = {case.name: expected(case) for case in CASES}
    others = {
        name: _other(outcome, wanted.get(name, CaseOutcome())) for name, outcome in found.items()
    }
    return [f"{name}: {', '.join(words)}" for name, words in others.items() if words]


def _other(found: CaseOutcome, wanted: CaseOutcome) -> list[str]:
    pairs = [
        (one.name, getattr(found, one.name), getattr(wanted, one.name))
        for one in fields(CaseOutcome)
    ]
    return [
        f"{name} is {is_!r} instead of {should!r}" for name, is_, should in pairs if is_ != should
    ]


def _name(appointment_id: str, history: Sequence[HistoryEntry]) -> str:
    starts = {one.facts.starts_at for one in history if one.kind == "appointment.booked"}
    names = [case.name for case in CASES if starts & {start for _, _, start in case.steps}]
    return names[0] if len(names) == 1 else f"appointment {appointment_id}"


def _outcome(history: Sequence[HistoryEntry]) -> CaseOutcome:
    state, start = _by_the_hospital(history)
    company, match = _company(history, start)
    # A released helper may be offered it again: an offer says nothing of the match.
    told = [
        one.facts
        for one in history
        if one.kind == "notification.sent" and one.facts.template != "offer"
    ]
    last = {(facts.recipient_role, facts.recipient_id): facts for facts in told}
    of_role = {role: facts for (role, _), facts in last.items()}
    raised = {one.facts.kind for one in history if one.kind == "attention.raised"}
    comes = match.facts.helper_id if match else ""
    gone = {one.facts.helper_id for one in history if one.kind == "volunteer.matched"} - {comes}
    released = {_template(last.get(("helper", helper_id)), None) for helper_id in gone}
    return CaseOutcome(
        state,
        start.isoformat() if start else "",
        company,
        citizen=_template(of_role.get("citizen"), match),
        coordinator=_template(of_role.get("coordinator"), None),
        helper=_template(last.get(("helper", comes)), match),
        released="told" if released <= {"released_helper"} else "not told",
        attention=" and ".join(sorted(raised)) or "nothing",
    )


def _by_the_hospital(history: Sequence[HistoryEntry]) -> tuple[str, datetime | None]:
    told = [one for one in history if one.kind in STATES]
    starts = [
        one.facts.starts_at
        for one in told
        if one.kind in {"appointment.booked", "appointment.rescheduled"}
    ]
    zone = CASES[0].start.tzinfo
    start = starts[-1].astimezone(zone) if starts and starts[-1] else None
    return (STATES[told[-1].kind] if told else "unknown"), start


def _company(
    history: Sequence[HistoryEntry], start: datetime | None
) -> tuple[str, HistoryEntry | None]:
    """What came of the search, and the match that is valid."""
    valid: dict[str, HistoryEntry] = {}
    came = "nobody"
    for one in history:
        if one.kind == "volunteer.matched":
            valid[one.facts.match_id] = one
        elif one.kind in {"match.released", "match.escalated"}:
            valid.pop(one.facts.match_id, None)
            came = one.kind.removeprefix("match.")
    if len(valid) > 1:
        return f"{len(valid)} matches at once", None
    match = next(iter(valid.values()), None)
    if match is None:
        return came, None
    return ("matched" if match.facts.starts_at == start else "matched for another time"), match


def _template(told: EventFacts | None, match: HistoryEntry | None) -> str:
    """The template; for an invitation also whether it was for the match that is valid."""
    if told is None:
        return "nothing"
    stale = told.template.startswith("matched_") and (match is None or told.cause != match.event.id)
    return f"{told.template} of a match that is not valid" if stale else told.template
