"""From the bytes of a FHIR resource to what is needed of it, or to the issues that say why not."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec
from brobyg_contracts.reference import Reference

from brobyg_referral.cases.domain.appointment import (
    AppointmentMessage,
    AppointmentStatus,
    BusinessIdentifier,
    Content,
    Participation,
    PlannedVisit,
    identifier_of,
)
from brobyg_referral.hospital.errors import Malformed, RuleBroken, TooLarge
from brobyg_referral.hospital.fhir.outcome import Code, Issue
from brobyg_referral.hospital.fhir.participants import (
    LOCATION_SYSTEM,
    Participant,
    participants_of,
    patient_of,
    place_of,
)
from brobyg_referral.hospital.fhir.structure import JsonObject, JsonValue, structural_issues
from brobyg_referral.hospital.fhir.times import instant, span
from brobyg_referral.people.domain.cpr import CITIZEN_SYSTEMS

#: Bounds that keep a body, and what is done with it, small.
MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 48
MAX_IDENTIFIER = 255
MAX_IDENTIFIERS = 10
_TIMELESS = frozenset(
    {AppointmentStatus.PROPOSED, AppointmentStatus.CANCELLED, AppointmentStatus.WAITLIST}
)
_REASONED = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.NOSHOW})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: A version that can rise, as `meta.versionId` of a sender whose versions do.
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HospitalAppointment:
    """What is taken of a FHIR Appointment."""

    #: All that may name it, at least one: engines add to them and send them in any order.
    identifiers: tuple[BusinessIdentifier, ...]
    #: The patient's number. It is not kept after the request.
    cpr: str
    content: Content
    #: The hospital's own time; None where it gave none.
    last_updated: datetime | None
    #: `meta.versionId`, where it is a number.
    version: int | None = None
    #: Why nobody can go to the place it names; `content` has no place then. Whether that matters
    #: depends on what is known of the appointment.
    place_issue: Issue | None = None

    def message(self, arrived_at: datetime, *, versions_rise: bool = False) -> AppointmentMessage:
        """What it says, with the hospital's own time where it gives one, else its arrival."""
        return AppointmentMessage(
            self.content,
            self.last_updated or arrived_at,
            self.last_updated is not None,
            self.version if versions_rise else None,
        )


def parse_json(body: bytes) -> JsonObject:
    """The JSON object in `body`.

    Raises TooLarge, or Malformed where it is not JSON, not an object, or nested too deeply.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge.of("too-long", f"A body may have {MAX_BODY_BYTES} bytes.")
    if not body.strip():
        raise Malformed.of("structure", "A FHIR resource as JSON is expected; the body is empty.")
    too_deep = Malformed.of("structure", f"JSON nested more than {MAX_DEPTH} deep is not read.")
    try:
        parsed: JsonValue = msgspec.json.decode(body)
    except RecursionError:
        raise too_deep from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec names the place in bytes and never the content.
        raise Malformed.of("structure", f"The body is not JSON: {error}.") from None
    # Few brackets can't nest deeply, so that most bodies are not walked through.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and not _is_within(parsed, MAX_DEPTH):
        raise too_deep
    if not isinstance(parsed, dict):
        raise Malformed.of("structure", "A FHIR resource as a JSON object is expected.")
    return parsed


def _is_within(value: JsonValue, depth: int) -> bool:
    """Whether nothing in `value` nests more than `depth` deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not inner or (depth > 0 and all(_is_within(one, depth - 1) for one in inner))


def read_appointment(resource: JsonObject, reference: Reference) -> HospitalAppointment:
    """What `resource` says, at the place that `reference` knows.

    Raises Malformed when it is not an Appointment, and RuleBroken with every issue found when it
    breaks the standard or our profile of it.
    """
    if resource.get("resourceType") != "Appointment":
        raise Malformed.of("invalid", "resourceType Appointment is expected.", "resourceType")
    if issues := structural_issues(resource, "Appointment"):
        raise RuleBroken(*issues)
    reader = _Reader(resource, reference)
    appointment = reader.read()
    if appointment is None:
        raise RuleBroken(*reader.issues)
    return appointment


