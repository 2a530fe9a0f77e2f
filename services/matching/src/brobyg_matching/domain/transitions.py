"""Everything that can happen to one appointment's search: (match, what, context) -> change.

Pure: no I/O, no clock, and nothing that is passed in is altered.
"""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentRescheduled,
    OfferAccepted,
    OfferDeclined,
    VolunteerMatched,
)
from brobyg_kit.ids import derived_id

from brobyg_matching.domain.change import Change
from brobyg_matching.domain.local_time import instant
from brobyg_matching.domain.match import Context, Match, Offer
from brobyg_matching.domain.rules import commitment_rule_broken
from brobyg_matching.domain.snapshot import Commitment
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.errors import NotAllowed

Appointment = AppointmentBooked | AppointmentRescheduled


def booked(match: Match | None, event: Appointment, context: Context) -> Change | None:
    """The appointment now has these times and this place: search a volunteer, whatever was before.

    None (no effect) without consent, or when times and place are unchanged and the search is not
    closed. Whoever had accepted is released, and asked first if the rules still allow it.

    Once the two have met, and the new times mean no later meeting, the volunteer stays and only
    the times are corrected: the time has been given. If a later meeting follows, the volunteer is
    released even after the end: the hospital says that the first one did not take place. A
    volunteer who came all the same is in the history, as a release later than the end it names.
    """
    if not context.referral.consented:
        return None
    if match is None:
        change = Change(_new_match(event, context), context, None)
        change.start_search()
        return change
    times = event.starts_at, event.ends_at, event.location_id
    if match.state != "closed" and (match.starts_at, match.ends_at, match.location_id) == times:
        return None
    change, former = Change(match, context, match), match.volunteer_id
    meet_at = _meet_at(event, context)
    met = former is not None and max(match.meet_at, meet_at) <= context.now
    if not met:
        change.withdraw_offers("appointment_rescheduled")
        change.release_volunteer("appointment_rescheduled")
    change.set(
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        location_id=event.location_id,
        meet_at=meet_at,
    )
    if met:
        _correct_times(change)
    else:
        change.set(unwilling=())
        change.start_search(former)
    return change


def _correct_times(change: Change) -> None:
    """The match stands at its new times.

    The span that the volunteer promised stays: another commitment may follow close upon it.
    """
    change.set(state="matched", reason=None)
    match, snapshot = change.match, change.snapshot
    known = snapshot.commitments.get(match.volunteer_id or "", {}).get(match.appointment_id)
    if known is not None:
        starts_at = int(match.starts_at.timestamp())
        change.snapshot = snapshot.committed(msgspec.structs.replace(known, starts_at=starts_at))
    change.update_acquaintance()


def _meet_at(event: Appointment, context: Context) -> datetime:
    return instant(context.itinerary(event.location_id, event.starts_at, event.ends_at).meet_at)


def _new_match(event: Appointment, context: Context) -> Match:
    return Match(
        appointment_id=event.appointment_id,
        referral_id=event.referral_id,
        citizen_id=event.citizen_id,
        department=context.referral.department,
        location_id=event.location_id,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        meeting=context.referral.needs.meeting,
        meet_at=_meet_at(event, context),
        state="searching",
        reason=None,
        round=0,
        wave=0,
        opened_at=context.now,
        decide_by=context.now,
    )


def called_off(
    match: Match, reason: Literal["appointment_cancelled", "consent_withdrawn"], context: Context
) -> Change | None:
    """Nobody is needed any more: offers are withdrawn and the volunteer is released.

    None when closed already. After the appointment's end nobody is released: the time was given,
    and nobody is to be told that the past is cancelled.
    """
    if match.state == "closed":
        return None
    change = Change(match, context, match)
    change.withdraw_offers(reason)
    if match.ends_at > context.now:
        change.release_volunteer(reason)
    change.set(state="closed", reason=reason)
    change.update_acquaintance()
    return change


