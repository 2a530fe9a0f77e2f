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


#: Local branch that runs the help (Danish: afdeling); a department of the reference data.
DepartmentId: TypeAlias = Annotated[str, Meta(max_length=40, pattern="^[a-z][a-z0-9-]*\\Z")]


#: A place: hospital, clinic, drop-in centre; a place of the reference data.
LocationId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9-]*\\Z")]


#: An organisation of the reference data.
OrganisationId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9-]*\\Z")]


#: Danish municipality code: four digits with the leading zero (the authority code of the Danish
#: CPR office's municipality register).
MunicipalityCode: TypeAlias = Annotated[
    str, Meta(max_length=4, min_length=4, pattern="^[0-9]{4}\\Z")
]


#: Danish postcode: four digits (PostNord). No event says more exactly where somebody lives.
PostcodeNumber: TypeAlias = Annotated[str, Meta(max_length=4, min_length=4, pattern="^[0-9]{4}\\Z")]


#: One entry of the reference data: its kind and its id.
ReferenceKey: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z]+/[a-z0-9_-]+\\Z")]


#: The reference data's version: counted up by each change that was applied.
ReferenceVersion: TypeAlias = Annotated[int, Meta(ge=1)]


#: WGS 84, degrees north.
Latitude: TypeAlias = Annotated[float, Meta(ge=-90.0, le=90.0)]


#: WGS 84, degrees east.
Longitude: TypeAlias = Annotated[float, Meta(ge=-180.0, le=180.0)]


#: What people call a place, department, organisation or pool.
Label: TypeAlias = Annotated[str, Meta(max_length=80, min_length=1)]


#: `system|value`: an identifier by which others name it, such as a SOR id or a sender's own code.
Alias: TypeAlias = Annotated[str, Meta(max_length=160, pattern="^[^|\\s]+\\|\\S+\\Z")]


#: Time of day, HH:MM, in the place's zone.
LocalTime: TypeAlias = Annotated[
    str, Meta(max_length=5, min_length=5, pattern="^([01][0-9]|2[0-3]):[0-5][0-9]\\Z")
]


#: A day, YYYY-MM-DD, in the place's zone.
LocalDate: TypeAlias = Annotated[
    str, Meta(max_length=10, min_length=10, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}\\Z")
]


#: A language somebody speaks: ISO 639-1 two-letter code in lower case.
SpokenLanguage: TypeAlias = Annotated[str, Meta(max_length=2, min_length=2, pattern="^[a-z]{2}\\Z")]


#: A language that messages are written in: ISO 639-1. Known are those of the message catalogues.
MessageLanguage: TypeAlias = Annotated[
    str, Meta(max_length=2, min_length=2, pattern="^[a-z]{2}\\Z")
]


#: The kind of help (Danish: forløb); the name of a file in schemas/pathways. Known: `escort`.
#: Others may come.
Pathway: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: The version of the pathway's declared policy by which this was decided.
PolicyVersion: TypeAlias = Annotated[int, Meta(ge=1)]


#: Who referred: the general practitioner, a hospital ward, a municipal employee, or the citizen.
#: Known: `gp`, `hospital`, `municipality`, `citizen`. Others may come.
ReferrerKind: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Gender of the helper a citizen may ask for. Closed: it is compared with what helpers have
#: registered.
Gender: TypeAlias = Literal["female", "male"]


#: How the citizen gets about, on which the time to travel depends. Closed: each has its pace in
#: the policies.
Mobility: TypeAlias = Literal["independent", "walking_aid", "wheelchair"]


#: Where helper and citizen meet: at the citizen's home, or at the place of care. Closed: the way
#: is planned by it.
Meeting: TypeAlias = Literal["home", "at_location"]


#: What a need is about. Known: `appointment`, `referral`, `call`, `session`. Others may come.
SubjectKind: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How the help is given. Known: `in_person`, `video`, `phone`. Others may come.
Mode: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Where a helper comes from; a pool of the reference data. Known: `student`,
#: `retired_professional`. Others may come.
PoolId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: What a helper does for a need; a role of the pathway's policy. Known: `companion`. Others may
#: come.
Role: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Something a helper can do; named by pools, policies and needs. Known: `wheelchair`, `digital`.
#: Others may come.
Competence: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: One of a need's seats, counted from 1.
SeatNumber: TypeAlias = Annotated[int, Meta(ge=1, le=32)]


#: How urgent compared with others that wait: 1 is the most urgent, 5 the ordinary.
Priority: TypeAlias = Annotated[int, Meta(ge=1, le=9)]


