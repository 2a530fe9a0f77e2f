"""The projections of this version of the code, one readable file each."""

from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.domain.projections.appointment import APPOINTMENT
from brobyg_reporting.domain.projections.attention import ATTENTION
from brobyg_reporting.domain.projections.citizen import CITIZEN
from brobyg_reporting.domain.projections.erasure import ERASURE
from brobyg_reporting.domain.projections.helper import HELPER
from brobyg_reporting.domain.projections.match import MATCH
from brobyg_reporting.domain.projections.need import NEED
from brobyg_reporting.domain.projections.notification import NOTIFICATION
from brobyg_reporting.domain.projections.offer import OFFER
from brobyg_reporting.domain.projections.referral import REFERRAL

#: In the order their rows are locked and written, everywhere.
PROJECTIONS: tuple[AnyProjection, ...] = (
    REFERRAL,
    APPOINTMENT,
    NEED,
    OFFER,
    MATCH,
    HELPER,
    NOTIFICATION,
    ATTENTION,
    CITIZEN,
    ERASURE,
)

__all__ = [
    "APPOINTMENT",
    "ATTENTION",
    "CITIZEN",
    "ERASURE",
    "HELPER",
    "MATCH",
    "NEED",
    "NOTIFICATION",
    "OFFER",
    "PROJECTIONS",
    "REFERRAL",
]
