"""Every metric of the referral service, in one list. Labels never hold an id."""

from prometheus_client import CollectorRegistry, Counter


class ReferralMetrics:
    """Counters since the process began; the durable totals are in `intake_count` (GET /counts)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All at zero."""
        self.appointments = Counter(
            "brobyg_referral_appointments",
            "Appointment messages by channel (http, kafka) and outcome (rejected,"
            " dropped_without_consent, kept, unchanged)",
            ["channel", "outcome"],
            registry=registry,
        )
        self.attention = Counter(
            "brobyg_referral_attention",
            "Appointments that a coordinator must look at, by reason (patient_declined,"
            " cancelled_for_another, refused_for_another, entered_appointment_changed)",
            ["reason"],
            registry=registry,
        )
        self.referrals = Counter(
            "brobyg_referral_referrals", "Referrals created", registry=registry
        )
        self.consents_withdrawn = Counter(
            "brobyg_referral_consents_withdrawn", "Consents withdrawn", registry=registry
        )
        self.contact_reads = Counter(
            "brobyg_referral_contact_reads",
            "Times somebody was told how to reach a citizen",
            registry=registry,
        )