#: Why an open offer was withdrawn. Known: `taken`, `appointment_cancelled`,
#: `appointment_rescheduled`, `consent_withdrawn`, `escalated`, `appointment_over`, `blocked`,
#: `helper_paused`, `helper_promised`, `held`, `clash`, `reassigned`, `citizen_changed`,
#: `citizen_erased`, `withdrawn`, `helper_erased`, `helper_restricted`, `restricted`. Others may
#: come.
WithdrawalReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why a matched helper is free again. Known: `appointment_cancelled`, `appointment_rescheduled`,
#: `consent_withdrawn`, `helper_withdrew`, `blocked`, `reassigned`, `coordinator_released`,
#: `citizen_changed`, `citizen_erased`, `withdrawn`, `helper_erased`, `helper_restricted`,
#: `restricted`. Others may come.
ReleaseReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why a human has to act: no helper met the hard rules; those asked did not accept in time; it
#: became known too late to ask; no room is free; the citizen is somewhere else at the time;
#: whoever has the rest of one way does not have this. Known: `nobody_available`,
#: `nobody_answered`, `too_late`, `no_room`, `clash`, `part_of_way`. Others may come.
EscalationReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why a need has ended. Known: `completed`, `missed`, `appointment_cancelled`,
#: `consent_withdrawn`, `withdrawn`, `citizen_erased`, `restricted`. Others may come.
ClosingReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How the helper came by the seat. Known: `offer`, `assigned`, `claimed`, `by_hand`, `same_way`.
#: Others may come.
MatchingWay: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: The recipient's role. Known: `helper`, `citizen`, `coordinator`. Others may come.
RecipientRole: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How a message is sent. Known: `email`. Others may come.
Channel: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why a message will not be sent: the recipient has no address for the channel; the recipient was
#: erased; the receiving server refused it permanently (SMTP 5yz, RFC 5321 §4.2.1); what it is
#: about was over before it could be sent. Known: `no_address`, `recipient_erased`, `refused`,
#: `appointment_over`, `restricted`, `contact_not_consented`. Others may come.
FailureReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Name of the message's template in the notification service.
Template: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_.-]*\\Z")]


#: What a human has to look at. Known: `nobody_found`, `late_cancellation`, `clash`,
#: `mail_refused`, `no_coordinator_address`, `patient_declined`, `cancelled_for_another`,
#: `refused_for_another`, `entered_appointment_changed`, `citizen_silent`, `own_consent_due`,
#: `identity_opened`. Others may come.
AttentionKind: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How soon a human has to look: at once, today, or when there is time. Known: `now`, `today`,
#: `later`. Others may come.
Urgency: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How an item was settled; coded, so that it can be counted. Known: `solved_by_phone`,
#: `helper_found`, `called_off`, `company_not_needed`, `both_kept`, `no_longer_so`, `duplicate`,
#: `other`. Others may come.
AttentionOutcome: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Who acted: an opaque id of a person, or the name of the service itself.
Actor: TypeAlias = Annotated[str, Meta(max_length=64, min_length=1, pattern="^[A-Za-z0-9._-]+\\Z")]


#: As what somebody acted. Known: `coordinator`, `helper`. Others may come.
ActorRole: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Name of a hard rule of matching, such as `language`.
RuleName: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How many, from 0.
Count: TypeAlias = Annotated[int, Meta(ge=0)]


#: What was decided. Known: `asked`, `assigned`, `waits`, `nobody_available`, `nobody_answered`,
#: `too_late`, `no_room`, `clash`, `part_of_way`, `same_way`, `by_hand`, `claimed`, `accepted`,
#: `declined`, `released`, `signed_off`, `held`, `resumed`, `reopened`. Others may come.
DecisionOutcome: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


class SeatWanted(Struct, frozen=True, kw_only=True, gc=False):
    """Helpers of one role that a need wants."""

    role: Role
    #: Fewer than these are no crew.
    least: Annotated[int, Meta(ge=0)]
    #: How many are asked for.
    wanted: Annotated[int, Meta(ge=1, le=16)]


#: Points by soft rule. How near the helper lives to where the two meet counts too and is not told:
#: it would tell where that is.
PointsByRule: TypeAlias = dict[RuleName, Count]


class ConsideredHelper(Struct, frozen=True, kw_only=True, gc=False):
    """A helper who could, with what spoke for them; in the order in which they are asked."""

    #: The helper.
    helper_id: Id
    points: PointsByRule
    #: Place in the order of asking, from 1; absent for who was not asked.
    rank: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class ExcludedHelpers(Struct, frozen=True, kw_only=True, gc=False):
    """Helpers whom one rule ruled out: how many, and which of them, bounded."""

    rule: RuleName
    count: Count
    #: The first of them by id.
    helpers: Annotated[tuple[Id, ...], Meta(max_length=50)]


#: Day of the week (ISO 8601): Monday is 1.
Weekday: TypeAlias = Annotated[int, Meta(ge=1, le=7)]


#: A resource of a place.
ResourceId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9-]*\\Z")]


