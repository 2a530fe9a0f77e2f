"""What each event, answer and timer does to one appointment's search."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    OfferMade,
    OfferWithdrawn,
)
from brobyg_kit.event import EventData
from brobyg_matching.domain import transitions
from brobyg_matching.domain.change import Change
from brobyg_matching.domain.match import Offer
from brobyg_matching.domain.snapshot import Snapshot
from brobyg_matching.errors import NotAllowed
from matching_samples import (
    NOW,
    a_booking,
    a_context,
    a_referral,
    a_snapshot,
    a_volunteer,
    an_id,
    rescheduled,
)

LATE = NOW + timedelta(days=3, hours=2)
CallOff = Literal["appointment_cancelled", "consent_withdrawn"]


def booked(snapshot: Snapshot, **changes: object) -> Change:
    change = transitions.booked(
        None, msgspec.structs.replace(a_booking(), **changes), a_context(snapshot)
    )
    assert change is not None
    return change


def said(change: Change, kind: type[EventData]) -> list[EventData]:
    return [event for event in change.events if type(event) is kind]


def test_the_first_wave_asks_the_best_three_and_sets_the_timer() -> None:
    change = booked(a_snapshot(*(a_volunteer(f"v{n}") for n in range(5))))
    assert len(said(change, OfferMade)) == 3
    assert change.timer == NOW + timedelta(hours=8)
    assert [asked.rank for asked in change.decisions[0].asked] == [1, 2, 3]
    assert change.decisions[0].could == 5


def test_silence_expires_and_the_next_wave_asks_those_not_asked_yet() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(5)))
    first = booked(snapshot)
    second = transitions.wave_over(
        first.match, a_context(first.snapshot, now=NOW + timedelta(hours=8))
    )
    assert second is not None
    asked = [event.volunteer_id for event in second.events if isinstance(event, OfferMade)]
    assert len(asked) == 2
    assert not set(asked) & set(first.match.asked)
    assert second.match.wave == 2


def test_what_is_too_short_for_another_wave_is_the_coordinators() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(9)))
    start = NOW + timedelta(
        hours=40, minutes=5
    )  # two waves of eight hours, and then five minutes before the coordinator takes over
    change = booked(snapshot, starts_at=start, ends_at=start + timedelta(minutes=30))
    for _ in range(2):
        assert isinstance(change.timer, datetime)
        after = transitions.wave_over(change.match, a_context(change.snapshot, now=change.timer))
        assert after is not None
        change = after
    assert (change.match.state, change.match.wave, change.decisions[-1].could) == (
        "escalated",
        2,
        3,
    )


def test_when_everybody_was_silent_the_coordinator_is_told_with_the_reasons() -> None:
    snapshot = a_snapshot(
        a_volunteer("v"), a_volunteer("speaks arabic", languages=frozenset({"ar"}))
    )
    first = booked(snapshot)
    second = transitions.wave_over(
        first.match, a_context(first.snapshot, now=NOW + timedelta(hours=8))
    )
    assert second is not None
    escalated = second.events[-1]
    assert isinstance(escalated, MatchEscalated)
    assert (escalated.reason, escalated.asked, escalated.excluded) == (
        "nobody_answered",
        1,
        {"language": 1},
    )
    assert second.timer is None


def test_when_nobody_can_the_coordinator_is_told_at_once() -> None:
    change = booked(a_snapshot(a_volunteer("v", status="paused")))
    escalated = change.events[-1]
    assert isinstance(escalated, MatchEscalated)
    assert (escalated.reason, escalated.excluded) == ("nobody_available", {"active": 1})


@pytest.mark.parametrize("start", [NOW - timedelta(days=1), NOW, NOW + timedelta(hours=2)])
def test_an_appointment_too_near_or_past_is_escalated_as_too_late(start: datetime) -> None:
    snapshot = a_snapshot(
        a_volunteer("v"),
        a_volunteer("never", availability=()),
        a_volunteer("ar", languages=frozenset({"ar"})),
    )
    change = booked(snapshot, starts_at=start, ends_at=start + timedelta(minutes=30))
    escalated = change.events[-1]
    assert isinstance(escalated, MatchEscalated)
    assert (escalated.reason, escalated.excluded) == (
        "too_late",
        {"language": 1, "availability": 1, "notice": 1},
    )
    assert change.decisions[-1].excluded["notice"] == [
        an_id("v")
    ]  # could come, if only there were time to ask


def test_at_short_notice_one_wave_is_asked_and_half_the_time_is_left_to_the_coordinator() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(5)))
    start = NOW + timedelta(hours=10)
    change = booked(snapshot, starts_at=start, ends_at=start + timedelta(minutes=30))
    assert change.timer is not None
    assert isinstance(change.timer, datetime)
    assert NOW < change.timer < NOW + timedelta(hours=5)
    after = transitions.wave_over(change.match, a_context(change.snapshot, now=change.timer))
    assert after is not None
    assert after.match.state == "escalated"


def test_a_moved_appointment_releases_and_asks_who_had_it_first() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(6)))
    change = booked(snapshot)
    offer = change.match.offers[-1]
    accepted = transitions.accepted(
        change.match, offer, a_volunteer("any"), a_context(change.snapshot)
    )
    moved = transitions.booked(
        accepted.match,
        rescheduled(a_booking(), LATE + timedelta(hours=3)),
        a_context(accepted.snapshot),
    )
    assert moved is not None
    assert isinstance(moved.events[0], MatchReleased)
    assert moved.events[0].reason == "appointment_rescheduled"
    asked = [event for event in moved.events if isinstance(event, OfferMade)]
    assert asked[0].volunteer_id == offer.volunteer_id
    assert moved.match.round == 2


def a_match(snapshot: Snapshot) -> Change:
    """Volunteer v has accepted."""
    change = booked(snapshot)
    return transitions.accepted(
        change.match, change.match.offers[0], a_volunteer("v"), a_context(change.snapshot)
    )


@pytest.mark.parametrize(
    "since_the_start", [timedelta(minutes=20), timedelta(hours=3)], ids=["during", "after"]
)
def test_who_came_along_keeps_the_match_when_the_hospital_corrects_its_end(
    since_the_start: timedelta,
) -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    had = a_match(snapshot)
    match = had.match
    longer = msgspec.structs.replace(
        rescheduled(a_booking(), LATE), ends_at=match.ends_at + timedelta(minutes=15)
    )
    change = transitions.booked(match, longer, a_context(had.snapshot, now=LATE + since_the_start))
    assert change is not None
    assert (change.events, change.offers, change.decisions, change.timer) == ([], {}, [], False)
    assert change.match == msgspec.structs.replace(match, ends_at=longer.ends_at)


def test_a_no_show_that_was_a_mistake_leaves_the_time_to_who_gave_it() -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    had = a_match(snapshot)
    match = had.match
    context = a_context(had.snapshot, now=match.ends_at)
    missed = transitions.ended(match, "missed", context)
    assert missed is not None
    context = a_context(missed.snapshot, now=match.ends_at)
    again = transitions.booked(missed.match, rescheduled(a_booking(), LATE), context)
    assert again is not None
    assert (again.events, again.match) == ([], match)
    context = a_context(again.snapshot, now=match.ends_at)
    done = transitions.ended(again.match, "completed", context)
    assert done is not None
    assert (done.match.state, done.match.reason, done.match.volunteer_id) == (
        "closed",
        "completed",
        an_id("v"),
    )


@pytest.mark.parametrize("outcome", [None, "completed", "missed"])
def test_a_meeting_that_is_over_and_then_moved_releases_who_had_it_and_is_searched_anew(
    outcome: Literal["completed", "missed"] | None,
) -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    had = a_match(snapshot)
    match = had.match
    later = match.ends_at + timedelta(hours=1)
    if outcome:
        closed = transitions.ended(match, outcome, a_context(had.snapshot, now=later))
        assert closed is not None
        had = closed
    moved = rescheduled(a_booking(), LATE + timedelta(days=3))
    change = transitions.booked(had.match, moved, a_context(had.snapshot, now=later))
    assert change is not None
    assert [event.EVENT_TYPE for event in change.events] == [
        MatchReleased.EVENT_TYPE,
        OfferMade.EVENT_TYPE,
    ]
    released = change.events[0]
    assert isinstance(released, MatchReleased)
    assert (released.match_id, released.volunteer_id) == (match.match_id, an_id("v"))
    assert (released.reason, released.ends_at) == ("appointment_rescheduled", match.ends_at)
    assert (change.match.state, change.match.volunteer_id) == ("searching", None)
    assert change.snapshot.commitments[an_id("v")] == {}
    assert match.offer_id is not None
    assert change.offers[match.offer_id].state == "withdrawn"


def test_a_reschedule_to_the_same_times_has_no_effect() -> None:
    change = booked(a_snapshot(a_volunteer("v")))
    assert transitions.booked(change.match, rescheduled(a_booking(), LATE), change.context) is None


def test_without_consent_nothing_is_searched() -> None:
    referral = msgspec.structs.replace(a_referral(), consented=False)
    assert (
        transitions.booked(None, a_booking(), a_context(a_snapshot(a_volunteer("v")), referral))
        is None
    )


def test_who_takes_an_acceptance_back_is_not_asked_again_and_the_rest_are() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(3)))
    change = booked(snapshot)
    offer = change.match.offers[0]
    accepted = transitions.accepted(
        change.match, offer, a_volunteer("any"), a_context(change.snapshot)
    )
    again = transitions.volunteer_withdrew(accepted.match, a_context(accepted.snapshot))
    assert again.match.state == "searching"
    assert offer.volunteer_id not in again.match.asked
    assert len(again.match.asked) == 2


@pytest.mark.parametrize("reason", ["appointment_cancelled", "consent_withdrawn"])
def test_what_is_called_off_after_its_end_leaves_the_time_to_who_gave_it(reason: CallOff) -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    change = booked(snapshot)
    accepted = transitions.accepted(
        change.match, change.match.offers[0], a_volunteer("v"), a_context(change.snapshot)
    )
    ended = transitions.called_off(
        accepted.match, reason, a_context(accepted.snapshot, now=accepted.match.ends_at)
    )
    assert ended is not None
    assert (ended.match.state, ended.match.volunteer_id, ended.events) == ("closed", an_id("v"), [])
    before = a_context(accepted.snapshot, now=accepted.match.ends_at - timedelta(seconds=1))
    under_way = transitions.called_off(accepted.match, reason, before)
    assert under_way is not None
    assert len(said(under_way, MatchReleased)) == 1


def blocked(change: Change, offer: Offer) -> Snapshot:
    """What the change left, with the offer's volunteer blocked from the citizen."""
    blocks = frozenset({(offer.volunteer_id, change.match.citizen_id)})
    return msgspec.structs.replace(change.snapshot, blocks=blocks)