def ended(match: Match, outcome: Literal["completed", "missed"], context: Context) -> Change | None:
    """The appointment took place, or the citizen did not come; the volunteer stays on record.

    None when closed already.
    """
    if match.state == "closed":
        return None
    change = Change(match, context, match)
    change.withdraw_offers("appointment_over")
    change.set(state="closed", reason=outcome)
    change.update_acquaintance()
    return change


def wave_over(match: Match, context: Context) -> Change | None:
    """The wave's timer fired: offers expire, the next few are asked, or the coordinator is told.

    A timer that fires early is set again; after the search has ended, None.
    """
    if match.state != "searching":
        return None
    change = Change(match, context, match)
    change.expire_offers()
    still_open = change.match.open_offers()
    if still_open:
        change.timer = min(offer.expires_at for offer in still_open)
    else:
        change.continue_search()
    return change


def check_open(offer: Offer, wanted: Literal["accepted", "declined"], now: datetime) -> bool:
    """True when the offer can be answered, False when this very answer was given already.

    Raises NotAllowed otherwise.
    """
    if offer.state == wanted:
        return False
    if offer.state == "expired" or (offer.state == "open" and offer.expires_at <= now):
        raise NotAllowed("expired")
    if offer.state == "withdrawn":
        raise NotAllowed("taken" if offer.reason == "taken" else "withdrawn")
    if offer.state != "open":
        raise NotAllowed(offer.state)
    return True


def accepted(match: Match, offer: Offer, volunteer: Volunteer, context: Context) -> Change:
    """The volunteer comes along; all other offers are withdrawn. The offer must be open.

    Raises NotAllowed when, since being asked, the two were blocked, or the volunteer was paused,
    is elsewhere at the time, or has reached the weekly limit.
    """
    if (offer.volunteer_id, match.citizen_id) in context.snapshot.blocks:
        raise NotAllowed("withdrawn")
    if volunteer.status != "active":
        raise NotAllowed("not_active")
    commitment = _commitment(match, offer)
    broken = _rule_broken(commitment, volunteer, context)
    if broken is not None:
        raise NotAllowed("elsewhere" if broken == "elsewhere" else "weekly_limit")
    change = Change(match, context, match)
    change.close_offers([offer], "accepted")
    change.events.append(
        OfferAccepted(
            offer_id=offer.offer_id,
            referral_id=match.referral_id,
            appointment_id=match.appointment_id,
            volunteer_id=offer.volunteer_id,
        )
    )
    change.withdraw_offers("taken")
    _match_volunteer(change, offer)
    change.snapshot = change.snapshot.committed(commitment)
    return change


def _commitment(match: Match, offer: Offer) -> Commitment:
    """What accepting the offer would promise."""
    return Commitment(
        match.appointment_id,
        offer.volunteer_id,
        int(offer.leave_at.timestamp()),
        int(offer.home_at.timestamp()),
        int(match.starts_at.timestamp()),
    )


def _rule_broken(commitment: Commitment, volunteer: Volunteer, context: Context) -> str | None:
    """The rule about the volunteer's other commitments that this one would break, or None."""
    return commitment_rule_broken(
        context.snapshot.commitments.get(commitment.volunteer_id),
        commitment.appointment_id,
        commitment.leave_at,
        commitment.home_at,
        commitment.week,
        volunteer.weekly_limit,
    )


def _match_volunteer(change: Change, offer: Offer) -> None:
    match, match_id = change.match, derived_id("match", offer.offer_id)
    change.set(
        state="matched",
        reason=None,
        match_id=match_id,
        offer_id=offer.offer_id,
        volunteer_id=offer.volunteer_id,
        leave_at=offer.leave_at,
        home_at=offer.home_at,
        offers=(change.offers[offer.offer_id],),
    )
    change.events.append(
        VolunteerMatched(
            match_id=match_id,
            referral_id=match.referral_id,
            citizen_id=match.citizen_id,
            appointment_id=match.appointment_id,
            department=match.department,
            volunteer_id=offer.volunteer_id,
            offer_id=offer.offer_id,
            starts_at=match.starts_at,
            ends_at=match.ends_at,
            location_id=match.location_id,
            meeting=match.meeting,
            meet_at=offer.meet_at,
            home_at=offer.home_at,
            minutes=int((offer.home_at - offer.leave_at).total_seconds()) // 60,
        )
    )


