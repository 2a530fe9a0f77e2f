"""How the small week ended, case by case: what the hospital said last, who comes along, who was told; and how it must end. Pure."""

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
ENDS = {"fulfilled": "completed", "noshow": "missed", "cancelled": "cancelled"}
"""What the hospital's last status comes to."""


class Said(msgspec.Struct, frozen=True):
    """What of an event's data is looked at here."""

    appointment_id: str = ""
    starts_at: datetime | None = None
    match_id: str = ""
    volunteer_id: str = ""
    notification_id: str = ""
    recipient_role: str = ""
    recipient_id: str = ""
    template: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Ending:
    """How one appointment ended. Which volunteer comes is left out: on another machine another may be first to say yes."""

    state: str = "unknown"
    start: str = ""
    company: str = "nobody"
    """`matched` while one match stands, for the last start; `released`; `escalated`; `nobody` where nobody was looked for."""
    citizen: str = "nothing"
    """What the citizen was told last."""
    coordinator: str = "nothing"
    """What the coordinator was told last."""
    volunteer: str = "nothing"
    """What the volunteer who comes was told last."""
    let_go: str = "told"
    """Whether everybody who was matched once and does not come was told so, last of all."""


@dataclass(frozen=True)
class Happened:
    """One event of an appointment's history."""

    kind: str
    said: Said
    event: Event


def expected(case: Case) -> Ending:
    """How the case ends in every week, whatever is struck."""
    if case.company == "nobody":
        return Ending()
    ending = Ending(ENDS[case.steps[-1][1]], case.start.isoformat(), case.company)
    if case.company == "escalated":
        return replace(ending, coordinator="escalated")
    if case.company == "released":
        return replace(ending, citizen="released_citizen")
    if case.reachable:
        return replace(ending, citizen="matched_citizen", volunteer="matched_volunteer")
    return replace(ending, coordinator="unreachable_citizen", volunteer="matched_volunteer")


def endings(events: Sequence[Event]) -> dict[str, Ending]:
    """How each case ended by the event history, by its name; an appointment that is no case's stands under its id."""
    histories: dict[str, list[Happened]] = {}
    # Within one source an appointment's events have their order by `sequence`; between sources nothing below depends on it.
    for event in sorted(events, key=lambda event: (event.source, event.subject, event.sequence)):
        said = event.decode(Said)
        if said.appointment_id:
            happened = Happened(event.type.removeprefix("dk.brobyg."), said, event)
            histories.setdefault(said.appointment_id, []).append(happened)
    found = {
        _name(appointment_id, history): _ending(history)
        for appointment_id, history in histories.items()
    }
    return {case.name: Ending() for case in CASES} | found


def differences(found: Mapping[str, Ending]) -> list[str]:
    """Each case that did not end as it must, in a sentence that says what is other; empty when all did."""
    wanted = {case.name: expected(case) for case in CASES}
    others = {name: _other(ending, wanted.get(name, Ending())) for name, ending in found.items()}
    return [f"{name}: {', '.join(words)}" for name, words in others.items() if words]


def _other(found: Ending, wanted: Ending) -> list[str]:
    pairs = [
        (one.name, getattr(found, one.name), getattr(wanted, one.name)) for one in fields(Ending)
    ]
    return [
        f"{name} is {is_!r} instead of {should!r}" for name, is_, should in pairs if is_ != should
    ]


def _name(appointment_id: str, history: Sequence[Happened]) -> str:
    starts = {one.said.starts_at for one in history if one.kind == "appointment.booked"}
    names = [case.name for case in CASES if starts & {start for _, _, start in case.steps}]
    return names[0] if len(names) == 1 else f"appointment {appointment_id}"


def _ending(history: Sequence[Happened]) -> Ending:
    state, start = _by_the_hospital(history)
    company, match = _company(history, start)
    # A volunteer who was let go may be asked again: that question changes nothing in what was told of the match.
    told = [
        one.said
        for one in history
        if one.kind == "notification.sent" and one.said.template != "offer"
    ]
    last = {(said.recipient_role, said.recipient_id): said for said in told}
    of_role = {role: said for (role, _), said in last.items()}
    comes = match.said.volunteer_id if match else ""
    gone = {one.said.volunteer_id for one in history if one.kind == "volunteer.matched"} - {comes}
    let_go = {_template(last.get(("volunteer", volunteer_id)), None) for volunteer_id in gone}
    return Ending(
        state,
        start.isoformat() if start else "",
        company,
        citizen=_template(of_role.get("citizen"), match),
        coordinator=_template(of_role.get("coordinator"), None),
        volunteer=_template(last.get(("volunteer", comes)), match),
        let_go="told" if let_go <= {"released_volunteer"} else "not told",
    )


def _by_the_hospital(history: Sequence[Happened]) -> tuple[str, datetime | None]:
    told = [one for one in history if one.kind in STATES]
    starts = [
        one.said.starts_at
        for one in told
        if one.kind in {"appointment.booked", "appointment.rescheduled"}
    ]
    zone = CASES[0].start.tzinfo
    start = starts[-1].astimezone(zone) if starts and starts[-1] else None
    return (STATES[told[-1].kind] if told else "unknown"), start


def _company(history: Sequence[Happened], start: datetime | None) -> tuple[str, Happened | None]:
    """What came of the search, and the match that stands."""
    standing: dict[str, Happened] = {}
    came = "nobody"
    for one in history:
        if one.kind == "volunteer.matched":
            standing[one.said.match_id] = one
        elif one.kind in {"match.released", "match.escalated"}:
            standing.pop(one.said.match_id, None)
            came = one.kind.removeprefix("match.")
    if len(standing) > 1:
        return f"{len(standing)} matches at once", None
    match = next(iter(standing.values()), None)
    if match is None:
        return came, None
    return ("matched" if match.said.starts_at == start else "matched for another time"), match


def _template(told: Said | None, match: Happened | None) -> str:
    """What was told; of an invitation also whether it was for the match that stands."""
    if told is None:
        return "nothing"
    stale = told.template.startswith("matched_") and (match is None or told.cause != match.event.id)
    return f"{told.template} of a match that does not stand" if stale else told.template
