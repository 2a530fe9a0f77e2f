"""What the events say, one Struct a type. Generated from schemas/ by `python -m schemas.tools.generate`; don't edit.

A Struct checks when it decodes, not when it is built: `msgspec.json.Decoder(AppointmentBooked).decode(data)`.
Properties that a later version adds are ignored, so an old reader reads new events.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

Id: TypeAlias = Annotated[str, Meta(min_length=36, max_length=36)]
"""Opaque id of one thing: a UUID in its 36-character lower-case form. New things get UUIDv7 (RFC 9562 §5.7); ids
derived from others are UUIDv5.
"""

Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A point in time: RFC 3339, in UTC, written with 'Z'. Local time (Europe/Copenhagen) is for the edges."""

Department: TypeAlias = Annotated[str, Meta(max_length=40, pattern=r"^[a-z][a-z0-9-]*\Z")]
"""Local branch that runs the escort (Danish: afdeling); a key of `departments` in places.json."""

LocationId: TypeAlias = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9-]*\Z")]
"""A place of care; a key of `locations` in places.json."""

MunicipalityCode: TypeAlias = Annotated[
    str, Meta(min_length=4, max_length=4, pattern=r"^[0-9]{4}\Z")
]
"""Danish municipality code: four digits with the leading zero (the authority code of the Danish CPR office's
municipality register).
"""

PostcodeNumber: TypeAlias = Annotated[str, Meta(min_length=4, max_length=4, pattern=r"^[0-9]{4}\Z")]
"""Danish postcode: four digits (PostNord). The most exact place of a home that an event may carry."""

SpokenLanguage: TypeAlias = Annotated[str, Meta(min_length=2, max_length=2, pattern=r"^[a-z]{2}\Z")]
"""A language somebody speaks: ISO 639-1 two-letter code in lower case."""

MessageLanguage: TypeAlias = Literal["da", "en"]
"""A language that messages are written in: ISO 639-1."""

Pathway: TypeAlias = Literal["escort"]
"""The kind of help (Danish: forløb); the name of a file in schemas/pathways."""

ReferrerKind: TypeAlias = Literal["gp", "hospital", "municipality", "citizen"]
"""Who referred: the general practitioner, a hospital ward, a municipal employee, or the citizen."""

Gender: TypeAlias = Literal["female", "male"]
"""Gender of the volunteer a citizen may ask for."""

Mobility: TypeAlias = Literal["independent", "walking_aid", "wheelchair"]
"""How the citizen gets about; decides the pace of the way."""

Meeting: TypeAlias = Literal["home", "at_location"]
"""Where volunteer and citizen meet: at the citizen's home, or at the place of care."""

Pool: TypeAlias = Literal["student", "retired_professional"]
"""Where a helper comes from: a student of a health programme, or a retired professional (Det Pensionerede
Sundhedsvæsen).
"""

WithdrawalReason: TypeAlias = Literal[
    "taken",
    "appointment_cancelled",
    "appointment_rescheduled",
    "consent_withdrawn",
    "escalated",
    "appointment_over",
    "blocked",
    "volunteer_paused",
    "volunteer_promised",
]
"""Why an open offer no longer stands."""

ReleaseReason: TypeAlias = Literal[
    "appointment_cancelled",
    "appointment_rescheduled",
    "consent_withdrawn",
    "volunteer_withdrew",
    "blocked",
]
"""Why a matched volunteer is free again."""

EscalationReason: TypeAlias = Literal["nobody_available", "nobody_answered", "too_late"]
"""Why the coordinator has to act: no volunteer met the hard rules; those asked did not accept in time; the
appointment was known too late to ask.
"""

RecipientRole: TypeAlias = Literal["volunteer", "citizen", "coordinator"]
"""What the recipient of a message is to the appointment."""

Channel: TypeAlias = Literal["email"]
"""How a message travels."""

