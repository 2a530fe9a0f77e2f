"""Each offer: who was asked about which seat, in what order, and the outcome."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import OfferAccepted, OfferDeclined, OfferExpired, OfferMade, OfferWithdrawn
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection, given


class OfferRow(msgspec.Struct, gc=False):
    """One offer, all of it from brobyg.matching.v1 (key need_id)."""

    offer_id: Annotated[str, Doc("The offer.")]
    need_id: Annotated[str | None, Doc("The need.")] = None
    referral_id: Annotated[str | None, Doc("The referral.")] = None
    department: Annotated[str | None, Doc("Department that asked.")] = None
    pathway: Annotated[str | None, Doc("Kind of help.")] = None
    seat: Annotated[int | None, Doc("Which seat of the need, from 1.")] = None
    role: Annotated[str | None, Doc("What was asked for.")] = None
    helper_id: Annotated[str | None, Doc("Who was asked.")] = None
    round: Annotated[int | None, Doc("How often the seat's search had been opened, from 1.")] = None
    wave: Annotated[int | None, Doc("Wave it went out in, from 1.")] = None
    rank: Annotated[int | None, Doc("Place in the order of asking at that time, from 1.")] = None
    known_to_citizen: Annotated[
        bool | None, Doc("Whether the helper had helped this citizen before.")
    ] = None
    made_at: Annotated[datetime | None, Doc("When it was made, UTC.")] = None
    expires_at: Annotated[datetime | None, Doc("When silence ends it, UTC.")] = None
    state: Annotated[
        Literal["open", "accepted", "declined", "expired", "withdrawn"] | None,
        Doc("open, accepted, declined, expired or withdrawn."),
    ] = None
    closed_at: Annotated[datetime | None, Doc("When it stopped being open, UTC.")] = None
    withdrawal_reason: Annotated[str | None, Doc("Why it was withdrawn.")] = None


OFFER = Projection("offer", OfferRow)


@OFFER.on(OfferMade)
def _made(row: OfferRow, event: OfferMade, time: datetime) -> None:
    row.need_id, row.referral_id = event.need_id, given(event.referral_id)
    row.department, row.pathway = event.department, event.pathway
    row.seat, row.role, row.helper_id = event.seat, event.role, event.helper_id
    row.round, row.wave, row.rank = event.round, event.wave, event.rank
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