#: What kind of resource. Known: `video_room`. Others may come.
ResourceKind: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: How a pool's helpers are counted: by spans of time that never overlap, by a caseload with a
#: limit, or one call at a time. Known: `span`, `caseload`, `call`. Others may come.
Capacity: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: A paper that a helper needs. Known: `confidentiality`, `record_check`, `introduction`. Others
#: may come.
PaperKind: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why a person was erased: they asked for it, consent was withdrawn, the time to keep it is over,
#: or it was entered by mistake. Known: `requested`, `consent_withdrawn`, `retention_over`,
#: `entered_by_mistake`. Others may come.
ErasureReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: Why processing was restricted (GDPR art. 18(1)): accuracy is contested, it is unlawful, they
#: need it for a legal claim, or they object to it. Known: `accuracy_contested`, `unlawful`,
#: `legal_claim`, `objection`. Others may come.
RestrictionReason: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: What consent is for: the help of the referral, messages to the citizen, research, telling the GP
#: how it went. Known: `processing`, `contact`, `research`, `gp_sharing`. Others may come.
ConsentScope: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


#: A consent text of `schemas/consent`.
ConsentTextId: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9-]*\\Z")]


#: In what form consent was given. Known: `written`, `oral`, `digital`. Others may come.
ConsentForm: TypeAlias = Annotated[str, Meta(max_length=64, pattern="^[a-z][a-z0-9_]*\\Z")]


class CitizenRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """What helpers must know of a citizen. The latest record replaces the earlier. Deleted by a
    tombstone when the citizen is erased; whoever copied it deletes it then.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.citizen.recorded"
    TOPIC: ClassVar[str] = "brobyg.citizen.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/citizen.recorded.v2.schema.json"
    SUBJECT: ClassVar[str] = "citizen_id"

    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: Languages the citizen speaks; one in common is enough. In order of preference.
    languages: Annotated[tuple[SpokenLanguage, ...], Meta(max_length=16, min_length=1)]
    #: Gender of helper asked for; null when the citizen did not ask.
    gender_wish: Gender | None
    mobility: Mobility
    meeting: Meeting
    #: Postcode of the citizen's home: distances are taken from its centre.
    postcode: PostcodeNumber


class OfferMade(EventData, frozen=True, kw_only=True, gc=False):
    """A helper was asked. One helper was asked about one seat of one need. Ways of asking,
    lifetime and ranking follow the pathway's policy.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.made"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.made.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One question to one helper about one seat.
    offer_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    role: Role
    pathway: Pathway
    #: The department that runs this.
    department: DepartmentId
    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: How often the seat's search had been opened; the first is 1.
    round: Annotated[int, Meta(ge=1)]
    #: Which group of this round was asked; the first is 1.
    wave: Annotated[int, Meta(ge=1)]
    #: The helper's place in the order of asking of this round; the first is 1.
    rank: Annotated[int, Meta(ge=1)]
    #: True when this helper has helped this citizen before.
    known_to_citizen: bool
    #: When the offer ends unless it was answered.
    expires_at: Instant
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET


class OfferAccepted(EventData, frozen=True, kw_only=True, gc=False):
    """A helper accepted an offer. The first to accept has the seat; volunteer.matched or
    staff.matched follows.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.accepted"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.accepted.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One question to one helper about one seat.
    offer_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class OfferDeclined(EventData, frozen=True, kw_only=True, gc=False):
    """A helper declined an offer. The helper is not asked again about this seat while the need
    stays as it is.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.declined"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.declined.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One question to one helper about one seat.
    offer_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class OfferExpired(EventData, frozen=True, kw_only=True, gc=False):
    """A helper did not answer. There was no answer until expires_at."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.expired"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.expired.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One question to one helper about one seat.
    offer_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class OfferWithdrawn(EventData, frozen=True, kw_only=True, gc=False):
    """An open offer was withdrawn. It can no longer be answered, for the given reason."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.offer.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/offer.withdrawn.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One question to one helper about one seat.
    offer_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    #: The helper, known by name to the matching service only.
    helper_id: Id
    reason: WithdrawalReason
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class VolunteerMatched(EventData, frozen=True, kw_only=True, gc=False):
    """A volunteer was found. The volunteer has this seat."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.volunteer.matched"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/volunteer.matched.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: The agreement of one helper to one seat.
    match_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    role: Role
    #: The helper's pool.
    pool: PoolId
    pathway: Pathway
    policy_version: PolicyVersion
    #: The department that runs this.
    department: DepartmentId
    #: The helper, known by name to the matching service only.
    helper_id: Id
    way: MatchingWay
    #: True when with this helper the need's least crew is there.
    crew_complete: bool
    #: True when the same match is told again, at the times that hold now.
    corrected: bool | UnsetType = UNSET
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: One question to one helper about one seat.
    offer_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: The resource that is held with it.
    resource_id: ResourceId | UnsetType = UNSET
    #: The citizen's other need that the same helper fills on the same way.
    shares_with: Id | UnsetType = UNSET


class StaffMatched(EventData, frozen=True, kw_only=True, gc=False):
    """An employed helper was found. The employed helper has this seat. The same shape as
    volunteer.matched.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.staff.matched"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/staff.matched.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: The agreement of one helper to one seat.
    match_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    role: Role
    #: The helper's pool.
    pool: PoolId
    pathway: Pathway
    policy_version: PolicyVersion
    #: The department that runs this.
    department: DepartmentId
    #: The helper, known by name to the matching service only.
    helper_id: Id
    way: MatchingWay
    #: True when with this helper the need's least crew is there.
    crew_complete: bool
    #: True when the same match is told again, at the times that hold now.
    corrected: bool | UnsetType = UNSET
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: One question to one helper about one seat.
    offer_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: The resource that is held with it.
    resource_id: ResourceId | UnsetType = UNSET
    #: The citizen's other need that the same helper fills on the same way.
    shares_with: Id | UnsetType = UNSET


