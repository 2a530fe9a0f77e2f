"""Everything that can happen to one appointment's search: (match, what happened, context) -> change. Pure, no I/O, no clock."""

from datetime import datetime, timedelta
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

from brobyg_matching.domain import match as steps
from brobyg_matching.domain.local_time import instant
from brobyg_matching.domain.match import Change, Context, Match, Offer
from brobyg_matching.domain.rules import promise_broken
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Commitment

Refusal = Literal[
    "taken", "withdrawn", "declined", "accepted", "expired", "elsewhere", "weekly_limit", "not_active", "begun", "not_matched",
    "not_escalated", "too_late",
]  # fmt: skip


class Refused(Exception):
    """An answer, or a coordinator's wish, that can't be taken. `why` says which rule stands against it."""

    def __init__(self, why: Refusal) -> None:
        """`why` is one of the words of `Refusal`."""
        super().__init__(why)
        self.why: Refusal = why


def booked(
    match: Match | None, event: AppointmentBooked | AppointmentRescheduled, context: Context
) -> Change | None:
    """An appointment has these times and this place now; search company for it, whatever was before.

    None (no effect) without consent, or when times and place are what they were and the search is not closed. Who had accepted is
    released and asked first if the rules still allow it. Once the two have met, and no later meeting has come of it, the volunteer stays
    and the times alone are put right: the time is given, and the hospital only corrects what it keeps of it. When a later meeting does come
    of it the volunteer is released even after the end: by the hospital's word it did not take place then. Who walked along all the same is
    found in the history, as a release that is later than the end it tells of.
    """
    if not context.referral.consented:
        return None
    if match is not None and match.state != "closed" and _same(match, event):
        return None
    if match is None:
        change = Change(_fresh(event, context), context, None)
        steps.start_search(change)
        return change
    change, former = Change(match, context, match), match.volunteer_id
    meet_at = instant(
        steps.way_of(context, event.location_id, event.starts_at, event.ends_at).meet_at
    )
    met = former is not None and max(match.meet_at, meet_at) <= context.now
    if not met:
        steps.withdraw_offers(change, "appointment_rescheduled")
        steps.release_volunteer(change, "appointment_rescheduled")
    change.set(
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        location_id=event.location_id,
        meet_at=meet_at,
    )
    if met:
        _put_right(change)
    else:
        change.set(unwilling=())
        steps.start_search(change, former)
    return change


def _put_right(change: Change) -> None:
    """The match stands (again) at the times it has now. The span that the volunteer promised stays: another may follow close upon it."""
    change.set(state="matched", reason=None)
    match, context = change.match, change.context
    promise = context.world.commitments.get(match.volunteer_id or "", {}).get(match.appointment_id)
    if promise is not None:
        promise = msgspec.structs.replace(promise, starts_at=int(match.starts_at.timestamp()))
        context.world.promise(promise)
    steps.acquaint(change)


def _same(match: Match, event: AppointmentBooked | AppointmentRescheduled) -> bool:
    return (match.starts_at, match.ends_at, match.location_id) == (
        event.starts_at,
        event.ends_at,
        event.location_id,
    )


