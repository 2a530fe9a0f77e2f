"""Each thing that needs a human: the worklist, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import AttentionClaimed, AttentionRaised, AttentionSettled
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection, given

_URGENCY_RANKS = {"now": 0, "today": 1, "later": 2}


class AttentionRow(msgspec.Struct, gc=False):
    """One item, all of it from the topic of the service that raised it (key attention_id)."""

    attention_id: Annotated[str, Doc("The item.")]
    kind: Annotated[str | None, Doc("What a human has to look at, such as nobody_found.")] = None
    urgency: Annotated[str | None, Doc("How soon: now, today, later or another word.")] = None
    urgency_rank: Annotated[
        int, Doc("Order of urgency: 0 now, 1 today and words of a later version, 2 later.")
    ] = 1
    department: Annotated[str | None, Doc("Department whose coordinators look at it.")] = None
    reasons: Annotated[Sequence[str], Doc("Coded reasons, the weightiest first.")] = ()
    referral_id: Annotated[str | None, Doc("The referral, where it is about one.")] = None
    citizen_id: Annotated[str | None, Doc("Opaque id of the citizen.")] = None
    need_id: Annotated[str | None, Doc("The need, where it is about one.")] = None
    other_need_id: Annotated[str | None, Doc("The need it clashes or is one way with.")] = None
    due_at: Annotated[datetime | None, Doc("When it is too late to act, UTC.")] = None
    state: Annotated[
        Literal["raised", "claimed", "settled"] | None,
        Doc("raised, claimed (somebody looks at it) or settled."),
    ] = None
    times_raised: Annotated[int, Doc("Times it was raised, first or after settling.")] = 0
    raised_at: Annotated[datetime | None, Doc("When it was raised last, UTC.")] = None
    changed_at: Annotated[datetime | None, Doc("Time of its latest event, UTC.")] = None
    claimed_by: Annotated[str | None, Doc("Who has it, or had it last: an opaque id.")] = None
    claimed_at: Annotated[datetime | None, Doc("When they took it, UTC.")] = None
    settled_by: Annotated[
        str | None, Doc("Who settled it: an opaque id, or the service's name.")
    ] = None
    settled_at: Annotated[datetime | None, Doc("When it was settled, UTC.")] = None
    outcome: Annotated[str | None, Doc("How it was settled, such as helper_found.")] = None


ATTENTION = Projection("attention", AttentionRow)


@ATTENTION.on(AttentionRaised)
def _raised(row: AttentionRow, event: AttentionRaised, time: datetime) -> None:
    row.kind, row.urgency = event.kind, event.urgency
    row.urgency_rank = _URGENCY_RANKS.get(event.urgency, 1)
    row.department, row.reasons = event.department, event.reasons
    row.referral_id, row.citizen_id = given(event.referral_id), given(event.citizen_id)
    row.need_id, row.other_need_id = given(event.need_id), given(event.other_need_id)
    row.due_at, row.changed_at = given(event.due_at), time
    if row.state in {None, "settled"}:
        row.state, row.raised_at = "raised", time
        row.times_raised += 1
        row.claimed_by = row.claimed_at = row.settled_by = row.settled_at = row.outcome = None


@ATTENTION.on(AttentionClaimed)
def _claimed(row: AttentionRow, event: AttentionClaimed, time: datetime) -> None:
    row.department = event.department
    row.state, row.claimed_by = "claimed", event.actor
    row.claimed_at = row.changed_at = time


@ATTENTION.on(AttentionSettled)
def _settled(row: AttentionRow, event: AttentionSettled, time: datetime) -> None:
    row.department, row.outcome = event.department, event.outcome
    row.state, row.settled_by = "settled", event.actor
    row.settled_at = row.changed_at = time
