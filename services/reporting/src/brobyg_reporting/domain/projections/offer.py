"""Each offer: who was asked for which appointment, in what order, and what came of it."""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import OfferAccepted, OfferDeclined, OfferExpired, OfferMade, OfferWithdrawn

from brobyg_reporting.domain.projection import Projection


class OfferRow(msgspec.Struct, gc=False):
    """One offer, all of it from brobyg.matching.v1."""

    offer_id: str
    referral_id: str | None = None
    appointment_id: str | None = None
    volunteer_id: str | None = None
    wave: int | None = None
    rank: int | None = None
    distance_metres: int | None = None
    known_to_citizen: bool | None = None
    made_at: datetime | None = None
    expires_at: datetime | None = None
    state: Literal["open", "accepted", "declined", "expired", "withdrawn"] | None = None
    closed_at: datetime | None = None
    withdrawal_reason: str | None = None


OFFER = Projection("offer", OfferRow)


@OFFER.on(OfferMade)
def _made(row: OfferRow, event: OfferMade, time: datetime) -> None:
    row.referral_id, row.appointment_id, row.volunteer_id = (
        event.referral_id,
        event.appointment_id,
        event.volunteer_id,
    )
    row.wave, row.rank = event.wave, event.rank
    row.distance_metres = event.distance_metres
    row.known_to_citizen = event.known_to_citizen
    row.made_at, row.expires_at = time, event.expires_at
    row.state = "open"


@OFFER.on(OfferAccepted)
def _accepted(row: OfferRow, event: OfferAccepted, time: datetime) -> None:
    row.state, row.closed_at = "accepted", time


@OFFER.on(OfferDeclined)
def _declined(row: OfferRow, event: OfferDeclined, time: datetime) -> None:
    row.state, row.closed_at = "declined", time


@OFFER.on(OfferExpired)
def _expired(row: OfferRow, event: OfferExpired, time: datetime) -> None:
    row.state, row.closed_at = "expired", time


@OFFER.on(OfferWithdrawn)
def _withdrawn(row: OfferRow, event: OfferWithdrawn, time: datetime) -> None:
    row.state, row.closed_at, row.withdrawal_reason = "withdrawn", time, event.reason
