"""What the events say, one Struct for each type.

Generated from schemas/ by `python -m schemas.tools.generate`; do not edit.

A Struct validates when it is decoded, not when it is built. Properties that a later version adds
are ignored, so an old reader reads new events.
"""


from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from brobyg_contracts.event import EventData
from msgspec import UNSET, Meta, Struct, UnsetType

#: Opaque id of one thing: a UUID in its 36-character lower-case form. New things get UUIDv7 (RFC
#: 9562 §5.7); ids derived from others are UUIDv5.
Id: TypeAlias = Annotated[str, Meta(max_length=36, min_length=36)]


#: A point in time: RFC 3339, in UTC, written with 'Z'. Local time (Europe/Copenhagen) is only for
#: what people read and write.
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]


#: Local branch that runs the escort (Danish: afdeling); a key of `departments` in places.json.
Department: TypeAlias = Annotated[str, Meta(max_length=40, pattern="^[a-z][a-z0-9-]*\\Z")]


#: A place of care; a key of `locations` in places.json.
LocationId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9-]*\\Z")]


#: Danish municipality code: four digits with the leading zero (the authority code of the Danish
#: CPR office's municipality register).
MunicipalityCode: TypeAlias = Annotated[
    str, Meta(max_length=4, min_length=4, pattern="^[0-9]{4}\\Z")
]


#: Danish postcode: four digits (PostNord). No event says more exactly where somebody lives.
PostcodeNumber: TypeAlias = Annotated[str, Meta(max_length=4, min_length=4, pattern="^[0-9]{4}\\Z")]


#: A language somebody speaks: ISO 639-1 two-letter code in lower case.
SpokenLanguage: TypeAlias = Annotated[str, Meta(max_length=2, min_length=2, pattern="^[a-z]{2}\\Z")]


#: A language that messages are written in: ISO 639-1.
MessageLanguage: TypeAlias = Literal["da", "en"]


#: The kind of help (Danish: forløb); the name of a file in schemas/pathways.
Pathway: TypeAlias = Literal["escort"]


#: Who referred: the general practitioner, a hospital ward, a municipal employee, or the citizen.
ReferrerKind: TypeAlias = Literal["gp", "hospital", "municipality", "citizen"]


#: Gender of the volunteer a citizen may ask for.
Gender: TypeAlias = Literal["female", "male"]


#: How the citizen gets about, on which the time to travel depends.
Mobility: TypeAlias = Literal["independent", "walking_aid", "wheelchair"]


#: Where volunteer and citizen meet: at the citizen's home, or at the place of care.
Meeting: TypeAlias = Literal["home", "at_location"]


#: Where a helper comes from: a student of a health programme, or a retired professional (Det
#: Pensionerede Sundhedsvæsen).
Pool: TypeAlias = Literal["student", "retired_professional"]


#: Why an open offer was withdrawn.
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


#: Why a matched volunteer is free again.
ReleaseReason: TypeAlias = Literal[
    "appointment_cancelled",
    "appointment_rescheduled",
    "consent_withdrawn",
    "volunteer_withdrew",
    "blocked",
]


#: Why the coordinator has to act: no volunteer met the hard rules; those asked did not accept in
#: time; the appointment became known too late to ask.
EscalationReason: TypeAlias = Literal["nobody_available", "nobody_answered", "too_late"]


#: The recipient's role in the appointment.
RecipientRole: TypeAlias = Literal["volunteer", "citizen", "coordinator"]


#: How a message is sent.
Channel: TypeAlias = Literal["email"]


#: Why a message will not be sent: the recipient has no address for the channel; the recipient was
#: erased; the receiving server refused it permanently (SMTP 5yz, RFC 5321 §4.2.1); the appointment
#: ended before it could be sent.
FailureReason: TypeAlias = Literal["no_address", "recipient_erased", "refused", "appointment_over"]


#: Name of the message's template in the notification service.
Template: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_.-]*\\Z")]


#: Name of a hard rule of matching, such as `language`.
RuleName: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How many, from 0.
Count: TypeAlias = Annotated[int, Meta(ge=0)]


class Needs(Struct, frozen=True, kw_only=True):
    """What the citizen needs of a volunteer and for the journey; nothing about why."""

    #: Languages the citizen speaks; one in common is enough. In order of preference.
    languages: Annotated[tuple[SpokenLanguage, ...], Meta(max_length=16, min_length=1)]
    #: Gender of volunteer asked for; null when the citizen did not ask.
    gender_wish: Gender | None
    mobility: Mobility
    meeting: Meeting
    #: Postcode of the citizen's home: distances are taken from its centre.
    postcode: PostcodeNumber


