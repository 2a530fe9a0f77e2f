"""From the bytes of a FHIR resource to what this service needs of it, or to the issues that say why not."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import cast

import msgspec
from brobyg_contracts.places import LOCATIONS

from brobyg_referral.domain.appointment import Message, Plan, Status
from brobyg_referral.domain.cpr import CITIZEN_SYSTEMS, CPR_SYSTEM, EXPECTED_FORM, is_cpr
from brobyg_referral.fhir.outcome import Code, Issue, Refused, refused
from brobyg_referral.fhir.structure import JsonObject, JsonValue, structural_issues

LOCATION_SYSTEM = "https://brobyg.dk/locations"
#: Bounds that keep a body, and what is done with it, small.
MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 48
MAX_IDENTIFIER = 255
MAX_IDENTIFIERS = 10
_YEARS = range(1900, 2200)
_TIMELESS = frozenset({Status.PROPOSED, Status.CANCELLED, Status.WAITLIST})
_REASONED = frozenset({Status.CANCELLED, Status.NOSHOW})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class BusinessIdentifier:
    """The sender's own name for an appointment: unique within the sending organisation."""

    system: str
    value: str

    @property
    def token(self) -> str:
        """`system|value`, as in a FHIR search."""
        return f"{self.system}|{self.value}"


@dataclass(frozen=True, slots=True)
class HospitalAppointment:
    """What is taken of a FHIR Appointment; `cpr` lives no longer than the request. `last_updated` None: the arrival counts.
    `identifiers` are all that may name it, at least one: engines add to them and send them in any order.

    `unknown_place` says where it names a place that is none of ours; `plan` has no place then. Whether that matters depends on what is known.
    """

    identifiers: tuple[BusinessIdentifier, ...]
    cpr: str
    status: Status
    plan: Plan
    last_updated: datetime | None
    unknown_place: Issue | None = None

    def message(self, arrived_at: datetime) -> Message:
        """What it says of the appointment, ordered by the hospital's own time where it gives one."""
        return Message(
            self.status, self.plan, self.last_updated or arrived_at, self.last_updated is not None
        )


def parse_json(body: bytes) -> JsonObject:
    """The JSON object in `body`. Raises Refused (413 too long, 400 no JSON, no object, or nested too deeply)."""
    if len(body) > MAX_BODY_BYTES:
        raise refused(413, "too-long", f"A body may have {MAX_BODY_BYTES} bytes.")
    if not body.strip():
        raise refused(400, "structure", "A FHIR resource as JSON is expected; the body is empty.")
    if _too_deep(body):
        raise refused(400, "structure", f"JSON nested more than {MAX_DEPTH} deep is not read.")
    try:
        parsed: JsonValue = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec names the place in bytes and never the content.
        raise refused(400, "structure", f"The body is not JSON: {error}.") from None
    if not isinstance(parsed, dict):
        raise refused(400, "structure", "A FHIR resource as a JSON object is expected.")
    return parsed


