"""The messages and their state, for coordinators: ids and states, nothing personal."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from brobyg_notification.adapters import notices
from brobyg_notification.ports import State


class NotificationView(BaseModel):
    """One message and what became of it."""

    notification_id: UUID
    template: str
    recipient_role: str
    recipient_id: str
    need_id: UUID
    referral_id: UUID | None
    department: str
    cause: UUID = Field(description="The event that led to it.")
    state: State
    reason: str | None = Field(
        description="Why it was given up, if it failed; what was in the way of the last attempt,"
        " while it waits."
    )
    attempts: int
    due_at: datetime = Field(description="When it is tried next, while it waits.")
    created_at: datetime
    ended_at: datetime | None


class NotificationPage(BaseModel):
    """Newest first."""

    notifications: list[NotificationView]
    next: int | None = Field(
        description="Give it as `before` to get the following page; null on the last one."
    )


def router(
    database: Database,
    departments_of: Callable[[Transaction, Caller], Awaitable[Sequence[str] | None]],
) -> APIRouter:
    """The routes of this service. `departments_of` gives the ids of a caller's own, or None."""
    routes = APIRouter(tags=["notifications"])

    @routes.get("/notifications", summary="What was told to whom, newest first")
    async def list_notifications(
        caller: Annotated[Caller, Depends(requires_act("read-notifications"))],
        state: State | None = None,
        need_id: UUID | None = None,
        before: Annotated[
            int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> NotificationPage:
        """A coordinator bound to a department sees that department's."""
        async with database.transaction() as transaction:
            own = await departments_of(transaction, caller)
            rows = await notices.page(transaction, state, need_id, before, limit + 1, own)
        shown = rows[:limit]
        return NotificationPage(
            notifications=[NotificationView.model_validate(dict(row)) for row in shown],
            next=shown[-1]["position"] if len(rows) > limit else None,
        )

    return routes
