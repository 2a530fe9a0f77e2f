"""The Kafka door: `hospital.appointment.v1` in, `hospital.appointment.rejected.v1` out for what can't be taken."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from brobyg_kit.consumer import Decoder
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin

from brobyg_referral.adapters.secrets import Hasher
from brobyg_referral.fhir.bundle import in_entry, read_bundle
from brobyg_referral.fhir.outcome import Refused, bounded, outcome, refused
from brobyg_referral.fhir.reading import HospitalAppointment, parse_json, read_appointment
from brobyg_referral.fhir.structure import JsonObject
from brobyg_referral.handlers import HOSPITAL_TOPIC, REJECTED_TOPIC
from brobyg_referral.intake import Command, Group, Intake

ORIGIN_EXTENSION = "https://brobyg.dk/fhir/origin"
_KINDS = ("batch", "transaction", "collection")


@dataclass(frozen=True, slots=True)
class _Read:
    """A record as commands, and the refusals of what was no command."""

    event: Event
    group: Group
    refusals: Sequence[Refused] = ()
    #: Messages that the refusals stand for.
    rejected: int = 0


class KafkaDoor:
    """Takes records of one organisation in. `organisation` is whose topic it is: a record can't say so itself."""

    def __init__(self, intake: Intake, hasher: Hasher, organisation: str) -> None:
        """Reads nothing by itself."""
        self._intake, self._hasher, self._organisation = intake, hasher, organisation

    def decoder(self) -> Decoder:
        """Makes an event of a record. Its id is the record's place, so a redelivery is recognised; its subject is a keyed hash of the record's key,
        so nothing about somebody unknown stays in inbox or parking. Never raises: what can't be read is refused in `handle`.
        """

        def decode(origin: Origin, key: bytes | None, value: bytes) -> Event:
            event_id = derived_id(origin.topic, str(origin.partition), str(origin.offset))
            return Event(
                id=event_id,
                source=f"{origin.topic}/{origin.partition}/{origin.offset}",
                type=HOSPITAL_TOPIC,
                subject=self._hasher.record_key(key),
                time=datetime.fromtimestamp(0, UTC),
                dataschema="http://hl7.org/fhir/R4/appointment.html",
                correlationid=event_id,
                sequence=0,
                data=msgspec.Raw(value),
            )

        return decode

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Take the records in, all in this transaction; those that break the standard are answered on the rejected topic and have no other effect."""
        records = await asyncio.to_thread(lambda: [_read(event) for event in events])
        rejected = sum(record.rejected for record in records)
        results = await self._intake.take(
            tx, "kafka", self._organisation, [record.group for record in records], rejected
        )
        for record, group in zip(records, results, strict=True):
            refusals = [*record.refusals, *(result.refusal for result in group if result.refusal)]
            for refusal in refusals:
                tx.send(REJECTED_TOPIC, record.event.subject, rejection(refusal, record.event), "application/fhir+json")


def _read(event: Event) -> _Read:
    try:
        resource = parse_json(bytes(event.data))
        if resource.get("resourceType") == "Bundle":
            return _read_bundle(event, resource)
        return _Read(event, Group([Command(read_appointment(resource), "put", cause=event)]))
    except Refused as refusal:
        return _Read(event, Group(()), [refusal], rejected=1)


def _read_bundle(event: Event, resource: JsonObject) -> _Read:
    entries = read_bundle(resource, _KINDS)
    commands: list[Command] = []
    refusals: list[Refused] = []
    for index, entry in enumerate(entries):
        try:
            commands.append(Command(_appointment_in(entry), "put", cause=event))
        except Refused as refusal:
            refusals.append(in_entry(refusal, index))
    if resource.get("type") != "transaction":
        return _Read(event, Group(commands), refusals, rejected=len(refusals))
    if refusals:  # all or nothing: one answer, and each entry counts as refused
        whole = Refused(422, [issue for refusal in refusals for issue in refusal.issues])
        return _Read(event, Group(()), [whole], rejected=len(entries))
    return _Read(event, Group(commands, atomic=True))


def _appointment_in(entry: JsonObject) -> HospitalAppointment:
    inner = entry.get("resource")
    if not isinstance(inner, dict):
        raise refused(422, "required", "The resource is missing.", "resource")
    return read_appointment(inner)


def rejection(refusal: Refused, event: Event) -> bytes:
    """An OperationOutcome that says why, and by an extension which record: topic, partition and offset. Holds no value of the record, and at most
    `MAX_ISSUES` issues, so that it always fits a record.
    """
    topic, partition, offset = event.source.rsplit("/", 2)
    origin = {
        "url": ORIGIN_EXTENSION,
        "extension": [
            {"url": "topic", "valueString": topic},
            {"url": "partition", "valueInteger": int(partition)},
            {"url": "offset", "valueString": offset},  # a 64-bit number, which FHIR's integer is not
        ],
    }
    return msgspec.json.encode({**outcome(bounded(refusal.issues)), "extension": [origin]})
