"""A referral and its consent."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from brobyg_contracts.events import Pathway, ReferrerKind

from brobyg_referral.cases.domain.need import Need, pathways_about

ReferralStatus = Literal["active", "consent_withdrawn"]


@dataclass(frozen=True, slots=True)
class Referral:
    """A request for help for one citizen under one pathway, active exactly while there is consent.

    Holds nothing that names a person.
    """

    referral_id: str
    citizen_id: str
    pathway: Pathway
    department: str
    municipality_code: str
    referrer_kind: ReferrerKind
    organisation: str
    #: Of the consent to the help that was given last.
    consent_given_at: datetime
    created_at: datetime
    consent_withdrawn_at: datetime | None = None

    @property
    def status(self) -> ReferralStatus:
        """Whether anything may be done for it."""
        return "active" if self.consent_withdrawn_at is None else "consent_withdrawn"

    def need(self, department: str) -> Need | None:
        """What it wants itself, of this department.

        None where appointments under it are what wants helpers, or its pathway is not known here.
        """
        if self.pathway not in pathways_about("referral"):
            return None
        return Need(
            about="referral",
            about_id=self.referral_id,
            pathway=self.pathway,
            department=department,
            referral_id=self.referral_id,
            citizen_id=self.citizen_id,
        )

    def withdraw_consent(self, at: datetime) -> "Referral":
        """The referral without consent since `at`; unchanged where it had none."""
        return self if self.consent_withdrawn_at else replace(self, consent_withdrawn_at=at)

    def give_consent(self, at: datetime) -> "Referral":
        """The referral with consent given at `at`; unchanged where it had consent."""
        return (
            self
            if self.consent_withdrawn_at is None
            else replace(self, consent_given_at=at, consent_withdrawn_at=None)
        )
