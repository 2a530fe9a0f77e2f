"""Each match: the agreement of one helper to one seat of a need."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import MatchReleased, StaffMatched, VolunteerMatched
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection, given


class MatchRow(msgspec.Struct, gc=False):
    """One match, all of it from brobyg.matching.v1 (key need_id).

    When the hospital moves an appointment that has ended to a later day, it says that it did not
    take place: the match is released, and no helper is counted for the first day.
    """

    match_id: Annotated[str, Doc("The match.")]
    need_id: Annotated[str | None, Doc("The need.")] = None
    referral_id: Annotated[str | None, Doc("The referral.")] = None
    citizen_id: Annotated[str | None, Doc("Opaque id of the citizen.")] = None
    department: Annotated[str | None, Doc("Department that runs the need.")] = None
    pathway: Annotated[str | None, Doc("Kind of help.")] = None
    policy_version: Annotated[
        int | None, Doc("Version of the pathway's policy by which it was made.")
    ] = None
    seat: Annotated[int | None, Doc("Which seat of the need, from 1.")] = None
    role: Annotated[str | None, Doc("What the helper does.")] = None
    helper_id: Annotated[str | None, Doc("The helper.")] = None
    pool: Annotated[str | None, Doc("The helper's pool.")] = None
    way: Annotated[
        str | None, Doc("How the helper came by the seat: offer, assigned, claimed or another.")
    ] = None
    offer_id: Annotated[str | None, Doc("The offer that was accepted; null without one.")] = None
    location_id: Annotated[str | None, Doc("Where it is.")] = None
    starts_at: Annotated[datetime | None, Doc("Start, UTC.")] = None
    ends_at: Annotated[datetime | None, Doc("End, UTC.")] = None
    minutes: Annotated[
        int | None,
        Doc(
            "Minutes from start to end, without travel and waiting, which would tell where helper"
            " and citizen meet; null where it takes no span of time."
        ),
    ] = None
    resource_id: Annotated[str | None, Doc("The room or the like that is held with it.")] = None
    shares_with: Annotated[
        str | None, Doc("The citizen's other need that the helper fills on the same way.")
    ] = None
    matched_at: Annotated[datetime | None, Doc("When it was made, UTC.")] = None
    state: Annotated[Literal["agreed", "released"] | None, Doc("agreed or released.")] = None
    released_at: Annotated[datetime | None, Doc("When it was released, UTC.")] = None
    release_reason: Annotated[str | None, Doc("Why it was released.")] = None


MATCH = Projection("match", MatchRow)


def _minutes(starts_at: datetime | None, ends_at: datetime | None) -> int | None:
    if starts_at is None or ends_at is None:
        return None
    return int((ends_at - starts_at).total_seconds()) // 60


def _matched(row: MatchRow, event: VolunteerMatched | StaffMatched, time: datetime) -> None:
    row.need_id, row.referral_id = event.need_id, given(event.referral_id)
    row.citizen_id, row.department = given(event.citizen_id), event.department
    row.pathway, row.policy_version = event.pathway, event.policy_version
    row.seat, row.role = event.seat, event.role
    row.helper_id, row.pool, row.way = event.helper_id, event.pool, event.way
    row.offer_id, row.location_id = given(event.offer_id), given(event.location_id)
    row.starts_at, row.ends_at = given(event.starts_at), given(event.ends_at)
    row.minutes = _minutes(row.starts_at, row.ends_at)
    row.resource_id, row.shares_with = given(event.resource_id), given(event.shares_with)
    row.state, row.matched_at = "agreed", time
    row.released_at = row.release_reason = None


MATCH.on(VolunteerMatched)(_matched)
MATCH.on(StaffMatched)(_matched)


@MATCH.on(MatchReleased)
def _released(row: MatchRow, event: MatchReleased, time: datetime) -> None:
    row.state, row.released_at, row.release_reason = "released", time, event.reason