FailureReason: TypeAlias = Literal["no_address", "recipient_erased", "refused", "appointment_over"]
"""Why a message was given up for good: the recipient has no address for the channel; the recipient was erased; the
receiving server refused it permanently (SMTP 5yz, RFC 5321 §4.2.1); the appointment ended before it could be sent.
"""

Template: TypeAlias = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_.-]*\Z")]
"""Name of the message's template in the notification service."""


class Needs(Struct, frozen=True, kw_only=True):
    """What the citizen needs of a volunteer and of the way; nothing about why."""

    languages: Annotated[tuple[SpokenLanguage, ...], Meta(min_length=1, max_length=16)]
    """Languages the citizen speaks; one in common is enough. In order of preference."""
    gender_wish: Gender | None
    """Gender of volunteer asked for; null when the citizen did not ask."""
    mobility: Mobility
    meeting: Meeting
    postcode: PostcodeNumber
    """Postcode of the citizen's home: distances are taken from its centre."""


class OfferMade(Struct, frozen=True, kw_only=True):
    """A volunteer was asked. One question to one volunteer about one appointment. Waves, lifetime and ranking
    follow schemas/pathways.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.made"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.made.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    offer_id: Id
    """One question to one volunteer about one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""
    wave: Annotated[int, Meta(ge=1)]
    """Which round of asking this is; the first is 1."""
    rank: Annotated[int, Meta(ge=1)]
    """The volunteer's place in the order of preference among all who could; the best is 1."""
    distance_metres: Annotated[int, Meta(ge=0)]
    """Metres from the volunteer's home to the meeting point, straight line between centres of postcodes."""
    known_to_citizen: bool
    """True when this volunteer has escorted this citizen before."""
    expires_at: Instant
    """When silence becomes a no."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""
    location_id: LocationId
    """Where the appointment is."""
    meeting: Meeting
    meet_at: Instant
    """When volunteer and citizen meet: the appointment's start less the way and the margin in schemas/pathways."""


class OfferAccepted(Struct, frozen=True, kw_only=True):
    """A volunteer said yes. The first yes has the appointment; volunteer.matched follows."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.accepted"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.accepted.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    offer_id: Id
    """One question to one volunteer about one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""


class OfferDeclined(Struct, frozen=True, kw_only=True):
    """A volunteer said no. The volunteer is not asked again about this time of this appointment."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.declined"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.declined.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    offer_id: Id
    """One question to one volunteer about one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""


class OfferExpired(Struct, frozen=True, kw_only=True):
    """A volunteer did not answer. Silence until expires_at."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.expired"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.expired.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    offer_id: Id
    """One question to one volunteer about one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""


class OfferWithdrawn(Struct, frozen=True, kw_only=True):
    """An open offer no longer stands. It can't be answered any more, for the given reason."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.withdrawn.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    offer_id: Id
    """One question to one volunteer about one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""
    reason: WithdrawalReason


class VolunteerMatched(Struct, frozen=True, kw_only=True):
    """A volunteer was found. Volunteer and citizen are agreed on for this appointment."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.matched"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.matched.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    match_id: Id
    """The agreement of one volunteer to one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    department: Department | UnsetType = UNSET
    """The department that runs this; absent in events of before it was told."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""
    offer_id: Id
    """One question to one volunteer about one appointment."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""
    location_id: LocationId
    """Where the appointment is."""
    meeting: Meeting
    meet_at: Instant
    """When volunteer and citizen meet: the appointment's start less the way and the margin in schemas/pathways."""
    home_at: Instant
    """When the volunteer is back home."""
    minutes: Annotated[int, Meta(ge=1)]
    """The volunteer's whole time in minutes: travel to the meeting point, escort, waiting, the appointment, and
    the way back.
    """


