"""The Kafka door: `hospital.appointment.v1` in, `hospital.appointment.rejected.v1` out for what can't be taken.

A record is an Appointment, or a Bundle. A Bundle of type batch or transaction means what it means at the HTTP door: each entry's `request` says what is
asked, with its conditions, and an entry without one is refused (bdl-3). An Appointment by itself, and each in a Bundle of type collection, which has no
requests, is kept or changed by its identifiers, as by PUT Appointment?identifier=system|value.
"""

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
from brobyg_referral.fhir.bundle import (
    Asked,
    in_entry,
    read_bundle,
    read_entries,
    read_entry,
    read_resource,
)
from brobyg_referral.fhir.outcome import Refused, bounded, outcome
from brobyg_referral.fhir.reading import parse_json, read_appointment
from brobyg_referral.fhir.structure import JsonObject
from brobyg_referral.handlers import HOSPITAL_TOPIC, REJECTED_TOPIC
from brobyg_referral.intake import Command, Group, Intake, Result

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
    #: For a Bundle: which entry each command was.
    entries: Sequence[int] | None = None

    def answered(self, results: Sequence[Result]) -> list[Refused]:
        """Each refusal that is to be told of: one for a transaction, which is refused whole, and one for each message otherwise."""
        refused = [
            (index, result.refusal) for index, result in enumerate(results) if result.refusal
        ]
        if self.entries is not None:
            refused = [
                (index, in_entry(refusal, self.entries[index])) for index, refusal in refused
            ]
        refusals = [*self.refusals, *(refusal for _, refusal in refused)]
        return [_together(refusals)] if self.group.atomic and refusals else refusals


class KafkaDoor:
    """Takes records of one organisation in. `organisation` is whose topic it is: a record can't say so itself."""

    def __init__(self, intake: Intake, hasher: Hasher, organisation: str) -> None:
        """Reads nothing by itself."""
        self._intake, self._hasher, self._organisation = intake, hasher, organisation

    def decoder(self) -> Decoder:
        """Makes an event of a record. Its id is the record's place, so a redelivery is recognised; its subject is a keyed hash of the record's key,
        so nothing about somebody unknown stays in inbox or parking. One without a key is a subject by itself: it says of no other that they belong together.
        Never raises: what can't be read is refused in `handle`.
        """

        def decode(origin: Origin, key: bytes | None, value: bytes) -> Event:
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

        return decode

    async def handle(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Take the records in, all in this transaction; those that break the standard are answered on the rejected topic and have no other effect."""
        records = await asyncio.to_thread(lambda: [_read(event) for event in events])
        rejected = sum(record.rejected for record in records)
        results = await self._intake.take(
            tx, "kafka", self._organisation, [record.group for record in records], rejected
        )
        for record, group in zip(records, results, strict=True):
            for refusal in record.answered(group):
                tx.send(
                    REJECTED_TOPIC,
                    record.event.subject,
                    rejection(refusal, record.event),
                    "application/fhir+json",
                )


def _read(event: Event) -> _Read:
    try:
        resource = parse_json(bytes(event.data))
        if resource.get("resourceType") == "Bundle":
            return _read_bundle(event, resource)
        return _Read(event, Group([Command(Asked("put", read_appointment(resource)), event)]))
    except Refused as refusal:
        return _Read(event, Group(()), [refusal], rejected=1)


def _read_bundle(event: Event, resource: JsonObject) -> _Read:
    kind, entries = read_bundle(resource, _KINDS)
    read = read_entries(entries, read_resource if kind == "collection" else read_entry)
    asked = {index: one for index, one in enumerate(read) if isinstance(one, Asked)}
    refusals = [one for one in read if isinstance(one, Refused)]
    atomic = kind == "transaction"
    if atomic and refusals:  # all or nothing: each entry counts as refused
        return _Read(event, Group((), atomic=True), refusals, rejected=len(entries))
    commands = [Command(one, event) for one in asked.values()]
    return _Read(
        event, Group(commands, atomic=atomic), refusals, rejected=len(refusals), entries=list(asked)
    )


def _together(refusals: Sequence[Refused]) -> Refused:
    return Refused(refusals[0].status, [issue for refusal in refusals for issue in refusal.issues])


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
            {
                "url": "offset",
                "valueString": offset,
            },  # a 64-bit number, which FHIR's integer is not
        ],
    }
    return msgspec.json.encode({**outcome(bounded(refusal.issues)), "extension": [origin]})