def test_of_a_blocked_pair_the_question_is_withdrawn_and_the_others_still_stand() -> None:
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(5)))
    change = booked(snapshot)
    first, *others = change.match.offers
    context = a_context(blocked(change, first))
    with pytest.raises(NotAllowed, match="withdrawn"):
        transitions.accepted(change.match, first, a_volunteer("any"), context)
    after = transitions.blocked(change.match, first.volunteer_id, context)
    assert after is not None
    assert [(type(e), getattr(e, "reason", None)) for e in after.events] == [
        (OfferWithdrawn, "blocked")
    ]
    assert (after.match.offers, after.timer) == (tuple(others), False)
    context = a_context(after.snapshot)
    assert transitions.blocked(after.match, first.volunteer_id, context) is None


def test_of_a_blocked_pair_a_coming_match_is_released_and_searched_anew_without_the_volunteer() -> (
    None
):
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(2)))
    change = booked(snapshot)
    offer, other = change.match.offers
    accepted = transitions.accepted(
        change.match, offer, a_volunteer("any"), a_context(change.snapshot)
    )
    match, parted = accepted.match, blocked(accepted, offer)
    met = a_context(parted, now=match.meet_at)
    assert transitions.blocked(match, offer.volunteer_id, met) is None
    after = transitions.blocked(match, offer.volunteer_id, a_context(parted))
    assert after is not None
    assert isinstance(after.events[0], MatchReleased)
    assert (after.events[0].reason, after.match.asked) == ("blocked", (other.volunteer_id,))