class MatchReleased(Struct, frozen=True, kw_only=True):
    """A matched volunteer is free again. The agreement ended before the appointment took place; said even after
    the end agreed, when the hospital moves to a later day what had not been.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.released"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.released.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    match_id: Id
    """The agreement of one volunteer to one appointment."""
    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""
    reason: ReleaseReason
    starts_at: Instant
    """Start of the appointment as it was when matched."""
    ends_at: Instant
    """End of the appointment as it was when matched."""


class MatchEscalated(Struct, frozen=True, kw_only=True):
    """The coordinator has to find somebody. No volunteer was found while there is still time to act."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.escalated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.escalated.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    department: Department
    """The department that runs this."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""
    location_id: LocationId
    """Where the appointment is."""
    reason: EscalationReason
    asked: Annotated[int, Meta(ge=0)]
    """How many volunteers were asked about this time of the appointment."""
    excluded: dict[
        Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_]*\Z")],
        Annotated[int, Meta(ge=0)],
    ]
    """How many volunteers each hard rule left out, by the rule's name; the first rule that fails counts."""


class VolunteerRegistered(Struct, frozen=True, kw_only=True):
    """Somebody applied as a volunteer. Known from here on; asked only when active. Identity stays with the
    matching service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.registered"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.registered.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""
    pool: Pool
    department: Department
    """The department that runs this."""
    municipality_code: MunicipalityCode
    """Municipality the volunteer lives in."""


class VolunteerActivated(Struct, frozen=True, kw_only=True):
    """A volunteer is ready to be asked. Confidentiality is signed, the criminal record checked, the
    introduction course taken.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.activated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.activated.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""


class VolunteerPaused(Struct, frozen=True, kw_only=True):
    """A volunteer takes a break. Not asked until activated again; what is agreed stands."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.paused"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.paused.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    volunteer_id: Id
    """The volunteer, known by name to the matching service only."""


class NotificationSent(Struct, frozen=True, kw_only=True):
    """A message was handed over. The mail server took responsibility for it (SMTP 250, RFC 5321 §4.2.5)."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.sent"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/notification.sent.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    notification_id: Id
    """One message to one recipient for one cause."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    recipient_role: RecipientRole
    recipient_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+\Z")]
    """Whom it is for: the volunteer_id, the citizen_id, or for a coordinator the department."""
    template: Template
    channel: Channel
    language: MessageLanguage
    """Language the message is written in."""
    cause: Id
    """Id of the event that this message tells of; one message per cause and recipient."""


class NotificationFailed(Struct, frozen=True, kw_only=True):
    """A message was given up. It will not reach its recipient, for the given reason. A dead server only delays,
    though until the appointment is over at the longest.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.failed"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/notification.failed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    notification_id: Id
    """One message to one recipient for one cause."""
    referral_id: Id
    """The referral this belongs to."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    recipient_role: RecipientRole
    recipient_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+\Z")]
    """Whom it is for: the volunteer_id, the citizen_id, or for a coordinator the department."""
    template: Template
    channel: Channel
    language: MessageLanguage
    """Language the message is written in."""
    cause: Id
    """Id of the event that this message tells of; one message per cause and recipient."""
    reason: FailureReason


class ReferralCreated(Struct, frozen=True, kw_only=True):
    """A citizen was referred. A request for help for one citizen under one pathway was accepted from a
    referrer. Identity stays with the referral service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.referral.created"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/referral.created.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    pathway: Pathway
    department: Department
    """The department that runs this."""
    municipality_code: MunicipalityCode
    """Municipality the citizen lives in."""
    referrer_kind: ReferrerKind
    needs: Needs


class ConsentGiven(Struct, frozen=True, kw_only=True):
    """The citizen said yes. The citizen's recorded yes to this referral. Nothing moves without it (GDPR art.
    9(2)(a)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.given"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.given.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""


class ConsentWithdrawn(Struct, frozen=True, kw_only=True):
    """The citizen took the yes back. From here on nothing more is done for this referral: offers are withdrawn,
    matches released, the hospital's messages dropped (GDPR art. 7(3)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.withdrawn.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""


