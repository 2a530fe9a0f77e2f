"""The topics: who writes and reads them, and how the broker keeps them. Generated from schemas/topics by
`python -m schemas.tools.generate`; don't edit.
"""

from datetime import timedelta

from msgspec import Struct


class Topic(Struct, frozen=True, kw_only=True):
    """One Kafka topic. Only its owner writes it; `producers` says the same as a list."""

    name: str
    description: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    """What the record's key is. For events it is the event's subject, see `SUBJECT` of its Struct."""
    partitions: int
    retention: timedelta | None
    """How long records are kept; None is for ever."""
    cleanup_policy: str
    compression: str
    compatibility: str
    content_type: str
    event_types: tuple[str, ...]


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            name="brobyg.matching.dead-letter.v1",
            description="What the matching service could not handle - where the record is, why, after how many tries; see `brobyg dlq`.",
            owner="matching",
            producers=("matching",),
            consumers=(),
            key="event_id",
            partitions=3,
            retention=timedelta(days=90),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/json",
            event_types=(),
        ),
        Topic(
            name="brobyg.matching.v1",
            description="Who was asked, who said yes, what was agreed, and what needs a coordinator; and which volunteers can be asked.",
            owner="matching",
            producers=("matching",),
            consumers=("notification", "reporting"),
            key="referral_id",
            partitions=12,
            retention=None,
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/cloudevents+json",
            event_types=(
                "dk.brobyg.offer.made",
                "dk.brobyg.offer.accepted",
                "dk.brobyg.offer.declined",
                "dk.brobyg.offer.expired",
                "dk.brobyg.offer.withdrawn",
                "dk.brobyg.volunteer.matched",
                "dk.brobyg.match.released",
                "dk.brobyg.match.escalated",
                "dk.brobyg.volunteer.registered",
                "dk.brobyg.volunteer.activated",
                "dk.brobyg.volunteer.paused",
            ),
        ),
        Topic(
            name="brobyg.notification.dead-letter.v1",
            description="What the notification service could not handle - where the record is, why, after how many tries; see `brobyg dlq`.",
            owner="notification",
            producers=("notification",),
            consumers=(),
            key="event_id",
            partitions=3,
            retention=timedelta(days=90),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/json",
            event_types=(),
        ),
        Topic(
            name="brobyg.notification.v1",
            description="Which messages were sent and which were given up; never what they say or to which address.",
            owner="notification",
            producers=("notification",),
            consumers=("reporting",),
            key="referral_id",
            partitions=12,
            retention=None,
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/cloudevents+json",
            event_types=("dk.brobyg.notification.sent", "dk.brobyg.notification.failed"),
        ),
        Topic(
            name="brobyg.referral.dead-letter.v1",
            description="What the referral service could not handle - where the record is, why, after how many tries; see `brobyg dlq`.",
            owner="referral",
            producers=("referral",),
            consumers=(),
            key="event_id",
            partitions=3,
            retention=timedelta(days=90),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/json",
            event_types=(),
        ),
        Topic(
            name="brobyg.referral.v1",
            description="What became of each referral, as the referral service knows it - the citizen's yes, and the hospital's appointments.",
            owner="referral",
            producers=("referral",),
            consumers=("matching", "notification", "reporting"),
            key="referral_id",
            partitions=12,
            retention=None,
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/cloudevents+json",
            event_types=(
                "dk.brobyg.referral.created",
                "dk.brobyg.consent.given",
                "dk.brobyg.consent.withdrawn",
                "dk.brobyg.appointment.booked",
                "dk.brobyg.appointment.rescheduled",
                "dk.brobyg.appointment.cancelled",
                "dk.brobyg.appointment.completed",
                "dk.brobyg.appointment.missed",
            ),
        ),
        Topic(
            name="brobyg.reporting.dead-letter.v1",
            description="What the reporting service could not handle - where the record is, why, after how many tries; see `brobyg dlq`.",
            owner="reporting",
            producers=("reporting",),
            consumers=(),
            key="event_id",
            partitions=3,
            retention=timedelta(days=90),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="BACKWARD",
            content_type="application/json",
            event_types=(),
        ),
        Topic(
            name="hospital.appointment.rejected.v1",
            description="Why a message was refused, without its values - OperationOutcome; extension origin names the record; key is a hash of its key.",
            owner="referral",
            producers=("referral",),
            consumers=("hospital",),
            key="refused_key_hash",
            partitions=12,
            retention=timedelta(days=30),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="NONE",
            content_type="application/fhir+json",
            event_types=(),
        ),
        Topic(
            name="hospital.appointment.v1",
            description="The hospital's own messages, one FHIR R4 Appointment or Bundle as JSON a record. Read once at the edge and not kept.",
            owner="hospital",
            producers=("hospital",),
            consumers=("referral",),
            key="appointment_identifier",
            partitions=12,
            retention=timedelta(days=7),
            cleanup_policy="delete",
            compression="zstd",
            compatibility="NONE",
            content_type="application/fhir+json",
            event_types=(),
        ),
    )
}
"""Topic name to topic."""