class MatchReleased(EventData, frozen=True, kw_only=True, gc=False):
    """A matched helper is free again. The agreement ended before it took place. Also sent after
    the agreed end, when the hospital moves to a later day an appointment that did not take
    place.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.released"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.released.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: The agreement of one helper to one seat.
    match_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    role: Role
    pathway: Pathway
    #: The department that runs this.
    department: DepartmentId
    #: The helper, known by name to the matching service only.
    helper_id: Id
    reason: ReleaseReason
    #: True when the need goes ahead with its least crew, though this helper has left.
    crew_complete: bool
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET


class MatchEscalated(EventData, frozen=True, kw_only=True, gc=False):
    """A human has to find somebody. No crew was found while there is still time to act."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.match.escalated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/match.escalated.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    pathway: Pathway
    #: The department that runs this.
    department: DepartmentId
    reason: EscalationReason
    #: How many helpers were asked.
    asked: Annotated[int, Meta(ge=0)]
    #: How many helpers are missing to the least crew.
    missing: Annotated[int, Meta(ge=0)]
    #: How many helpers each hard rule ruled out, by the rule's name. A helper counts under the
    #: first rule that fails.
    excluded: dict[RuleName, Count]
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: The citizen's other need that it clashes with, or is one way with.
    other_need_id: Id | UnsetType = UNSET
    #: Where the other is.
    other_location_id: LocationId | UnsetType = UNSET
    #: When the other starts.
    other_starts_at: Instant | UnsetType = UNSET
    #: When the other ends.
    other_ends_at: Instant | UnsetType = UNSET


class NeedDecided(EventData, frozen=True, kw_only=True, gc=False):
    """Why helpers were asked, or nobody. Who was considered for a seat, ruled out by which rule,
    and asked in which order; or what somebody did by hand, and who. What would tell the
    citizen's language or wish of gender is said as `not_suitable`. At most 16 KB: 50
    candidates, the rest counted.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.need.decided"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/need.decided.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    seat: SeatNumber
    role: Role
    pathway: Pathway
    policy_version: PolicyVersion
    #: The department that runs this.
    department: DepartmentId
    #: How often the seat's search had been opened; the first is 1.
    round: Annotated[int, Meta(ge=1)]
    #: Which group of this round was asked; the first is 1.
    wave: Annotated[int, Meta(ge=1)]
    outcome: DecisionOutcome
    #: How many helpers passed all hard rules.
    could: Annotated[int, Meta(ge=0)]
    #: How many helpers were asked.
    asked: Annotated[int, Meta(ge=0)]
    #: Those who could, best first, at most 50: who was asked has a rank.
    considered: Annotated[tuple[ConsideredHelper, ...], Meta(max_length=50)]
    #: Those who could not, by the rule that ruled them out.
    excluded: Annotated[tuple[ExcludedHelpers, ...], Meta(max_length=32)]
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: Who did it, where somebody did it by hand: a coordinator's token subject, or the helper_id.
    actor: Actor | UnsetType = UNSET
    #: As what; present exactly with `actor`.
    actor_role: ActorRole | UnsetType = UNSET


class HelperRegistered(EventData, frozen=True, kw_only=True, gc=False):
    """Somebody became a helper. Registered; asked only when active. Identity stays with the
    matching service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.registered"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/helper.registered.v2.schema.json"
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: The pools the helper belongs to.
    pools: Annotated[tuple[PoolId, ...], Meta(max_length=8, min_length=1)]
    #: The departments the helper serves.
    departments: Annotated[tuple[DepartmentId, ...], Meta(max_length=16, min_length=1)]
    #: Municipality of the home.
    municipality_code: MunicipalityCode


class HelperActivated(EventData, frozen=True, kw_only=True, gc=False):
    """A helper is ready to be asked. The papers that the pool asks for are there."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.activated"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/helper.activated.v2.schema.json"
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id


class HelperPaused(EventData, frozen=True, kw_only=True, gc=False):
    """A helper takes a break. Not asked until activated again; what is agreed still holds."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.paused"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/helper.paused.v2.schema.json"
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id


class HelperErased(EventData, frozen=True, kw_only=True, gc=False):
    """A helper was erased. Who the helper is can no longer be found, and they are never asked
    again. Each service that copied anything of the helper deletes it and acknowledges (GDPR
    art. 17 and 19).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.erased"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/helper.erased.v2.schema.json"
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: Why.
    reason: ErasureReason


class HelperRestricted(EventData, frozen=True, kw_only=True, gc=False):
    """Processing of a helper was restricted. What is kept of the helper is stored and nothing
    else: they are not asked or told until it is lifted (GDPR art. 18).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.restricted"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/helper.restricted.v2.schema.json"
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id
    #: Why.
    reason: RestrictionReason


