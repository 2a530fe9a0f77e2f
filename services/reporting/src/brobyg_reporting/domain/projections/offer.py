"""Each offer: who was asked for which appointment, in what order, and the outcome."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import OfferAccepted, OfferDeclined, OfferExpired, OfferMade, OfferWithdrawn
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class OfferRow(msgspec.Struct, gc=False):
    """One offer, all of it from brobyg.matching.v1."""

    offer_id: Annotated[str, Doc("The offer.")]
    referral_id: Annotated[str | None, Doc("The referral.")] = None
    appointment_id: Annotated[str | None, Doc("The appointment.")] = None
    volunteer_id: Annotated[str | None, Doc("Who was asked.")] = None
    wave: Annotated[int | None, Doc("Wave it went out in, from 1.")] = None
    rank: Annotated[int | None, Doc("Place in the ranking at that time, from 1.")] = None
    distance_metres: Annotated[
        int | None,
        Doc("Straight line from the volunteer's home area to the meeting point, metres."),
    ] = None
    known_to_citizen: Annotated[
        bool | None,
        Doc(
            "Whether the two had met before: at an appointment that had ended and that the hospital"
            " called neither missed nor cancelled."
        ),
    ] = None
    made_at: Annotated[datetime | None, Doc("When it was made, UTC.")] = None
    expires_at: Annotated[datetime | None, Doc("When silence ends it, UTC.")] = None
    state: Annotated[
        Literal["open", "accepted", "declined", "expired", "withdrawn"] | None,
        Doc("open, accepted, declined, expired or withdrawn."),
    ] = None
    closed_at: Annotated[datetime | None, Doc("When it stopped being open, UTC.")] = None
    withdrawal_reason: Annotated[str | None, Doc("Why it was taken back.")] = None


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
