"""When a citizen's time is over: how long after the last that was done for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from brobyg_referral.cases.domain.referral import Referral


@dataclass(frozen=True, slots=True)
class Course:
    """All that was done for one citizen, as far as it tells when that was."""

    referrals: Sequence[Referral]
    #: The last time of each appointment: of itself, or of what was heard of it.
    appointments: Sequence[datetime] = ()
    #: When a restriction was lifted last, which is a sign of the citizen.
    lifted_at: datetime | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When the last consent was withdrawn, or a restriction lifted since.

        None while a consent stands, or where none ever was.
        """
        ends = [one.consent_withdrawn_at for one in self.referrals if one.consent_withdrawn_at]
        if not ends or len(ends) < len(self.referrals):
            return None
        return max(*ends, self.lifted_at or ends[0])

    @property
    def silent_since(self) -> datetime | None:
        """When something was last heard while a consent stands; None where none does.

        None too while a referral has a need of its own: a case goes on until its consent ends.
        """
        active = [one for one in self.referrals if one.status == "active"]
        if not active or any(one.need(one.department) for one in active):
            return None
        signs = [
            at
            for one in self.referrals
            for at in (one.created_at, one.consent_given_at, one.consent_withdrawn_at)
            if at is not None
        ]
        return max(*signs, *self.appointments, self.lifted_at or signs[0])