def _too_deep(body: bytes) -> bool:
    """Whether brackets nest too deeply. Brackets inside strings count too: only bodies with very many are looked at, and real ones pass."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return False
    depth, in_string, escaped = 0, False, False
    for byte in body:
        if in_string:
            escaped, in_string = (byte == 0x5C and not escaped), not (byte == 0x22 and not escaped)
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"}]":
            depth -= 1
    return False


def read_appointment(resource: JsonObject) -> HospitalAppointment:
    """What `resource` says. Raises Refused with every issue found: 400 when it is no Appointment, 422 when it breaks the standard or our profile of it."""
    if resource.get("resourceType") != "Appointment":
        raise refused(400, "invalid", "resourceType Appointment is expected.", "resourceType")
    if issues := structural_issues(resource, "Appointment"):
        raise Refused(422, issues)
    reader = _Reader(resource)
    appointment = reader.read()
    if appointment is None:
        raise Refused(422, reader.issues)
    return appointment


class _Reader:
    """Reads one structurally valid Appointment, collecting issues instead of stopping at the first."""

    def __init__(self, resource: JsonObject) -> None:
        self.resource = resource
        self.issues: list[Issue] = []
        self.unknown_place: Issue | None = None
        self.status = Status(cast("str", resource["status"]))
        self.participants = cast("list[JsonObject]", resource["participant"])

    def read(self) -> HospitalAppointment | None:
        starts_at, ends_at = self._instant("start"), self._instant("end")
        meta = self.resource.get("meta")
        last_updated = (
            self._instant("lastUpdated", meta, "meta.") if isinstance(meta, dict) else None
        )
        self._check_modifiers()
        self._check_dates()
        self._check_invariants(starts_at, ends_at)
        identifiers, cpr, location = self._identifiers(), self._patient(), self._location()
        if self.issues or cpr is None:
            return None
        plan = Plan(starts_at, ends_at, location)
        return HospitalAppointment(
            identifiers, cpr, self.status, plan, last_updated, self.unknown_place
        )

    def _issue(self, code: Code, diagnostics: str, where: str) -> None:
        self.issues.append(
            Issue(code, diagnostics, f"Appointment.{where}" if where else "Appointment")
        )

    def _instant(
        self, name: str, inside: JsonObject | None = None, path: str = ""
    ) -> datetime | None:
        text = (self.resource if inside is None else inside).get(name)
        if not isinstance(text, str):
            return None
        moment = _moment(text)
        if moment is None:
            self._issue(
                "value",
                "An instant with a zone that exists in the calendar is expected, such as 2026-12-01T09:15:00+01:00.",
                f"{path}{name}",
            )
        return moment

    def _check_modifiers(self) -> None:
        """FHIR R4, extensibility.html#modifierExtension: who does not know a modifier must not act on what it may turn into its opposite."""
        parts = [
            ("", self.resource),
            *((f"participant[{at}].", one) for at, one in enumerate(self.participants)),
        ]
        for path, part in parts:
            for name in ("implicitRules", "modifierExtension"):
                if name in part:
                    self._issue(
                        "not-supported",
                        "Nothing that changes the meaning of the rest is known here: leave it out.",
                        path + name,
                    )

    def _check_dates(self) -> None:
        created = self.resource.get("created")
        if isinstance(created, str) and not _is_calendar_date(created):
            self._issue("value", "A date that exists in the calendar is expected.", "created")
        periods = self.resource.get("requestedPeriod")
        for index, period in enumerate(periods if isinstance(periods, list) else ()):
            for name in ("start", "end"):
                text = period.get(name) if isinstance(period, dict) else None
                if isinstance(text, str) and not _is_calendar_date(text):
                    self._issue(
                        "value",
                        "A date that exists in the calendar is expected.",
                        f"requestedPeriod[{index}].{name}",
                    )

    def _check_invariants(self, starts_at: datetime | None, ends_at: datetime | None) -> None:
        given = ("start" in self.resource, "end" in self.resource)
        if given[0] != given[1]:
            self._issue("invariant", "app-2: start and end are given both or neither.", "")
        elif not given[0] and self.status not in _TIMELESS:
            self._issue(
                "invariant",
                "app-3: start and end may be left out only when the status is proposed, cancelled or waitlist.",
                "",
            )
        if starts_at and ends_at and ends_at <= starts_at:
            self._issue("value", "end must be after start.", "end")
        if "cancelationReason" in self.resource and self.status not in _REASONED:
            self._issue(
                "invariant",
                "app-4: cancelationReason is given only when the status is cancelled or noshow.",
                "cancelationReason",
            )
        for index, participant in enumerate(self.participants):
            if not participant.get("type") and not participant.get("actor"):
                self._issue(
                    "invariant",
                    "app-1: a participant has a type or an actor.",
                    f"participant[{index}]",
                )

    def _identifiers(self) -> tuple[BusinessIdentifier, ...]:
        """All that can name the appointment; what can't is passed over where something else can."""
        candidates = self.resource.get("identifier")
        usable: dict[BusinessIdentifier, None] = {}
        problems: list[tuple[str, str]] = []
        for index, candidate in enumerate(candidates if isinstance(candidates, list) else ()):
            if not isinstance(candidate, dict):
                continue
            system, value = candidate.get("system"), candidate.get("value")
            if not isinstance(system, str) or not isinstance(value, str) or not system:
                continue
            identifier = BusinessIdentifier(system, value)
            if problem := identifier_problem(identifier):
                problems.append((problem, f"identifier[{index}]"))
            else:
                usable[identifier] = None
        if not usable:
            needed = (
                "The appointment's business identifier is needed: identifier with system and value."
            )
            for problem, where in problems or [(needed, "identifier")]:
                self._issue("value" if problems else "required", problem, where)
        elif len(usable) > MAX_IDENTIFIERS:
            self._issue(
                "too-long", f"An appointment may have {MAX_IDENTIFIERS} identifiers.", "identifier"
            )
        return tuple(usable)

    def _patient(self) -> str | None:
        patients = [(index, actor) for index, actor in self._actors() if _is_patient(actor)]
        if len(patients) > 1:
            self._issue(
                "business-rule",
                "An appointment has at most one patient.",
                f"participant[{patients[1][0]}].actor",
            )
            return None
        if patients:
            index, actor = patients[0]
            identifier = actor.get("identifier")
            if isinstance(identifier, dict) and identifier.get("system") in CITIZEN_SYSTEMS:
                cpr = identifier.get("value")
                if isinstance(cpr, str) and is_cpr(cpr):
                    return cpr
                self._issue(
                    "value",
                    f"A CPR number is expected: {EXPECTED_FORM}.",
                    f"participant[{index}].actor.identifier.value",
                )
                return None
        where = f"participant[{patients[0][0]}].actor.identifier" if patients else "participant"
        self._issue(
            "required",
            f"The patient is needed: a participant whose actor.identifier has the system {CPR_SYSTEM}.",
            where,
        )
        return None

    def _location(self) -> str | None:
        for index, actor in self._actors():
            identifier = actor.get("identifier")
            if isinstance(identifier, dict) and identifier.get("system") == LOCATION_SYSTEM:
                location = identifier.get("value")
                if isinstance(location, str) and location in LOCATIONS:
                    return location
                known = ", ".join(sorted(LOCATIONS))
                self.unknown_place = Issue(
                    "code-invalid",
                    f"A known place is expected: one of {known}.",
                    f"Appointment.participant[{index}].actor.identifier.value",
                )
                return None
        if self.status is Status.BOOKED:
            self._issue(
                "required",
                f"A booked appointment needs its place: a participant whose actor.identifier has the system {LOCATION_SYSTEM}.",
                "participant",
            )
        return None

    def _actors(self) -> list[tuple[int, JsonObject]]:
        actors = [
            (index, participant.get("actor")) for index, participant in enumerate(self.participants)
        ]
        return [(index, actor) for index, actor in actors if isinstance(actor, dict)]


