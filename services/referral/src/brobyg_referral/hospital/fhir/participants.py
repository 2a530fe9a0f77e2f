"""Whom and what an Appointment's participants name: the one patient, and the place."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from brobyg_contracts.reference import Place, Reference

from brobyg_referral.cases.domain.appointment import Participation
from brobyg_referral.hospital.fhir.outcome import Issue
from brobyg_referral.hospital.fhir.structure import JsonObject
from brobyg_referral.hospital.fhir.times import span
from brobyg_referral.people.domain.cpr import CITIZEN_SYSTEMS, CPR_SYSTEM, EXPECTED_FORM, is_cpr

LOCATION_SYSTEM = "https://brobyg.dk/locations"
#: How many places an issue lists.
_LISTED = 20
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]*)/[^/]+(?:/_history/[^/]+)?$")
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
#: Other names of that code system: its OID, and its URL before R4.
_ALSO_PARTICIPATION = frozenset(
    {"urn:oid:2.16.840.1.113883.5.90", "http://hl7.org/fhir/v3/ParticipationType"}
)
#: The role of the subject, as system and code. No other system has this code for a participant, so
#: it may come without one.
_SUBJECT = frozenset({(_PARTICIPATION, "SBJ"), ("", "SBJ")})
#: The patient's own roles: subject, participation. Any other is another's.
_ROLES_OF_PATIENT = _SUBJECT | {(_PARTICIPATION, "PART")}
#: Without a system PART may be a local code, such as for a partner, unless the actor is a Patient.
_ROLES_OF_TYPED_PATIENT = _ROLES_OF_PATIENT | {("", "PART")}


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant that has an actor."""

    #: Where it stands, as FHIRPath.
    path: str
    status: Participation
    actor: JsonObject
    #: System and value of the actor's identifier; "" for what is not given.
    system: str
    value: str
    #: System and code of each coding of its `type`, see `_roles`.
    roles: frozenset[tuple[str, str]]
    period: JsonObject

    @property
    def kind(self) -> str:
        """The actor's resource type, by its `type` or else its `reference`; "" if neither says."""
        kind, reference = self.actor.get("type"), self.actor.get("reference")
        if isinstance(kind, str):
            return kind.rpartition("/")[2]  # it may be the canonical URL of the type
        found = _REFERENCE.search(reference) if isinstance(reference, str) else None
        return found[1] if found else ""

    @property
    def is_named_as_patient(self) -> bool:
        """Whether its type, number or role is a patient's, whatever else it states."""
        if self.kind:
            return self.kind == "Patient"
        return self.system in CITIZEN_SYSTEMS or not _SUBJECT.isdisjoint(self.roles)

    @property
    def may_be_patient(self) -> bool:
        """Whether it is named as the patient and states no role but the patient's own."""
        own = _ROLES_OF_TYPED_PATIENT if self.kind else _ROLES_OF_PATIENT
        return self.is_named_as_patient and self.roles <= own

    def takes_part(self, starts_at: datetime | None, ends_at: datetime | None) -> bool:
        """Whether it has not declined, and its period neither ends before nor begins after.

        Before or after the appointment, that is; without its times only the status counts.
        """
        if self.status is Participation.DECLINED:
            return False
        first, last = (_text(self.period, name) for name in ("start", "end"))
        begins, ends = span(first) if first else None, span(last) if last else None
        return not (starts_at and ends and ends[1] < starts_at) and not (
            ends_at and begins and begins[0] > ends_at
        )


def participants_of(resource: JsonObject) -> list[Participant]:
    """Those of a structurally valid Appointment that have an actor, in order."""
    entries = enumerate(cast("list[JsonObject]", resource["participant"]))
    return [
        _participant(f"Appointment.participant[{index}]", entry, actor)
        for index, entry in entries
        if isinstance(actor := entry.get("actor"), dict)
    ]


def _participant(path: str, entry: JsonObject, actor: JsonObject) -> Participant:
    identifier, period = actor.get("identifier"), entry.get("period")
    name = identifier if isinstance(identifier, dict) else {}
    return Participant(
        path=path,
        status=Participation(cast("str", entry["status"])),
        actor=actor,
        system=_text(name, "system"),
        value=_text(name, "value"),
        roles=frozenset(
            role
            for concept in cast("list[JsonObject]", entry.get("type", []))
            for role in _roles(concept)
        ),
        period=period if isinstance(period, dict) else {},
    )


