"""What a new appointment or session must be; and the reference data that says so."""

from datetime import datetime

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction

from brobyg_referral.cases.domain.appointment import PlannedVisit, is_beyond, is_too_long
from brobyg_referral.cases.ports import ReferenceSource
from brobyg_referral.errors import ReferenceMissing, RequestRefused


async def known_reference(source: ReferenceSource, tx: Transaction) -> Reference:
    """The reference data. Raises ReferenceMissing while there is none, and database errors."""
    reference = await source.get(tx)
    if not reference.version:
        raise ReferenceMissing("no place is known yet; try again soon")
    return reference


def check_visit(visit: PlannedVisit, reference: Reference, now: datetime) -> None:
    """Raise RequestRefused for a place or a time that can't be."""
    place = reference.places.get(visit.location_id or "")
    if place is None or place.withdrawn:
        raise RequestRefused("/location_id", "expected a place of the reference data in use")
    if visit.starts_at is None or visit.ends_at is None or visit.ends_at <= visit.starts_at:
        raise RequestRefused("/ends_at", "expected a time after starts_at")
    if visit.ends_at <= now:
        raise RequestRefused("/ends_at", "expected a time that is not over")
    if is_beyond(visit.starts_at, now):
        raise RequestRefused("/starts_at", "expected a time within two years: is the year right?")
    if is_too_long(visit):
        raise RequestRefused(
            "/ends_at", "expected a time within 31 days of the start: is the date right?"
        )