def _fresh(event: AppointmentBooked | AppointmentRescheduled, context: Context) -> Match:
    way = steps.way_of(context, event.location_id, event.starts_at, event.ends_at)
    return Match(
        appointment_id=event.appointment_id,
        referral_id=event.referral_id,
        citizen_id=event.citizen_id,
        department=context.referral.department,
        location_id=event.location_id,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        meeting=context.referral.needs.meeting,
        meet_at=instant(way.meet_at),
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
    """There is nothing to come along to any more: questions are withdrawn and the volunteer is released. None when closed already.

    After the appointment's end nobody is released: the time was given, and nobody is to be told that the past is cancelled.
    """
    if match.state == "closed":
        return None
    change = Change(match, context, match)
    steps.withdraw_offers(change, reason)
    if match.ends_at > context.now:
        steps.release_volunteer(change, reason)
    change.set(state="closed", reason=reason)
    steps.acquaint(change)
    return change


def over(match: Match, outcome: Literal["completed", "missed"], context: Context) -> Change | None:
    """The appointment has been, or passed without the citizen. Who came along keeps it to their name. None when closed already."""
    if match.state == "closed":
        return None
    change = Change(match, context, match)
    steps.withdraw_offers(change, "appointment_over")
    change.set(state="closed", reason=outcome)
    steps.acquaint(change)
    return change


def wave_over(match: Match, context: Context) -> Change | None:
    """The wave's timer fired: silence expires, the next few are asked, or the coordinator is told when time is up.

    A timer that fires early or late has no wrong effect: early, it is set again; after the search has ended, None.
    """
    if match.state != "searching":
        return None
    change = Change(match, context, match)
    steps.expire_offers(change)
    still = steps.open_offers(change.match)
    if still:
        change.timer = min(offer.expires_at for offer in still)
    else:
        _go_on(change)
    return change


def _go_on(change: Change) -> None:
    """Nobody is left to answer: ask on, or hand over."""
    match, policy = change.match, change.context.policy.matching
    one_wave_only = match.decide_by > match.starts_at - timedelta(
        minutes=policy.escalate_before_minutes
    )
    if (
        one_wave_only
        or change.context.now + timedelta(minutes=policy.shortest_wave_minutes) > match.decide_by
    ):
        steps.escalate(change, steps.nobody(change), steps.survey(change))
    else:
        steps.ask_next_wave(change)


def check_open(offer: Offer, wanted: Literal["accepted", "declined"], now: datetime) -> bool:
    """True when the offer can be answered, False when this very answer was given already; raises Refused otherwise."""
    if offer.state == wanted:
        return False
    if offer.state == "expired" or (offer.state == "open" and offer.expires_at <= now):
        raise Refused("expired")
    if offer.state == "withdrawn":
        raise Refused("taken" if offer.reason == "taken" else "withdrawn")
    if offer.state != "open":
        raise Refused(offer.state)
    return True


def accepted(match: Match, offer: Offer, volunteer: Volunteer, context: Context) -> Change:
    """The volunteer comes along; everybody else's question is withdrawn. The offer must be open.

    Raises Refused when the two were blocked, the volunteer is paused, is elsewhere at the time, or has reached the weekly limit since
    being asked.
    """
    if (offer.volunteer_id, match.citizen_id) in context.world.blocks:
        raise Refused("withdrawn")
    if volunteer.status != "active":
        raise Refused("not_active")
    promise = _promise(match, offer)
    broken = _stands_against(promise, volunteer, context)
    if broken is not None:
        raise Refused("elsewhere" if broken == "elsewhere" else "weekly_limit")
    change = Change(match, context, match)
    change.close_offer(offer, "accepted")
    change.events.append(
        OfferAccepted(
            offer_id=offer.offer_id,
            referral_id=match.referral_id,
            appointment_id=match.appointment_id,
            volunteer_id=offer.volunteer_id,
        )
    )
    steps.withdraw_offers(change, "taken")
    _take(change, offer)
    context.world.promise(promise)
    return change


def _promise(match: Match, offer: Offer) -> Commitment:
    """What a yes to the offer would promise."""
    return Commitment(
        match.appointment_id,
        offer.volunteer_id,
        int(offer.leave_at.timestamp()),
        int(offer.home_at.timestamp()),
        int(match.starts_at.timestamp()),
    )


def _stands_against(promise: Commitment, volunteer: Volunteer, context: Context) -> str | None:
    """The rule about the volunteer's other promises that this one would break, or None."""
    return promise_broken(
        context.world.commitments.get(promise.volunteer_id),
        promise.appointment_id,
        promise.leave_at,
        promise.home_at,
        promise.week,
        volunteer.weekly_limit,
    )


def _take(change: Change, offer: Offer) -> None:
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
    """The volunteer can't. When nobody else is left to answer the search goes on at once. The offer must be open."""
    change = Change(match, context, match)
    change.close_offer(offer, "declined")
    change.set(unwilling=(*match.unwilling, offer.volunteer_id))
    change.events.append(
        OfferDeclined(
            offer_id=offer.offer_id,
            referral_id=match.referral_id,
            appointment_id=match.appointment_id,
            volunteer_id=offer.volunteer_id,
        )
    )
    if match.state == "searching" and not steps.open_offers(change.match):
        _go_on(change)
    return change


def volunteer_withdrew(match: Match, context: Context) -> Change:
    """Who had accepted can't after all; the search opens again without them. Raises Refused when nobody is matched or it has begun."""
    if match.state != "matched" or match.volunteer_id is None:
        raise Refused("not_matched")
    if match.meet_at <= context.now:
        raise Refused("begun")
    return _searched_anew(match, match.volunteer_id, "volunteer_withdrew", context)


def reopened(match: Match, context: Context) -> Change:
    """The coordinator wants to have it searched once more: a new round with whoever can now. Who was silent is asked again, who said no isn't.

    Raises Refused when it is not with the coordinator, or too late to ask anybody.
    """
    if match.state != "escalated":
        raise Refused("not_escalated")
    if steps.latest_offer(match, context) <= context.now:
        raise Refused("too_late")
    change = Change(match, context, match)
    steps.start_search(change)
    return change


def blocked(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer and this match's citizen are not brought together again; the block is in the context's world.

    An open question is withdrawn, and a match is released while it has not begun; the search goes on without the volunteer. None
    (no effect) when neither stands, and once they have met: that is for the coordinator's telephone.
    """
    if match.state == "matched" and match.volunteer_id == volunteer_id:
        return (
            _searched_anew(match, volunteer_id, "blocked", context)
            if match.meet_at > context.now
            else None
        )
    return _question_withdrawn(match, volunteer_id, "blocked", context)


def volunteer_paused(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer takes a pause: an open question is withdrawn, so that nobody waits for it; what was accepted stands. None without one."""
    return _question_withdrawn(match, volunteer_id, "volunteer_paused", context)


def volunteer_promised(match: Match, volunteer_id: str, context: Context) -> Change | None:
    """The volunteer has promised to come along elsewhere: an open question that they can't say yes to any more is withdrawn, so that
    nobody waits for it. None without one.
    """
    volunteer = context.world.roster.volunteers.get(volunteer_id)
    asked = [offer for offer in steps.open_offers(match) if offer.volunteer_id == volunteer_id]
    if volunteer is None or not any(
        _stands_against(_promise(match, offer), volunteer, context) for offer in asked
    ):
        return None
    return _question_withdrawn(match, volunteer_id, "volunteer_promised", context)


def _searched_anew(
    match: Match,
    volunteer_id: str,
    reason: Literal["blocked", "volunteer_withdrew"],
    context: Context,
) -> Change:
    change = Change(match, context, match)
    steps.release_volunteer(change, reason)
    change.set(unwilling=tuple(dict.fromkeys((*match.unwilling, volunteer_id))))
    steps.start_search(change)
    return change


def _question_withdrawn(
    match: Match,
    volunteer_id: str,
    reason: Literal["blocked", "volunteer_paused", "volunteer_promised"],
    context: Context,
) -> Change | None:
    asked = [offer for offer in steps.open_offers(match) if offer.volunteer_id == volunteer_id]
    if not asked:
        return None
    change = Change(match, context, match)
    for offer in asked:
        steps.withdraw_offer(change, offer, reason)
    if not steps.open_offers(change.match):
        _go_on(change)
    return change