def _roles(concept: JsonObject) -> set[tuple[str, str]]:
    """System and code of each coding; ("", "") for none, such as a text alone.

    The codings of a concept say the same in several systems (FHIR R4, CodeableConcept). So beside
    the subject's no other system's is needed, which we would not know.
    """
    roles = {_role(coding) for coding in cast("list[JsonObject]", concept.get("coding") or [{}])}
    if roles.isdisjoint(_SUBJECT):
        return roles
    return {(system, code) for system, code in roles if system in ("", _PARTICIPATION)}


def _role(coding: JsonObject) -> tuple[str, str]:
    system = _text(coding, "system")
    return _PARTICIPATION if system in _ALSO_PARTICIPATION else system, _text(coding, "code")


def _text(inside: JsonObject, name: str) -> str:
    value = inside.get(name)
    return value.strip() if isinstance(value, str) else ""


def patient_of(participants: list[Participant]) -> Participant | Issue:
    """The patient, by type and role, with a CPR number as `value`; or why there is none.

    A relative or a companion is never taken for the patient, whatever number they are named by: who
    states any role but the patient's own is somebody else.
    """
    candidates = [one for one in participants if one.may_be_patient]
    said = [one for one in candidates if one.kind]
    patients = said or candidates
    if len(patients) > 1:
        path = f"{patients[1].path}.actor"
        return Issue("business-rule", "An appointment has at most one patient.", path)
    if not patients or patients[0].system not in CITIZEN_SYSTEMS:
        return _no_patient(participants, patients)
    if not is_cpr(patients[0].value):
        path = f"{patients[0].path}.actor.identifier.value"
        return Issue("value", f"A CPR number is expected: {EXPECTED_FORM}.", path)
    return patients[0]


def _no_patient(participants: list[Participant], patients: list[Participant]) -> Issue:
    needed = (
        "The patient is needed: a participant whose actor.type is Patient and whose"
        f" actor.identifier has the system {CPR_SYSTEM}."
    )
    if patients:
        return Issue("required", needed, f"{patients[0].path}.actor.identifier")
    others = [one for one in participants if one.is_named_as_patient]
    if not others:
        text = f"{needed} A participant who only accompanies the patient is not the patient."
        return Issue("required", text, "Appointment.participant")
    text = (
        "This participant states another role than the patient's, so it is not read as the patient."
        f" {needed} Its type is left out, or has only codings that are SBJ or PART of"
        f" {_PARTICIPATION}: a text alone, or any other code, is somebody else's role."
    )
    return Issue("required", text, f"{others[0].path}.type")


def place_of(
    participants: list[Participant],
    starts_at: datetime | None,
    ends_at: datetime | None,
    reference: Reference,
) -> Participant | Issue | None:
    """The known place that takes part; else the issue that says why there is none, or no one place.

    Its `value` is the place's id in the reference data, by whatever alias it was named. An issue
    with the code `business-rule` says that several known places take part, any other that no known
    one does. None: no place is named.
    """
    named = [one for one in participants if one.system and _is_place(one, reference)]
    taking = [one for one in named if one.takes_part(starts_at, ends_at)]
    known = [replace(one, value=place.id) for one in taking if (place := _known(one, reference))]
    if len({one.value for one in known}) > 1:
        return Issue(
            "business-rule",
            "One place is expected: more than one that is known here takes part. Of the others the"
            " status is declined, or the period ends before the appointment.",
            f"{known[1].path}.actor.identifier.value",
        )
    if known:
        return known[0]
    if taking:
        return Issue(
            "code-invalid",
            f"A known place is expected. With the system {LOCATION_SYSTEM} that is one of"
            f" {_listed(reference)}. An identifier of another system, such as a SOR id, is known"
            " when the reference data maps it to a place; this one is not mapped.",
            f"{taking[0].path}.actor.identifier.value",
        )
    if named:
        text = "A place that takes part is expected: this one declined, or its period is over."
        return Issue("required", text, named[0].path)
    return None


def _is_place(participant: Participant, reference: Reference) -> bool:
    return (
        participant.system == LOCATION_SYSTEM
        or participant.kind == "Location"
        or _known(participant, reference) is not None
    )


def _known(participant: Participant, reference: Reference) -> Place | None:
    if participant.system == LOCATION_SYSTEM:
        return reference.places.get(participant.value)
    return reference.place_by_alias(participant.system, participant.value)


def _listed(reference: Reference) -> str:
    """The ids of the places in use, as many as can be read."""
    ids = sorted(one.id for one in reference.places.values() if not one.withdrawn)
    more = len(ids) - _LISTED
    return ", ".join(ids[:_LISTED]) + (f" and {more} more" if more > 0 else "")