class OfferMade(EventData, frozen=True, kw_only=True):
    """A volunteer was asked. One volunteer was asked about one appointment. Waves, lifetime and
    ranking follow schemas/pathways.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.made"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.made.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id
    #: Which round of asking this is; the first is 1.
    wave: Annotated[int, Meta(ge=1)]
    #: The volunteer's place in the order of preference among all who could; the best is 1.
    rank: Annotated[int, Meta(ge=1)]
    #: Metres from the volunteer's home to the meeting point, straight line between centres of
    #: postcodes.
    distance_metres: Annotated[int, Meta(ge=0)]
    #: True when this volunteer has escorted this citizen before.
    known_to_citizen: bool
    #: When the offer ends unless it was answered.
    expires_at: Instant
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant
    #: Where the appointment is.
    location_id: LocationId
    meeting: Meeting
    #: When volunteer and citizen meet: the appointment's start less the travel time and the margin
    #: in schemas/pathways.
    meet_at: Instant


class OfferAccepted(EventData, frozen=True, kw_only=True):
    """A volunteer accepted an offer. The first to accept has the appointment; volunteer.matched
    follows.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.accepted"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.accepted.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id


class OfferDeclined(EventData, frozen=True, kw_only=True):
    """A volunteer declined an offer. The volunteer is not asked again about this time of this
    appointment.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.declined"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.declined.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id


class OfferExpired(EventData, frozen=True, kw_only=True):
    """A volunteer did not answer. There was no answer until expires_at."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.expired"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.expired.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id


class OfferWithdrawn(EventData, frozen=True, kw_only=True):
    """An open offer was withdrawn. It can no longer be answered, for the given reason."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.withdrawn.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id
    reason: WithdrawalReason


class VolunteerMatched(EventData, frozen=True, kw_only=True):
    """A volunteer was found. The volunteer has accepted this appointment."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.matched"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.matched.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The agreement of one volunteer to one appointment.
    match_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id
    #: One question to one volunteer about one appointment.
    offer_id: Id
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant
    #: Where the appointment is.
    location_id: LocationId
    meeting: Meeting
    #: When volunteer and citizen meet: the appointment's start less the travel time and the margin
    #: in schemas/pathways.
    meet_at: Instant
    #: When the volunteer is back home.
    home_at: Instant
    #: The volunteer's whole time in minutes: travel to the meeting point, escort, waiting, the
    #: appointment, and the way back.
    minutes: Annotated[int, Meta(ge=1)]
    #: The department that runs this; absent in events of earlier versions.
    department: Department | UnsetType = UNSET


class MatchReleased(EventData, frozen=True, kw_only=True):
    """A matched volunteer is free again. The agreement ended before the appointment took place.
    Also sent after the agreed end, when the hospital moves to a later day an appointment that
    did not take place.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.released"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.released.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The agreement of one volunteer to one appointment.
    match_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id
    reason: ReleaseReason
    #: Start of the appointment as it was when matched.
    starts_at: Instant
    #: End of the appointment as it was when matched.
    ends_at: Instant


class MatchEscalated(EventData, frozen=True, kw_only=True):
    """The coordinator has to find somebody. No volunteer was found while there is still time to
    act.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.escalated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.escalated.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: The department that runs this.
    department: Department
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant
    #: Where the appointment is.
    location_id: LocationId
    reason: EscalationReason
    #: How many volunteers were asked about this time of the appointment.
    asked: Annotated[int, Meta(ge=0)]
    #: How many volunteers each hard rule excluded, by the rule's name. A volunteer counts under
    #: the first rule that fails.
    excluded: dict[RuleName, Count]


class VolunteerRegistered(EventData, frozen=True, kw_only=True):
    """Somebody applied as a volunteer. Registered; asked only when active. Identity stays with
    the matching service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.registered"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.registered.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id
    pool: Pool
    #: The department that runs this.
    department: Department
    #: Municipality the volunteer lives in.
    municipality_code: MunicipalityCode


class VolunteerActivated(EventData, frozen=True, kw_only=True):
    """A volunteer is ready to be asked. Confidentiality is signed, the criminal record checked,
    the introduction course taken.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.activated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.activated.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id