class HelperUnrestricted(EventData, frozen=True, kw_only=True, gc=False):
    """Restriction of a helper was lifted. They can be asked again if they are active (GDPR art.
    18(3)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.helper.unrestricted"
    TOPIC: ClassVar[str] = "brobyg.matching.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/helper.unrestricted.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "helper_id"

    #: The helper, known by name to the matching service only.
    helper_id: Id


class NotificationSent(EventData, frozen=True, kw_only=True, gc=False):
    """A message was handed over. The mail server took responsibility for it (SMTP 250, RFC 5321
    §4.2.5).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.sent"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/notification.sent.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: One message to one recipient for one cause.
    notification_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    recipient_role: RecipientRole
    #: Whom it is for: the helper_id, the citizen_id, or for a coordinator the department.
    recipient_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[a-z0-9-]+\\Z")]
    template: Template
    channel: Channel
    #: Id of the event that this message is about; one message per cause and recipient.
    cause: Id
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class NotificationFailed(EventData, frozen=True, kw_only=True, gc=False):
    """A message was given up. It will not reach its recipient, for the given reason. An
    unreachable server only delays it, until what it is about is over.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.notification.failed"
    TOPIC: ClassVar[str] = "brobyg.notification.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/notification.failed.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "need_id"

    #: One message to one recipient for one cause.
    notification_id: Id
    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    recipient_role: RecipientRole
    #: Whom it is for: the helper_id, the citizen_id, or for a coordinator the department.
    recipient_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[a-z0-9-]+\\Z")]
    template: Template
    channel: Channel
    #: Id of the event that this message is about; one message per cause and recipient.
    cause: Id
    reason: FailureReason
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET


class ErasureAcknowledged(EventData, frozen=True, kw_only=True, gc=False):
    """A service has erased what it had of a person. Sent by each service that may hold a copy,
    once all that it had of the person is deleted; also when it had nothing.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.erasure.acknowledged"
    TOPIC: ClassVar[str] = "brobyg.{source}.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/erasure.acknowledged.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "person_id"

    #: The citizen or helper who was erased.
    person_id: Id
    #: The service that acknowledges.
    service: Annotated[str, Meta(max_length=40, min_length=1, pattern="^[a-z][a-z0-9-]*\\Z")]


class DepartmentRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """A department of the reference data. What it covers, whom it asks, and how it writes."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.department.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/department.recorded.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    #: Municipalities it covers.
    municipalities: Annotated[tuple[MunicipalityCode, ...], Meta(max_length=98, min_length=1)]
    #: Pools whose helpers it may ask.
    pools: Annotated[tuple[PoolId, ...], Meta(max_length=16, min_length=1)]
    #: Pathways it runs.
    pathways: Annotated[tuple[Pathway, ...], Meta(max_length=16, min_length=1)]
    #: Organisations whose appointments it takes.
    senders: Annotated[tuple[OrganisationId, ...], Meta(max_length=32)]
    #: Languages it writes in, the first by default.
    languages: Annotated[tuple[MessageLanguage, ...], Meta(max_length=8, min_length=1)]
    #: No message is sent from this time ...
    quiet_from: LocalTime
    #: ... until this one.
    quiet_to: LocalTime
    #: Departments that it has taken over.
    former: Annotated[tuple[DepartmentId, ...], Meta(max_length=16)]
    #: IANA name of its time zone.
    zone: Annotated[str, Meta(max_length=40, pattern="^[A-Za-z]+(/[A-Za-z_]+)+\\Z")]


class OrganisationRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """An organisation of the reference data. Who refers, sends appointments, or lends helpers."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.organisation.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/organisation.recorded.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    #: Identifiers by which others name it.
    aliases: Annotated[tuple[Alias, ...], Meta(max_length=32)]


class PoolRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """A pool of the reference data. Where helpers come from, what they need, and how their
    capacity counts.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.pool.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/pool.recorded.v2.schema.json"
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    #: The organisation its helpers belong to.
    organisation: OrganisationId
    #: True for helpers who are employed: a match of theirs is staff.matched.
    employed: bool
    capacity: Capacity
    #: Papers a helper must have before being asked.
    requires: Annotated[tuple[PaperKind, ...], Meta(max_length=16)]
    #: The most cases at a time, for a caseload, unless the helper has a limit of their own.
    limit: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class PostcodeRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """A postcode of the reference data. Its centre, from which distances are taken."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.postcode.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/postcode.recorded.v2.schema.json"
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    latitude: Latitude
    longitude: Longitude
    #: Municipality most of it is in.
    municipality_code: MunicipalityCode


