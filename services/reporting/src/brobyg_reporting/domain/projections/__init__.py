"""The projections of this version of the code, one readable file each."""

from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.domain.projections.appointment import APPOINTMENT
from brobyg_reporting.domain.projections.notification import NOTIFICATION
from brobyg_reporting.domain.projections.offer import OFFER
from brobyg_reporting.domain.projections.referral import REFERRAL
from brobyg_reporting.domain.projections.volunteer import VOLUNTEER

#: In the order their rows are locked and written, everywhere.
PROJECTIONS: tuple[AnyProjection, ...] = (
    REFERRAL,
    APPOINTMENT,
    OFFER,
    VOLUNTEER,
    NOTIFICATION,
)

__all__ = ["APPOINTMENT", "NOTIFICATION", "OFFER", "PROJECTIONS", "REFERRAL", "VOLUNTEER"]
