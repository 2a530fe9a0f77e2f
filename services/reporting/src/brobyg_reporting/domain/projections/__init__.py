"""The projections of this version of the code, one readable file each."""

from brobyg_reporting.domain.projection import Projection, Row
from brobyg_reporting.domain.projections.appointment import APPOINTMENT
from brobyg_reporting.domain.projections.notification import NOTIFICATION
from brobyg_reporting.domain.projections.offer import OFFER
from brobyg_reporting.domain.projections.referral import REFERRAL
from brobyg_reporting.domain.projections.volunteer import VOLUNTEER

#: In the order their rows are locked and written, everywhere.
PROJECTIONS: tuple[Projection[Row], ...] = (  # type: ignore[assignment] # a Projection is invariant in its row, and nobody here puts a row of another kind in
    REFERRAL,
    APPOINTMENT,
    OFFER,
    VOLUNTEER,
    NOTIFICATION,
)

__all__ = ["APPOINTMENT", "NOTIFICATION", "OFFER", "PROJECTIONS", "REFERRAL", "VOLUNTEER"]