class ReferralCreated(EventData, frozen=True, kw_only=True, gc=False):
    """A citizen was referred. A request for help for one citizen under one pathway was accepted
    from a referrer. Identity stays with the referral service.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.referral.created"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/referral.created.v2.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    pathway: Pathway
    #: The department that runs this.
    department: DepartmentId
    #: Municipality of the home.
    municipality_code: MunicipalityCode
    referrer_kind: ReferrerKind


class ConsentGiven(EventData, frozen=True, kw_only=True, gc=False):
    """The citizen gave consent. The citizen's recorded consent, of one scope. Of the scope
    `processing` it is to this referral, and nothing is done without it (GDPR art. 9(2)(a));
    the other scopes hold for the citizen whichever referral they were recorded at.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.given"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.given.v2.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: What it is for. Left out: `processing`, the help that the referral asks for.
    scope: ConsentScope | UnsetType = UNSET
    #: The text that the citizen agreed to.
    text_id: ConsentTextId | UnsetType = UNSET
    #: The version of that text.
    text_version: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    #: In what form it was given.
    how: ConsentForm | UnsetType = UNSET
    #: Whether somebody with the right to decide for the citizen gave it (Danish: forælder med
    #: forældremyndighed, værge).
    by_guardian: bool | UnsetType = UNSET


class ConsentWithdrawn(EventData, frozen=True, kw_only=True, gc=False):
    """The citizen withdrew consent. Of the scope `processing`: nothing more is done for this
    referral: offers are withdrawn, matches released, the hospital's messages dropped (GDPR
    art. 7(3)). Of another scope: what that scope allowed ends, and the help goes on.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.consent.withdrawn"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/consent.withdrawn.v2.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: What it is for. Left out: `processing`, the help that the referral asks for.
    scope: ConsentScope | UnsetType = UNSET


class AppointmentBooked(EventData, frozen=True, kw_only=True, gc=False):
    """An appointment was booked. A planned contact in the health service of a citizen with an
    active, consented referral (FHIR R4 Appointment status booked).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.booked"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.booked.v2.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: Where it is.
    location_id: LocationId
    #: When it starts.
    starts_at: Instant
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant


class AppointmentRescheduled(EventData, frozen=True, kw_only=True, gc=False):
    """An appointment was moved. Time or place has changed; these are the new values."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.rescheduled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/appointment.rescheduled.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: Where it is.
    location_id: LocationId
    #: When it starts.
    starts_at: Instant
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant


class AppointmentCancelled(EventData, frozen=True, kw_only=True, gc=False):
    """An appointment was cancelled. It will not take place (FHIR R4 Appointment status cancelled
    or entered-in-error).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.cancelled"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/appointment.cancelled.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id


class AppointmentCompleted(EventData, frozen=True, kw_only=True, gc=False):
    """The citizen came to the appointment. It took place (FHIR R4 Appointment status fulfilled)."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.completed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/appointment.completed.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id
    #: When it starts.
    starts_at: Instant
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant


class AppointmentMissed(EventData, frozen=True, kw_only=True, gc=False):
    """The citizen did not come. It did not take place because the citizen did not show (FHIR R4
    Appointment status noshow).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.appointment.missed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/appointment.missed.v2.schema.json"
    SUBJECT: ClassVar[str] = "referral_id"

    #: The referral this belongs to.
    referral_id: Id
    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: The appointment; the hospital's own identifier stays with the referral service.
    appointment_id: Id


class NeedOpened(EventData, frozen=True, kw_only=True, gc=False):
    """Something wants helpers. A fact has led to a need: an appointment to go to, a helper for a
    citizen, a question, a session. Also sent when a closed need is open again. Nothing said
    of the citizen stands in it: that is in brobyg.citizen.v1.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.need.opened"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/need.opened.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    about_kind: SubjectKind
    #: The appointment, referral, call or session that the need is about.
    about_id: Id
    pathway: Pathway
    policy_version: PolicyVersion
    #: The department that runs this.
    department: DepartmentId
    mode: Mode
    priority: Priority
    #: Competences that each helper must have beside what the policy and the citizen ask for.
    competences: Annotated[tuple[Competence, ...], Meta(max_length=8)]
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: When somebody must have been found, where it has no span of time.
    answer_by: Instant | UnsetType = UNSET
    #: Nobody is asked before this.
    not_before: Instant | UnsetType = UNSET
    #: Seats, where they differ from the policy's.
    seats: Annotated[tuple[SeatWanted, ...], Meta(max_length=8, min_length=1)] | UnsetType = UNSET


class NeedChanged(EventData, frozen=True, kw_only=True, gc=False):
    """A need has changed. All of it as it is now. Helpers who can't by the new values are
    released, and asked anew.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.need.changed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/need.changed.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    about_kind: SubjectKind
    #: The appointment, referral, call or session that the need is about.
    about_id: Id
    pathway: Pathway
    policy_version: PolicyVersion
    #: The department that runs this.
    department: DepartmentId
    mode: Mode
    priority: Priority
    #: Competences that each helper must have beside what the policy and the citizen ask for.
    competences: Annotated[tuple[Competence, ...], Meta(max_length=8)]
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: Where it is.
    location_id: LocationId | UnsetType = UNSET
    #: When it starts.
    starts_at: Instant | UnsetType = UNSET
    #: When it ends, after starts_at (FHIR R4 Appointment, app-2 and app-3).
    ends_at: Instant | UnsetType = UNSET
    #: When somebody must have been found, where it has no span of time.
    answer_by: Instant | UnsetType = UNSET
    #: Nobody is asked before this.
    not_before: Instant | UnsetType = UNSET
    #: Seats, where they differ from the policy's.
    seats: Annotated[tuple[SeatWanted, ...], Meta(max_length=8, min_length=1)] | UnsetType = UNSET