def declined(match: Match, offer: Offer, context: Context) -> Change:
    """The volunteer can't. If no other offer is open the search goes on at once.

    The offer must be open.
    """
    change = Change(match, context, match)
    change.close_offers([offer], "declined")
    change.set(unwilling=(*match.unwilling, offer.volunteer_id))
    change.events.append(
        OfferDeclined(
            offer_id=offer.offer_id,
            referral_id=match.referral_id,
            appointment_id=match.appointment_id,
            volunteer_id=offer.volunteer_id,
        )
    )
    if match.state == "searching" and not change.match.open_offers():
        change.continue_search()
    return change


def volunteer_withdrew(match: Match, context: Context) -> Change:
    """Whoever accepted can't after all; the search opens again without them.

    Raises NotAllowed when nobody is matched, or it has begun.
    """
    if match.state != "matched" or match.volunteer_id is None:
        raise NotAllowed("not_matched")
    if match.meet_at <= context.now:
        raise NotAllowed("begun")
    return _search_anew(match, match.volunteer_id, "volunteer_withdrew", context)


def reopened(match: Match, context: Context) -> Change:
    """The coordinator has it searched once more: a new round with whoever can now.

    Who was silent is asked again, who declined isn't. Raises NotAllowed when it is not with the
    coordinator, or too late to ask anybody.
    """
    if match.state != "escalated":
        raise NotAllowed("not_escalated")
    if context.latest_offer(match) <= context.now:
        raise NotAllowed("too_late")
    change = Change(match, context, match)
    change.start_search()
    return change


def blocked(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer and this citizen are not brought together; the context holds the block.

    An open offer is withdrawn, and a match is released while it has not begun; the search goes on
    without the volunteer. None (no effect) when neither stands, and once the two have met: that is
    for the coordinator to settle by phone.
    """
    if match.state == "matched" and match.volunteer_id == volunteer_id:
        return (
            _search_anew(match, volunteer_id, "blocked", context)
            if match.meet_at > context.now
            else None
        )
    return _withdraw_offer(match, volunteer_id, "blocked", context)


def volunteer_paused(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer pauses: an open offer is withdrawn, what was accepted stands.

    None without an open offer.
    """
    return _withdraw_offer(match, volunteer_id, "volunteer_paused", context)


def volunteer_promised(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer has accepted elsewhere: an open offer that clashes with it is withdrawn.

    None without one.
    """
    volunteer = context.snapshot.roster.volunteers.get(volunteer_id)
    if volunteer is None or not any(
        _rule_broken(_commitment(match, offer), volunteer, context)
        for offer in match.open_offers(volunteer_id)
    ):
        return None
    return _withdraw_offer(match, volunteer_id, "volunteer_promised", context)


def _search_anew(
    match: Match,
    volunteer_id: str,
    reason: Literal["blocked", "volunteer_withdrew"],
    context: Context,
) -> Change:
    change = Change(match, context, match)
    change.release_volunteer(reason)
    change.set(unwilling=tuple(dict.fromkeys((*match.unwilling, volunteer_id))))
    change.start_search()
    return change


def _withdraw_offer(
    match: Match,
    volunteer_id: str,
    reason: Literal["blocked", "volunteer_paused", "volunteer_promised"],
    context: Context,
) -> Change | None:
    if not match.open_offers(volunteer_id):
        return None
    change = Change(match, context, match)
    change.withdraw_offers(reason, volunteer_id)
    if not change.match.open_offers():
        change.continue_search()
    return change