class AppointmentBooked(Struct, frozen=True, kw_only=True):
    """The hospital booked an appointment. A planned contact in the health service of a citizen with an active,
    consented referral (FHIR R4 Appointment status booked).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.booked"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.booked.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""
    location_id: LocationId
    """Where the appointment is."""


class AppointmentRescheduled(Struct, frozen=True, kw_only=True):
    """The hospital moved an appointment. Time or place is another; the values are the new ones. Who was found
    or asked for the old time is asked again.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.rescheduled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/appointment.rescheduled.schema.json"
    )
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""
    location_id: LocationId
    """Where the appointment is."""


class AppointmentCancelled(Struct, frozen=True, kw_only=True):
    """The hospital cancelled an appointment. It will not take place (FHIR R4 Appointment status cancelled or
    entered-in-error).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.cancelled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.cancelled.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""


class AppointmentCompleted(Struct, frozen=True, kw_only=True):
    """The citizen came to the appointment. It took place (FHIR R4 Appointment status fulfilled)."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.completed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.completed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""
    starts_at: Instant
    """When the appointment starts."""
    ends_at: Instant
    """When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3)."""


class AppointmentMissed(Struct, frozen=True, kw_only=True):
    """The citizen did not come. It did not take place because the citizen did not show (FHIR R4 Appointment
    status noshow).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.missed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.missed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    """The referral this belongs to."""
    citizen_id: Id
    """The citizen, known by name to the referral service only."""
    appointment_id: Id
    """The appointment; the hospital's own identifier stays with the referral service."""


EventData: TypeAlias = (
    OfferMade
    | OfferAccepted
    | OfferDeclined
    | OfferExpired
    | OfferWithdrawn
    | VolunteerMatched
    | MatchReleased
    | MatchEscalated
    | VolunteerRegistered
    | VolunteerActivated
    | VolunteerPaused
    | NotificationSent
    | NotificationFailed
    | ReferralCreated
    | ConsentGiven
    | ConsentWithdrawn
    | AppointmentBooked
    | AppointmentRescheduled
    | AppointmentCancelled
    | AppointmentCompleted
    | AppointmentMissed
)
"""Any of the events."""


EVENTS: dict[str, type[EventData]] = {
    kind.EVENT_TYPE: kind
    for kind in (
        OfferMade,
        OfferAccepted,
        OfferDeclined,
        OfferExpired,
        OfferWithdrawn,
        VolunteerMatched,
        MatchReleased,
        MatchEscalated,
        VolunteerRegistered,
        VolunteerActivated,
        VolunteerPaused,
        NotificationSent,
        NotificationFailed,
        ReferralCreated,
        ConsentGiven,
        ConsentWithdrawn,
        AppointmentBooked,
        AppointmentRescheduled,
        AppointmentCancelled,
        AppointmentCompleted,
        AppointmentMissed,
    )
}
"""Event type (`dk.brobyg.appointment.booked`) to its Struct, topic by topic."""


__all__ = [
    "EVENTS",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentCompleted",
    "AppointmentMissed",
    "AppointmentRescheduled",
    "Channel",
    "ConsentGiven",
    "ConsentWithdrawn",
    "Department",
    "EscalationReason",
    "EventData",
    "FailureReason",
    "Gender",
    "Id",
    "Instant",
    "LocationId",
    "MatchEscalated",
    "MatchReleased",
    "Meeting",
    "MessageLanguage",
    "Mobility",
    "MunicipalityCode",
    "Needs",
    "NotificationFailed",
    "NotificationSent",
    "OfferAccepted",
    "OfferDeclined",
    "OfferExpired",
    "OfferMade",
    "OfferWithdrawn",
    "Pathway",
    "Pool",
    "PostcodeNumber",
    "RecipientRole",
    "ReferralCreated",
    "ReferrerKind",
    "ReleaseReason",
    "SpokenLanguage",
    "Template",
    "VolunteerActivated",
    "VolunteerMatched",
    "VolunteerPaused",
    "VolunteerRegistered",
    "WithdrawalReason",
]