def test_when_the_only_one_asked_takes_a_pause_the_search_goes_on_at_once() -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    change = booked(snapshot)
    after = transitions.volunteer_paused(change.match, an_id("v"), a_context(change.snapshot))
    assert after is not None
    withdrawn, escalated = after.events
    assert isinstance(withdrawn, OfferWithdrawn)
    assert isinstance(escalated, MatchEscalated)
    assert (withdrawn.reason, escalated.reason, after.timer) == (
        "volunteer_paused",
        "nobody_answered",
        None,
    )


def test_a_pause_leaves_what_was_accepted() -> None:
    snapshot = a_snapshot(a_volunteer("v"))
    change = booked(snapshot)
    accepted = transitions.accepted(
        change.match, change.match.offers[0], a_volunteer("v"), a_context(change.snapshot)
    )
    context = a_context(accepted.snapshot)
    assert transitions.volunteer_paused(accepted.match, an_id("v"), context) is None


def test_who_promises_something_else_is_not_waited_for_and_the_search_goes_on_without_them() -> (
    None
):
    snapshot = a_snapshot(*(a_volunteer(f"v{n}") for n in range(2)))
    one = transitions.booked(None, a_booking("one"), a_context(snapshot))
    assert one is not None
    other = transitions.booked(None, a_booking("other"), a_context(one.snapshot))
    assert other is not None
    who = one.match.offers[0].volunteer_id
    context = a_context(other.snapshot)
    assert transitions.volunteer_promised(other.match, who, context) is None, "nothing is promised"
    yes = transitions.accepted(one.match, one.match.offers[0], a_volunteer("any"), context)
    change = transitions.volunteer_promised(other.match, who, a_context(yes.snapshot))
    assert change is not None
    assert [(type(e), getattr(e, "volunteer_id"), getattr(e, "reason")) for e in change.events] == [  # noqa: B009
        (OfferWithdrawn, who, "volunteer_promised")
    ]
    assert (change.match.state, len(change.match.offers), change.timer) == ("searching", 1, False)
