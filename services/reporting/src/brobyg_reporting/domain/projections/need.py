"""Each need: what wants helpers, how the search for them stands, and what was sent about it.

Its municipality is the referral's and is joined in the views, because a fold sees its own thing
only.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    NeedDecided,
    NeedOpened,
    NotificationFailed,
    NotificationSent,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    StaffMatched,
    VolunteerMatched,
)
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection, given


class NeedRow(msgspec.Struct, gc=False):
    """One need (key need_id). Three topics write the three groups, and no field is in two."""

    need_id: Annotated[str, Doc("The need.")]
    # brobyg.referral.v1
    state: Annotated[Literal["open", "closed"] | None, Doc("open or closed.")] = None
    about_kind: Annotated[
        str | None, Doc("What it is about: appointment, referral, call, session or another.")
    ] = None
    about_id: Annotated[str | None, Doc("The appointment, referral, call or session.")] = None
    pathway: Annotated[str | None, Doc("Kind of help.")] = None
    policy_version: Annotated[
        int | None, Doc("Version of the pathway's policy when the need was last opened or changed.")
    ] = None
    department: Annotated[str | None, Doc("Department that runs it.")] = None
    referral_id: Annotated[str | None, Doc("The referral, where it is a citizen's.")] = None
    citizen_id: Annotated[str | None, Doc("Opaque id of the citizen.")] = None
    mode: Annotated[str | None, Doc("in_person, video, phone or another.")] = None
    priority: Annotated[int | None, Doc("1 is the most urgent, 5 the ordinary.")] = None
    location_id: Annotated[str | None, Doc("Where it is.")] = None
    starts_at: Annotated[datetime | None, Doc("Start, UTC.")] = None
    ends_at: Annotated[datetime | None, Doc("End, UTC.")] = None
    answer_by: Annotated[
        datetime | None, Doc("When somebody must have been found, UTC, where it has no span.")
    ] = None
    not_before: Annotated[datetime | None, Doc("Nobody is asked before this, UTC.")] = None
    seats_least: Annotated[
        int | None, Doc("Fewer helpers are no crew; null where it is as the policy says.")
    ] = None
    seats_wanted: Annotated[
        int | None, Doc("Helpers asked for; null where it is as the policy says.")
    ] = None
    opened_at: Annotated[datetime | None, Doc("When it was opened first, UTC.")] = None
    times_opened: Annotated[int, Doc("Times it was opened.")] = 0
    times_changed: Annotated[int, Doc("Times it was changed.")] = 0
    closed_at: Annotated[datetime | None, Doc("When it was closed, UTC; null while open.")] = None
    closed_reason: Annotated[
        str | None,
        Doc(
            "completed, missed, appointment_cancelled, consent_withdrawn, withdrawn or another;"
            " null while open."
        ),
    ] = None
    changed_at: Annotated[
        datetime | None, Doc("Time of the latest event from the referral service, UTC.")
    ] = None
    # brobyg.matching.v1
    match_state: Annotated[
        Literal["offered", "waiting", "held", "matched", "released", "escalated"] | None,
        Doc(
            "offered, waiting (for capacity), held (a coordinator has stopped the asking), matched"
            " (the least crew is there), released or escalated; null while it is none of these."
        ),
    ] = None
    crew: Annotated[int, Doc("Helpers who have a seat now.")] = 0
    crew_complete: Annotated[bool, Doc("Whether the least crew is there.")] = False
    decisions: Annotated[int, Doc("Decisions about its seats, of the rules and by hand.")] = 0
    decided_version: Annotated[
        int | None, Doc("Version of the pathway's policy at the latest decision.")
    ] = None
    rounds: Annotated[int, Doc("Highest round of a search.")] = 0
    waves: Annotated[int, Doc("Highest wave of offers.")] = 0
    offers_made: Annotated[int, Doc("Offers made.")] = 0
    offers_accepted: Annotated[int, Doc("Offers accepted.")] = 0
    offers_declined: Annotated[int, Doc("Offers declined.")] = 0
    offers_expired: Annotated[int, Doc("Offers that ran out in silence.")] = 0
    offers_withdrawn: Annotated[int, Doc("Offers withdrawn.")] = 0
    first_offered_at: Annotated[datetime | None, Doc("First offer, UTC.")] = None
    first_matched_at: Annotated[
        datetime | None, Doc("First time a helper was found, UTC; kept when released.")
    ] = None
    filled_at: Annotated[
        datetime | None, Doc("When the present least crew was there, UTC; null when it is not.")
    ] = None
    matches_made: Annotated[int, Doc("Times a helper was found.")] = 0
    matches_released: Annotated[int, Doc("Times a match was released.")] = 0
    release_reason: Annotated[str | None, Doc("Why the latest match was released.")] = None
    escalations: Annotated[int, Doc("Times the coordinator was asked to step in.")] = 0
    escalated_at: Annotated[datetime | None, Doc("Latest escalation, UTC.")] = None
    escalated_reason: Annotated[
        str | None,
        Doc("nobody_available, nobody_answered, too_late, no_room, clash, part_of_way or another."),
    ] = None
    escalated_asked: Annotated[int | None, Doc("Helpers asked before the latest escalation.")] = (
        None
    )
    escalated_missing: Annotated[
        int | None, Doc("Helpers missing to the least crew at the latest escalation.")
    ] = None
    matching_changed_at: Annotated[
        datetime | None, Doc("Time of the latest event from the matching service, UTC.")
    ] = None
    # brobyg.notification.v1
    notifications_sent: Annotated[int, Doc("Messages sent about it.")] = 0
    notifications_failed: Annotated[int, Doc("Messages given up for a permanent reason.")] = 0
    notified_at: Annotated[datetime | None, Doc("Time of the latest message sent, UTC.")] = None


NEED = Projection("need", NeedRow)


@NEED.on(NeedOpened)
def _opened(row: NeedRow, event: NeedOpened, time: datetime) -> None:
    _describe(row, event, time)
    row.opened_at = row.opened_at or time
    row.times_opened += 1


@NEED.on(NeedChanged)
def _changed(row: NeedRow, event: NeedChanged, time: datetime) -> None:
    _describe(row, event, time)
    row.times_changed += 1


def _describe(row: NeedRow, event: NeedOpened | NeedChanged, time: datetime) -> None:
    row.about_kind, row.about_id = event.about_kind, event.about_id
    row.pathway, row.policy_version = event.pathway, event.policy_version
    row.department, row.mode, row.priority = event.department, event.mode, event.priority
    row.referral_id, row.citizen_id = given(event.referral_id), given(event.citizen_id)
    row.location_id = given(event.location_id)
    row.starts_at, row.ends_at = given(event.starts_at), given(event.ends_at)
    row.answer_by, row.not_before = given(event.answer_by), given(event.not_before)
    seats = given(event.seats)
    row.seats_least = None if seats is None else sum(one.least for one in seats)
    row.seats_wanted = None if seats is None else sum(one.wanted for one in seats)
    row.state, row.closed_at, row.closed_reason = "open", None, None
    row.changed_at = time


@NEED.on(NeedClosed)
def _closed(row: NeedRow, event: NeedClosed, time: datetime) -> None:
    row.about_kind, row.about_id = event.about_kind, event.about_id
    row.referral_id = given(event.referral_id)
    row.state, row.closed_reason = "closed", event.reason
    row.closed_at = row.changed_at = time


#: What a need without its least crew is in after a decision that is no offer, match or escalation.
_STATES: dict[str, Literal["waiting", "held"] | None] = {
    "waits": "waiting",
    "held": "held",
    "resumed": None,
}


@NEED.on(NeedDecided)
def _decided(row: NeedRow, event: NeedDecided, time: datetime) -> None:
    row.decisions += 1
    row.decided_version = event.policy_version
    row.rounds = max(row.rounds, event.round)
    row.matching_changed_at = time
    if event.outcome in _STATES and not row.crew_complete:
        row.match_state = _STATES[event.outcome]


@NEED.on(OfferMade)
def _offer_made(row: NeedRow, event: OfferMade, time: datetime) -> None:
    row.offers_made += 1
    row.rounds, row.waves = max(row.rounds, event.round), max(row.waves, event.wave)
    row.first_offered_at = row.first_offered_at or time
    row.matching_changed_at = time
    if not row.crew_complete:
        row.match_state = "offered"


@NEED.on(OfferAccepted)
def _offer_accepted(row: NeedRow, event: OfferAccepted, time: datetime) -> None:
    row.offers_accepted += 1
    row.matching_changed_at = time


@NEED.on(OfferDeclined)
def _offer_declined(row: NeedRow, event: OfferDeclined, time: datetime) -> None:
    row.offers_declined += 1
    row.matching_changed_at = time


@NEED.on(OfferExpired)
def _offer_expired(row: NeedRow, event: OfferExpired, time: datetime) -> None:
    row.offers_expired += 1
    row.matching_changed_at = time


@NEED.on(OfferWithdrawn)
def _offer_withdrawn(row: NeedRow, event: OfferWithdrawn, time: datetime) -> None:
    row.offers_withdrawn += 1
    row.matching_changed_at = time


def _matched(row: NeedRow, event: VolunteerMatched | StaffMatched, time: datetime) -> None:
    if event.corrected is not True:
        row.matches_made += 1
        row.crew += 1
    row.first_matched_at = row.first_matched_at or time
    row.matching_changed_at = time
    if event.crew_complete:
        row.filled_at, row.match_state = row.filled_at or time, "matched"
    row.crew_complete = event.crew_complete


NEED.on(VolunteerMatched)(_matched)
NEED.on(StaffMatched)(_matched)


@NEED.on(MatchReleased)
def _released(row: NeedRow, event: MatchReleased, time: datetime) -> None:
    row.matches_released += 1
    row.crew -= 1
    row.release_reason = event.reason
    row.matching_changed_at = time
    if not event.crew_complete:
        row.crew_complete, row.filled_at, row.match_state = False, None, "released"


@NEED.on(MatchEscalated)
def _escalated(row: NeedRow, event: MatchEscalated, time: datetime) -> None:
    row.escalations += 1
    row.match_state = "escalated"
    row.escalated_at = row.matching_changed_at = time
    row.escalated_reason = event.reason
    row.escalated_asked, row.escalated_missing = event.asked, event.missing


@NEED.on(NotificationSent)
def _sent(row: NeedRow, event: NotificationSent, time: datetime) -> None:
    row.notifications_sent += 1
    row.notified_at = time


@NEED.on(NotificationFailed)
def _failed(row: NeedRow, event: NotificationFailed, time: datetime) -> None:
    row.notifications_failed += 1