class _Reader:
    """Reads one structurally valid Appointment; collects issues and does not stop at the first."""

    def __init__(self, resource: JsonObject, reference: Reference) -> None:
        self.resource, self.reference = resource, reference
        self.issues: list[Issue] = []
        self.status = AppointmentStatus(cast("str", resource["status"]))
        self.entries = cast("list[JsonObject]", resource["participant"])

    def read(self) -> HospitalAppointment | None:
        """What it says; None where there are issues."""
        meta = cast("JsonObject", self.resource.get("meta", {}))
        starts_at, ends_at = self._instant("start"), self._instant("end")
        last_updated = self._instant("lastUpdated", meta, "meta.")
        self._check_modifiers()
        self._check_dates()
        self._check_invariants(starts_at, ends_at)
        identifiers = self._identifiers()
        participants = participants_of(self.resource)
        patient = patient_of(participants)
        place = self._place(participants, starts_at, ends_at)
        if isinstance(patient, Issue):
            self.issues.append(patient)
        if self.issues or isinstance(patient, Issue):
            return None
        known = place if isinstance(place, Participant) else None
        version = _VERSION.fullmatch(str(meta.get("versionId", "")))
        return HospitalAppointment(
            identifiers=identifiers,
            cpr=patient.value,
            content=Content(
                self.status,
                PlannedVisit(starts_at, ends_at, known.value if known else None),
                patient.status,
                known.status if known else Participation.ACCEPTED,
            ),
            last_updated=last_updated,
            version=int(version[0]) if version else None,
            place_issue=place if isinstance(place, Issue) else None,
        )

    def _issue(self, code: Code, diagnostics: str, where: str) -> None:
        path = f"Appointment.{where}" if where else "Appointment"
        self.issues.append(Issue(code, diagnostics, path))

    def _instant(
        self, name: str, inside: JsonObject | None = None, path: str = ""
    ) -> datetime | None:
        text = (self.resource if inside is None else inside).get(name)
        if not isinstance(text, str):
            return None
        moment = instant(text)
        if moment is None:
            expected = (
                "An instant with a zone that exists in the calendar is expected, such as"
                " 2026-12-01T09:15:00+01:00."
            )
            self._issue("value", expected, f"{path}{name}")
        return moment

    def _check_modifiers(self) -> None:
        """FHIR R4, extensibility.html#modifierExtension.

        Who does not know a modifier must not act on what it may turn into its opposite.
        """
        parts = {"": self.resource}
        parts |= {f"participant[{at}].": one for at, one in enumerate(self.entries)}
        expected = "Nothing that changes the meaning of the rest is known here: leave it out."
        for path, part in parts.items():
            for name in ("implicitRules", "modifierExtension"):
                if name in part:
                    self._issue("not-supported", expected, path + name)

    def _check_dates(self) -> None:
        dates = {"created": self.resource.get("created")}
        requested = self.resource.get("requestedPeriod")
        periods = {
            f"requestedPeriod[{at}]": one
            for at, one in enumerate(requested if isinstance(requested, list) else ())
        }
        periods |= {
            f"participant[{at}].period": one.get("period") for at, one in enumerate(self.entries)
        }
        for path, period in periods.items():
            if isinstance(period, dict):
                dates |= {f"{path}.{name}": period.get(name) for name in ("start", "end")}
        for where, text in dates.items():
            if isinstance(text, str) and span(text) is None:
                self._issue("value", "A date that exists in the calendar is expected.", where)

    def _check_invariants(self, starts_at: datetime | None, ends_at: datetime | None) -> None:
        given = ("start" in self.resource, "end" in self.resource)
        if given[0] != given[1]:
            self._issue("invariant", "app-2: start and end are given both or neither.", "")
        elif not given[0] and self.status not in _TIMELESS:
            rule = (
                "app-3: start and end may be left out only when the status is proposed, cancelled"
                " or waitlist."
            )
            self._issue("invariant", rule, "")
        if starts_at and ends_at and ends_at <= starts_at:
            self._issue("value", "end must be after start.", "end")
        if "cancelationReason" in self.resource and self.status not in _REASONED:
            rule = "app-4: cancelationReason is given only when the status is cancelled or noshow."
            self._issue("invariant", rule, "cancelationReason")
        for index, entry in enumerate(self.entries):
            if not entry.get("type") and not entry.get("actor"):
                rule = "app-1: a participant has a type or an actor."
                self._issue("invariant", rule, f"participant[{index}]")

    def _identifiers(self) -> tuple[BusinessIdentifier, ...]:
        """All that can name the appointment; what can't is passed over where something else can."""
        usable: dict[BusinessIdentifier, None] = {}
        problems: list[tuple[Code, str, str]] = []
        candidates = cast("list[JsonObject]", self.resource.get("identifier", []))
        for index, candidate in enumerate(candidates):
            system, value = candidate.get("system"), candidate.get("value")
            if not isinstance(system, str) or not isinstance(value, str) or not system:
                continue
            one = identifier_of(system, value)
            if problem := identifier_problem(one):
                problems.append(("value", problem, f"identifier[{index}]"))
            else:
                usable[one] = None
        if not usable:
            needed = (
                "The appointment's business identifier is needed: identifier with system and value."
            )
            for problem_found in problems or [("required", needed, "identifier")]:
                self._issue(*problem_found)
        elif len(usable) > MAX_IDENTIFIERS:
            text = f"An appointment may have {MAX_IDENTIFIERS} identifiers."
            self._issue("too-long", text, "identifier")
        return tuple(usable)

    def _place(
        self,
        participants: list[Participant],
        starts_at: datetime | None,
        ends_at: datetime | None,
    ) -> Participant | Issue | None:
        """The place; only a booked appointment must have one, and no more than one."""
        place = place_of(participants, starts_at, ends_at, self.reference)
        if self.status is not AppointmentStatus.BOOKED:
            return place
        if place is None:
            text = (
                "A booked appointment needs its place: a participant whose actor.identifier has the"
                f" system {LOCATION_SYSTEM}, or another by which the reference data names places."
            )
            self._issue("required", text, "participant")
        elif isinstance(place, Issue) and place.code == "business-rule":
            self.issues.append(place)
        return place


def identifier_problem(identifier: BusinessIdentifier) -> str | None:
    """Why this can't name an appointment; None when it can."""
    if identifier.system in CITIZEN_SYSTEMS:
        return "An appointment is not named by a citizen's number."
    if len(identifier.system) > MAX_IDENTIFIER or len(identifier.value) > MAX_IDENTIFIER:
        return f"system and value may each have {MAX_IDENTIFIER} characters."
    if (
        _CONTROL.search(identifier.system + identifier.value)
        or "|" in identifier.system
        or not identifier.value
    ):
        return (
            "system and value are plain text without control characters, and there is no '|' in"
            " system."
        )
    return None
