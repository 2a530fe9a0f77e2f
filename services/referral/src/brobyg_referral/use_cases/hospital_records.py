"""The hospital's records on Kafka, and an answer on a topic to what can't be taken.

A record is an Appointment, or a Bundle. A Bundle of type batch or transaction means what it means
over HTTP: each entry's `request` says what is asked, with its conditions, and an entry without one
is refused (bdl-3). An Appointment by itself, and each in a Bundle of type collection, which has no
requests, is kept or changed by its identifiers, as by PUT Appointment?identifier=system|value.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin

from brobyg_referral.domain.hashing import Hasher
from brobyg_referral.errors import MessageRefused
from brobyg_referral.fhir.bundle import (
    AppointmentRequest,
    in_entry,
    read_bundle,
    read_entries,
    read_entry,
    read_resource,
)
from brobyg_referral.fhir.outcome import bounded, outcome
from brobyg_referral.fhir.reading import parse_json, read_appointment
from brobyg_referral.fhir.structure import JsonObject
from brobyg_referral.use_cases.decisions import Group, Result
from brobyg_referral.use_cases.intake import Intake

HOSPITAL_TOPIC = "hospital.appointment.v1"
REJECTED_TOPIC = "hospital.appointment.rejected.v1"
ORIGIN_EXTENSION = "https://brobyg.dk/fhir/origin"
_KINDS = ("batch", "transaction", "collection")


@dataclass(frozen=True, slots=True)
class HospitalRecord:
    """A record as requests, and the refusals of what was no request."""

    event: Event
    group: Group
    refusals: Sequence[MessageRefused] = ()
    #: Messages that the refusals stand for.
    rejected: int = 0
    #: For a Bundle: which entry each request was.
    entries: Sequence[int] | None = None

    def refused(self, results: Sequence[Result]) -> list[MessageRefused]:
        """Each refusal that is to be answered.

        One for a transaction, which is refused whole, and one for each message otherwise.
        """
        refusals = list(self.refusals)
        for index, result in enumerate(results):
            if result.refusal and self.entries is not None:
                refusals.append(in_entry(result.refusal, self.entries[index]))
            elif result.refusal:
                refusals.append(result.refusal)
        if not self.group.atomic or not refusals:
            return refusals
        issues = [issue for refusal in refusals for issue in refusal.issues]
        return [refusals[0].with_issues(issues)]


class HospitalRecords:
    """Takes the records of one organisation in."""

    def __init__(self, intake: Intake, hasher: Hasher, organisation: str) -> None:
        """`organisation` is whose topic it is: a record can't say so itself."""
        self._intake, self._hasher, self._organisation = intake, hasher, organisation

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
        Raises database errors.
        """
        records = await asyncio.to_thread(lambda: [_read(event) for event in events])
        rejected = sum(record.rejected for record in records)
        results = await self._intake.take(
            tx, "kafka", self._organisation, [record.group for record in records], rejected
        )
        for record, group in zip(records, results, strict=True):
            for refusal in record.refused(group):
                tx.send(
                    REJECTED_TOPIC,
                    record.event.subject,
                    rejection(refusal, record.event),
                    "application/fhir+json",
                )


def _read(event: Event) -> HospitalRecord:
    try:
        resource = parse_json(bytes(event.data))
        if resource.get("resourceType") == "Bundle":
            return _read_bundle(event, resource)
        request = AppointmentRequest("put", read_appointment(resource))
        return HospitalRecord(event, Group([request], cause=event))
    except MessageRefused as refusal:
        return HospitalRecord(event, Group(()), [refusal], rejected=1)


def _read_bundle(event: Event, resource: JsonObject) -> HospitalRecord:
    kind, entries = read_bundle(resource, _KINDS)
    read = read_entries(entries, read_resource if kind == "collection" else read_entry)
    asked = {index: one for index, one in enumerate(read) if isinstance(one, AppointmentRequest)}
    refusals = [one for one in read if isinstance(one, MessageRefused)]
    atomic = kind == "transaction"
    if atomic and refusals:  # all or nothing: each entry counts as refused
        return HospitalRecord(event, Group((), atomic=True), refusals, rejected=len(entries))
    group = Group(list(asked.values()), atomic, event)
    return HospitalRecord(event, group, refusals, rejected=len(refusals), entries=list(asked))


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