class VolunteerPaused(EventData, frozen=True, kw_only=True):
    """A volunteer takes a break. Not asked until activated again; what is agreed still holds."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.paused"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.paused.schema.json"
    SUBJECT: ClassVar[str] = "volunteer_id"

    #: The volunteer, known by name to the matching service only.
    volunteer_id: Id


class NotificationSent(EventData, frozen=True, kw_only=True):
    """A message was handed over. The mail server took responsibility for it (SMTP 250, RFC 5321
    §4.2.5).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.sent"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/notification.sent.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One message to one recipient for one cause.
    notification_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    recipient_role: RecipientRole
    #: Whom it is for: the volunteer_id, the citizen_id, or for a coordinator the department.
    recipient_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[a-z0-9-]+\\Z")]
    template: Template
    channel: Channel
    #: Language the message is written in.
    language: MessageLanguage
    #: Id of the event that this message is about; one message per cause and recipient.
    cause: Id


class NotificationFailed(EventData, frozen=True, kw_only=True):
    """A message was given up. It will not reach its recipient, for the given reason. An
    unreachable server only delays it, until the appointment is over at the latest.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.failed"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/notification.failed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: One message to one recipient for one cause.
    notification_id: Id
    #: The referral this belongs to.
    referral_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    recipient_role: RecipientRole
    #: Whom it is for: the volunteer_id, the citizen_id, or for a coordinator the department.
    recipient_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[a-z0-9-]+\\Z")]
    template: Template
    channel: Channel
    #: Language the message is written in.
    language: MessageLanguage
    #: Id of the event that this message is about; one message per cause and recipient.
    cause: Id
    reason: FailureReason


class ReferralCreated(EventData, frozen=True, kw_only=True):
    """A citizen was referred. A request for help for one citizen under one pathway was accepted
    from a referrer. Identity stays with the referral service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.referral.created"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/referral.created.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    pathway: Pathway
    #: The department that runs this.
    department: Department
    #: Municipality the citizen lives in.
    municipality_code: MunicipalityCode
    referrer_kind: ReferrerKind
    needs: Needs


class ConsentGiven(EventData, frozen=True, kw_only=True):
    """The citizen gave consent. The citizen's recorded consent to this referral. Nothing is done
    without it (GDPR art. 9(2)(a)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.given"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.given.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id


class ConsentWithdrawn(EventData, frozen=True, kw_only=True):
    """The citizen withdrew consent. Nothing more is done for this referral: offers are
    withdrawn, matches released, the hospital's messages dropped (GDPR art. 7(3)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.withdrawn.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id


class AppointmentBooked(EventData, frozen=True, kw_only=True):
    """The hospital booked an appointment. A planned contact in the health service of a citizen
    with an active, consented referral (FHIR R4 Appointment status booked).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.booked"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.booked.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant
    #: Where the appointment is.
    location_id: LocationId


class AppointmentRescheduled(EventData, frozen=True, kw_only=True):
    """The hospital moved an appointment. Time or place has changed; these are the new values.
    Volunteers who were found or asked for the old time are asked again.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.rescheduled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/appointment.rescheduled.schema.json"
    )
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant
    #: Where the appointment is.
    location_id: LocationId


class AppointmentCancelled(EventData, frozen=True, kw_only=True):
    """The hospital cancelled an appointment. It will not take place (FHIR R4 Appointment status
    cancelled or entered-in-error).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.cancelled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.cancelled.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id


class AppointmentCompleted(EventData, frozen=True, kw_only=True):
    """The citizen came to the appointment. It took place (FHIR R4 Appointment status fulfilled)."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.completed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.completed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: When the appointment starts.
    starts_at: Instant
    #: When the appointment ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant


class AppointmentMissed(EventData, frozen=True, kw_only=True):
    """The citizen did not come. It did not take place because the citizen did not show (FHIR R4
    Appointment status noshow).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.missed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.missed.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id

__all__ = [
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentCompleted",
    "AppointmentMissed",
    "AppointmentRescheduled",
    "Channel",
    "ConsentGiven",
    "ConsentWithdrawn",
    "Count",
    "Department",
    "EscalationReason",
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
    "RuleName",
    "SpokenLanguage",
    "Template",
    "VolunteerActivated",
    "VolunteerMatched",
    "VolunteerPaused",
    "VolunteerRegistered",
    "WithdrawalReason",
]
