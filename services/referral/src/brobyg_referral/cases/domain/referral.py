"""A referral and its consent."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import Needs, Pathway, ReferrerKind

#: The postcode of each department's main town, which is published for a citizen whose address is
#: protected.
CENTRE_POSTCODE = {"randers": "8900", "norddjurs": "8500"}
ReferralStatus = Literal["active", "consent_withdrawn"]


def shielded(needs: Needs, department: str) -> Needs:
    """What may be told of the needs of a citizen whose address is protected.

    They meet at the location, and the postcode is that of the department's main town: no way from
    the home is planned, and the postcode of few homes says much of where somebody lives.
    """
    return msgspec.structs.replace(
        needs, meeting="at_location", postcode=CENTRE_POSTCODE[department]
    )


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
    needs: Needs
    consent_given_at: datetime
    created_at: datetime
    consent_withdrawn_at: datetime | None = None

    @property
    def status(self) -> ReferralStatus:
        """Whether anything may be done for it."""
        return "active" if self.consent_withdrawn_at is None else "consent_withdrawn"

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