def _is_patient(actor: JsonObject) -> bool:
    identifier, reference = actor.get("identifier"), actor.get("reference")
    named = isinstance(identifier, dict) and identifier.get("system") in CITIZEN_SYSTEMS
    referred = (
        isinstance(reference, str) and re.search(r"(^|/)Patient/[^/]+", reference) is not None
    )
    return (
        named
        or referred
        or actor.get("type") in ("Patient", "http://hl7.org/fhir/StructureDefinition/Patient")
    )


def identifier_problem(identifier: BusinessIdentifier) -> str | None:
    """Why this can't name an appointment; None when it can."""
    if identifier.system in CITIZEN_SYSTEMS:
        return "An appointment is not named by a citizen's number."
    if len(identifier.system) > MAX_IDENTIFIER or len(identifier.value) > MAX_IDENTIFIER:
        return f"system and value may each have {MAX_IDENTIFIER} characters."
    if (
        _CONTROL.search(identifier.system + identifier.value)
        or "|" in identifier.system
        or not identifier.value.strip()
    ):
        return "system and value are plain text without control characters, and there is no '|' in system."
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or moment.year not in _YEARS:
        return None
    return moment.astimezone(UTC)


def _is_calendar_date(text: str) -> bool:
    """Whether a FHIR dateTime (year, month, day, or with a time) exists. Its form was checked before."""
    parts = text.split("T", maxsplit=1)[0].split("-")
    try:
        date(
            int(parts[0]),
            int(parts[1]) if len(parts) > 1 else 1,
            int(parts[2]) if len(parts) > 2 else 1,
        )
    except ValueError:
        return False
    return "T" not in text or _moment(text) is not None
