"""The hospital's records on Kafka, and an answer on a topic to what can't be taken.

A record is an Appointment, or a Bundle. A Bundle of type batch or transaction means what it means
over HTTP: each entry's `request` says what is asked, with its conditions, and an entry without one
is refused (bdl-3). An Appointment by itself, and each in a Bundle of type collection, which has no
requests, is kept or changed by its identifiers, as by PUT Appointment?identifier=system|value.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin

from brobyg_referral.cases.ports import ReferenceSource
from brobyg_referral.cases.use_cases.visits import known_reference
from brobyg_referral.hospital.errors import MessageRefused
from brobyg_referral.hospital.fhir.bundle import (
    AppointmentRequest,
    read_bundle,
    read_entry,
    read_resource,
    refused_or,
)
from brobyg_referral.hospital.fhir.outcome import bounded, outcome
from brobyg_referral.hospital.fhir.reading import parse_json, read_appointment
from brobyg_referral.hospital.use_cases.decisions import Group
from brobyg_referral.hospital.use_cases.intake import Intake
from brobyg_referral.people.domain.hashing import Hasher

HOSPITAL_TOPIC = "hospital.appointment.v1"
REJECTED_TOPIC = "hospital.appointment.rejected.v1"
ORIGIN_EXTENSION = "https://brobyg.dk/fhir/origin"
_KINDS = ("batch", "transaction", "collection")


class HospitalRecords:
    """Takes the records of one organisation in."""

    def __init__(
        self, intake: Intake, reference: ReferenceSource, hasher: Hasher, organisation: str
    ) -> None:
        """`organisation` is whose topic it is: a record can't say so itself."""
        self._intake, self._reference = intake, reference
        self._hasher, self._organisation = hasher, organisation

    def decode(self, origin: Origin, key: bytes | None, value: bytes) -> Event:
        """An event made of a record. Never raises: what can't be read is refused in `take`.

        Its id is the record's place, so that a redelivery is recognised. Its subject is a keyed
        hash of the record's key, so that inbox and parking hold nothing about a person without a
        referral. A record without a key is a subject by itself: nothing says that it belongs
        together with others.
        """
        event_id = derived_id(origin.topic, str(origin.partition), str(origin.offset))
        return Event(
            id=event_id,
            source=f"{origin.topic}/{origin.partition}/{origin.offset}",
            type=HOSPITAL_TOPIC,
            subject=self._hasher.record_key(key) if key else event_id,
            time=datetime.fromtimestamp(0, UTC),
            dataschema="http://hl7.org/fhir/R4/appointment.html",
            correlationid=event_id,
            sequence=0,
            data=msgspec.Raw(value),
        )

    async def take(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Take the records in, all in this transaction.

        Those that break the standard are answered on the rejected topic and have no other effect.
        Raises ReferenceMissing and database errors.
        """
        reference = await known_reference(self._reference, tx)
        groups = await asyncio.to_thread(lambda: [_read(event, reference) for event in events])
        results = await self._intake.take(tx, "kafka", self._organisation, groups, reference)
        for event, group, found in zip(events, groups, results, strict=True):
            refusals = [result.refusal for result in found if result.refusal]
            if group.atomic and refusals:  # refused whole, and answered once
                refusals = [refusals[0].with_issues(i for one in refusals for i in one.issues)]
            for refusal in refusals:
                answer = rejection(refusal, event)
                tx.send(REJECTED_TOPIC, event.subject, answer, "application/fhir+json")


def _read(event: Event, reference: Reference) -> Group:
    try:
        resource = parse_json(bytes(event.data))
        if resource.get("resourceType") != "Bundle":
            appointment = read_appointment(resource, reference)
            return Group([AppointmentRequest("put", appointment)], cause=event)
        kind, entries = read_bundle(resource, _KINDS)
    except MessageRefused as refusal:
        return Group([refusal], cause=event)
    read = read_resource if kind == "collection" else read_entry
    found = [refused_or(partial(read, entry, reference)) for entry in entries]
    return Group(found, kind == "transaction", is_bundle=True, cause=event)


def rejection(refusal: MessageRefused, event: Event) -> bytes:
    """An OperationOutcome that says why, and by an extension which record was refused.

    Holds no value of the record, and at most `MAX_ISSUES` issues, so that it always fits a record.
    """
    topic, partition, offset = event.source.rsplit("/", 2)
    origin = {
        "url": ORIGIN_EXTENSION,
        "extension": [
            {"url": "topic", "valueString": topic},
            {"url": "partition", "valueInteger": int(partition)},
            # A 64-bit number, which FHIR's integer is not.
            {"url": "offset", "valueString": offset},
        ],
    }
    return msgspec.json.encode({**outcome(bounded(refusal.issues)), "extension": [origin]})