class NeedClosed(EventData, frozen=True, kw_only=True, gc=False):
    """A need has ended. Nobody is looked for any more, for the given reason. The reason tells
    whether it took place.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.need.closed"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/need.closed.v2.schema.json"
    SUBJECT: ClassVar[str] = "need_id"

    #: What wants helpers. Today the id of what it is about.
    need_id: Id
    about_kind: SubjectKind
    #: The appointment, referral, call or session that the need is about.
    about_id: Id
    reason: ClosingReason
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET


class AttentionRaised(EventData, frozen=True, kw_only=True, gc=False):
    """Something needs a human. An item of the worklist, with coded reasons. Raised by the
    service that knows of it; raised again with what has changed.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.attention.raised"
    TOPIC: ClassVar[str] = "brobyg.{source}.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/attention.raised.v2.schema.json"
    SUBJECT: ClassVar[str] = "attention_id"

    #: One thing that needs a human.
    attention_id: Id
    kind: AttentionKind
    urgency: Urgency
    #: The department that runs this.
    department: DepartmentId
    #: Coded reasons, the weightiest first.
    reasons: Annotated[tuple[RuleName, ...], Meta(max_length=16)]
    #: The referral this belongs to.
    referral_id: Id | UnsetType = UNSET
    #: The citizen, known by name to the referral service only.
    citizen_id: Id | UnsetType = UNSET
    #: What wants helpers. Today the id of what it is about.
    need_id: Id | UnsetType = UNSET
    #: The citizen's other need that it clashes with, or is one way with.
    other_need_id: Id | UnsetType = UNSET
    #: When it is too late to act.
    due_at: Instant | UnsetType = UNSET


class AttentionClaimed(EventData, frozen=True, kw_only=True, gc=False):
    """Somebody looks at an item. Who has it now. Claimed again by another when it is passed on."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.attention.claimed"
    TOPIC: ClassVar[str] = "brobyg.{source}.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/attention.claimed.v2.schema.json"
    SUBJECT: ClassVar[str] = "attention_id"

    #: One thing that needs a human.
    attention_id: Id
    actor: Actor
    #: The department that runs this.
    department: DepartmentId


class AttentionSettled(EventData, frozen=True, kw_only=True, gc=False):
    """An item is done. By whom, or by the service itself where the cause is gone, and how."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.attention.settled"
    TOPIC: ClassVar[str] = "brobyg.{source}.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/attention.settled.v2.schema.json"
    SUBJECT: ClassVar[str] = "attention_id"

    #: One thing that needs a human.
    attention_id: Id
    actor: Actor
    #: The department that runs this.
    department: DepartmentId
    outcome: AttentionOutcome
    #: What wants helpers. Today the id of what it is about.
    need_id: Id | UnsetType = UNSET


class CitizenErased(EventData, frozen=True, kw_only=True, gc=False):
    """A citizen was erased. Who the citizen is can no longer be found: the key, the identity and
    what was said of them are gone. Each service that copied anything of the citizen deletes
    it and acknowledges (GDPR art. 17 and 19).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.citizen.erased"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/citizen.erased.v2.schema.json"
    SUBJECT: ClassVar[str] = "citizen_id"

    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: Why.
    reason: ErasureReason


class CitizenRestricted(EventData, frozen=True, kw_only=True, gc=False):
    """Processing of a citizen was restricted. What is kept of the citizen is stored and nothing
    else: nobody is asked, matched or told until it is lifted (GDPR art. 18).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.citizen.restricted"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/citizen.restricted.v2.schema.json"
    SUBJECT: ClassVar[str] = "citizen_id"

    #: The citizen, known by name to the referral service only.
    citizen_id: Id
    #: Why.
    reason: RestrictionReason


