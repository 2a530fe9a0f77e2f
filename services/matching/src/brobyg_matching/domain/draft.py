"""One need on the board while something is done to it: its seats, offers and bookings."""

from datetime import datetime

import msgspec
from brobyg_contracts import MatchReleased, OfferExpired, OfferWithdrawn
from brobyg_contracts.event import EventData
from msgspec import UNSET

from brobyg_matching.domain.board import Board
from brobyg_matching.domain.diary import RESOURCE, Booking
from brobyg_matching.domain.need import Need, Offer, OfferState, Seat


def seconds(moment: datetime | None) -> int | None:
    """Seconds since 1970 UTC."""
    return None if moment is None else int(moment.timestamp())


class Draft:
    """Changes one need. What it changes is on the board at once, with the events of it."""

    __slots__ = ("board", "need_id", "policy")

    def __init__(self, board: Board, need: Need) -> None:
        """Nothing is changed yet. Raises UnknownPathway."""
        self.board, self.need_id, self.policy = board, need.need_id, board.policy(need)

    @property
    def need(self) -> Need:
        """The need as it is now."""
        return self.board.needs[self.need_id]

    def seat(self, no: int) -> Seat:
        """The seat of this number as it is now; it must exist."""
        found = self.need.seat(no)
        assert found is not None
        return found

    def set(self, **fields: object) -> None:
        """Change fields of the need."""
        self.board.put(msgspec.structs.replace(self.need, **fields))

    def set_seat(self, no: int, **fields: object) -> None:
        """Change fields of a seat."""
        changed = tuple(
            msgspec.structs.replace(one, **fields) if one.no == no else one
            for one in self.need.seats
        )
        self.set(seats=changed)

    def decide_anew(self) -> None:
        """What the need was bound to has gone: it is begun again when all else is done."""
        self.set(state="waiting", follows=None, clashes_with=None)
        self.board.again[self.need_id] = None

    def facts(self) -> dict[str, object]:
        """The facts that most events about the need carry; absent where it has none."""
        need = self.need
        return {
            "referral_id": need.referral_id or UNSET,
            "citizen_id": need.citizen_id or UNSET,
            "location_id": need.location_id or UNSET,
            "starts_at": need.starts_at or UNSET,
            "ends_at": need.ends_at or UNSET,
        }

    def emit(self, data: EventData) -> None:
        """The event has come about."""
        self.board.emit(self.need_id, data)

    def close_offers(
        self, offers: list[Offer], state: OfferState, reason: str | None = None
    ) -> None:
        """These open offers become accepted, declined, expired or withdrawn."""
        closed = {}
        for offer in offers:
            closed[offer.offer_id] = msgspec.structs.replace(
                offer, state=state, reason=reason, answered_at=self.board.now
            )
            count = self.board.open_offers
            count[offer.helper_id] = max(0, count.get(offer.helper_id, 0) - 1)
        self.board.offers.update(closed)
        if closed:
            left = tuple(one for one in self.need.offers if one.offer_id not in closed)
            self.set(offers=left)
            if self.need.waits:
                # Whoever was asked for one seat may be who another of the need waits for.
                self.board.freed.add(self.need.department)

    def withdraw_offers(
        self, reason: str, seat_no: int | None = None, helper_id: str | None = None
    ) -> None:
        """Withdraw all open offers; or only those of this seat, or to this helper."""
        offers = self.need.open_offers(seat_no, helper_id)
        self.close_offers(offers, "withdrawn", reason)
        for offer in offers:
            self.emit(
                OfferWithdrawn(
                    offer_id=offer.offer_id,
                    need_id=self.need_id,
                    seat=offer.seat_no,
                    helper_id=offer.helper_id,
                    reason=reason,
                    referral_id=self.need.referral_id or UNSET,
                )
            )

    def expire_offers(self, seat_no: int) -> None:
        """Close the seat's open offers whose time is over."""
        now = self.board.now
        offers = [one for one in self.need.open_offers(seat_no) if one.expires_at <= now]
        self.close_offers(offers, "expired")
        for offer in offers:
            self.emit(
                OfferExpired(
                    offer_id=offer.offer_id,
                    need_id=self.need_id,
                    seat=seat_no,
                    helper_id=offer.helper_id,
                    referral_id=self.need.referral_id or UNSET,
                )
            )

    def booking(self, seat: Seat) -> Booking | None:
        """What the seat's helper is booked by; None for a seat that nobody fills."""
        if seat.helper_id is None:
            return None
        since, until = seconds(seat.leave_at), seconds(seat.home_at)
        exclusive = since is not None and self.need.follows is None
        return Booking(seat.helper_id, self.need_id, seat.no, since, until, exclusive)

    def free_helper(self, seat: Seat) -> None:
        """Give the helper's capacity back, without a word to anybody."""
        booking = self.booking(seat)
        if booking is not None:
            self.board.free(booking)
            if booking.since is None:
                profile = self.board.profile(self.need, booking.holder)
                departments = profile.helper.departments if profile else ()
                self.board.set_free((self.need.department, *departments))

    def release_all(self, reason: str) -> None:
        """Release every seat's helper: nobody is left to go ahead."""
        for seat in self.need.seats:
            self.release(seat.no, reason, others_stay=False)

    def release(self, no: int, reason: str, *, others_stay: bool = True) -> None:
        """Give back the time of the seat's helper, if it has one: also of a need that had ended.

        The event is emitted even when the time agreed has passed: whoever counts must know that
        nobody fills the seat any more. Who writes to people leaves out the past.
        """
        seat, need = self.seat(no), self.need
        if seat.helper_id is None or seat.match_id is None:
            return
        if seat.state == "filled" or seat.leave_at is not None:  # an ended case is given back
            self.free_helper(seat)
        for offer in need.offers:
            if offer.offer_id == seat.offer_id:
                self.board.offers[offer.offer_id] = msgspec.structs.replace(
                    offer, state="withdrawn", reason=reason
                )
        self.board.note_met(need, seat.helper_id, met=False)
        self.set(offers=tuple(one for one in need.offers if one.offer_id != seat.offer_id))
        self.set_seat(
            no,
            state="waiting",
            helper_id=None, pool=None, match_id=None, way=None, matched_at=None, offer_id=None,
            leave_at=None, meet_at=None, home_at=None,
        )  # fmt: skip
        self.emit(
            MatchReleased(
                match_id=seat.match_id,
                need_id=self.need_id,
                seat=no,
                role=seat.role,
                pathway=need.pathway,
                department=need.department,
                helper_id=seat.helper_id,
                reason=reason,
                crew_complete=others_stay and self.need.missing == 0,
                **self.facts(),  # type: ignore[arg-type]  # by name, as the struct has them
            )
        )

    def hold_resource(self) -> bool:
        """Book a free resource of the policy's kind at the need's place; True if one is held.

        True as well where the policy asks for none.
        """
        need, wanted = self.need, self.policy.resource
        since, until = seconds(need.starts_at), seconds(need.ends_at)
        if wanted is None or need.resource_id is not None:
            return True
        place = self.board.reference.places.get(need.location_id or "")
        if place is None or since is None or until is None:
            return False
        for resource in place.resources:
            if resource.kind == wanted.kind and not self.board.diary.is_taken(
                resource.resource_id, since, until
            ):
                self.board.book(
                    Booking(resource.resource_id, self.need_id, RESOURCE, since, until, True)
                )
                self.set(resource_id=resource.resource_id)
                return True
        return False

    def free_resource(self) -> None:
        """Give the resource back, if one is held."""
        need = self.need
        if need.resource_id is not None:
            since, until = seconds(need.starts_at), seconds(need.ends_at)
            self.board.free(Booking(need.resource_id, self.need_id, RESOURCE, since, until, True))
            self.set(resource_id=None)