class CitizenUnrestricted(EventData, frozen=True, kw_only=True, gc=False):
    """Restriction of a citizen was lifted. Processing goes on from what is so now (GDPR art.
    18(3)).
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.citizen.unrestricted"
    TOPIC: ClassVar[str] = "brobyg.referral.v1"
    DATASCHEMA: ClassVar[str] = (
        "https://brobyg.dk/schemas/events/citizen.unrestricted.v2.schema.json"
    )
    SUBJECT: ClassVar[str] = "citizen_id"

    #: The citizen, known by name to the referral service only.
    citizen_id: Id


class OpeningSpan(Struct, frozen=True, kw_only=True, gc=False):
    """Open from and to, on these days of the week (ISO 8601: Monday is 1)."""

    #: Days of the week.
    weekdays: Annotated[tuple[Weekday, ...], Meta(max_length=7, min_length=1)]
    opens: LocalTime
    closes: LocalTime


class ReferenceResource(Struct, frozen=True, kw_only=True, gc=False):
    """Something at a place that one need at a time can have, such as a clinic's room."""

    resource_id: ResourceId
    kind: ResourceKind
    label: Label


class PlaceRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """A place of the reference data. Where appointments, consultations and sessions are."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.place.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/place.recorded.v2.schema.json"
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    #: The place's postcode.
    postcode: PostcodeNumber
    latitude: Latitude
    longitude: Longitude
    #: Municipality most of it is in.
    municipality_code: MunicipalityCode
    #: Identifiers by which others name it.
    aliases: Annotated[tuple[Alias, ...], Meta(max_length=32)]
    #: What can be held there, such as rooms.
    resources: Annotated[tuple[ReferenceResource, ...], Meta(max_length=64)]
    #: The calendar of its opening hours.
    calendar_record: ReferenceKey | UnsetType = UNSET


class CalendarRecorded(EventData, frozen=True, kw_only=True, gc=False):
    """An opening calendar of the reference data. When something is open, and on which days it is
    not.
    """

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.calendar.recorded"
    TOPIC: ClassVar[str] = "brobyg.reference.v1"
    DATASCHEMA: ClassVar[str] = "https://brobyg.dk/schemas/events/calendar.recorded.v2.schema.json"
    SUBJECT: ClassVar[str] = "record"

    record: ReferenceKey
    version: ReferenceVersion
    #: True when it is no longer used for anything new. It stays known, as the history names it.
    withdrawn: bool
    label: Label
    #: IANA name of its time zone.
    zone: Annotated[str, Meta(max_length=40, pattern="^[A-Za-z]+(/[A-Za-z_]+)+\\Z")]
    #: When it is open.
    openings: Annotated[tuple[OpeningSpan, ...], Meta(max_length=21, min_length=1)]
    #: Days on which it is closed.
    closed_on: Annotated[tuple[LocalDate, ...], Meta(max_length=400)]

__all__ = [
    "Actor",
    "ActorRole",
    "Alias",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentCompleted",
    "AppointmentMissed",
    "AppointmentRescheduled",
    "AttentionClaimed",
    "AttentionKind",
    "AttentionOutcome",
    "AttentionRaised",
    "AttentionSettled",
    "CalendarRecorded",
    "Capacity",
    "Channel",
    "CitizenErased",
    "CitizenRecorded",
    "CitizenRestricted",
    "CitizenUnrestricted",
    "ClosingReason",
    "Competence",
    "ConsentForm",
    "ConsentGiven",
    "ConsentScope",
    "ConsentTextId",
    "ConsentWithdrawn",
    "ConsideredHelper",
    "Count",
    "DecisionOutcome",
    "DepartmentId",
    "DepartmentRecorded",
    "ErasureAcknowledged",
    "ErasureReason",
    "EscalationReason",
    "ExcludedHelpers",
    "FailureReason",
    "Gender",
    "HelperActivated",
    "HelperErased",
    "HelperPaused",
    "HelperRegistered",
    "HelperRestricted",
    "HelperUnrestricted",
    "Id",
    "Instant",
    "Label",
    "Latitude",
    "LocalDate",
    "LocalTime",
    "LocationId",
    "Longitude",
    "MatchEscalated",
    "MatchReleased",
    "MatchingWay",
    "Meeting",
    "MessageLanguage",
    "Mobility",
    "Mode",
    "MunicipalityCode",
    "NeedChanged",
    "NeedClosed",
    "NeedDecided",
    "NeedOpened",
    "NotificationFailed",
    "NotificationSent",
    "OfferAccepted",
    "OfferDeclined",
    "OfferExpired",
    "OfferMade",
    "OfferWithdrawn",
    "OpeningSpan",
    "OrganisationId",
    "OrganisationRecorded",
    "PaperKind",
    "Pathway",
    "PlaceRecorded",
    "PointsByRule",
    "PolicyVersion",
    "PoolId",
    "PoolRecorded",
    "PostcodeNumber",
    "PostcodeRecorded",
    "Priority",
    "RecipientRole",
    "ReferenceKey",
    "ReferenceResource",
    "ReferenceVersion",
    "ReferralCreated",
    "ReferrerKind",
    "ReleaseReason",
    "ResourceId",
    "ResourceKind",
    "RestrictionReason",
    "Role",
    "RuleName",
    "SeatNumber",
    "SeatWanted",
    "SpokenLanguage",
    "StaffMatched",
    "SubjectKind",
    "Template",
    "Urgency",
    "VolunteerMatched",
    "Weekday",
    "WithdrawalReason",
]
