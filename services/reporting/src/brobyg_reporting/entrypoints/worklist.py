"""The worklist: what needs a human. An item is claimed and settled at the service that owns it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from brobyg_kit.problems import Problem
from fastapi import APIRouter, Query

from brobyg_reporting.adapters.queries import Queries
from brobyg_reporting.domain.words import ATTENTION
from brobyg_reporting.entrypoints.visibility import Reader, Visibility

Asked = Annotated[
    str | None,
    Query(
        alias="department",
        max_length=40,
        pattern="^[a-z][a-z0-9-]*$",
        description="Only this department, by its id.",
    ),
]
Kind = Annotated[
    str | None,
    Query(max_length=64, pattern="^[a-z][a-z0-9_]*$", description="Only items of this kind."),
]
State = Annotated[
    Literal["open", "raised", "claimed", "settled"], Query(description="open: raised or claimed.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]
After = Annotated[UUID | None, Query(description="The `next` of the page before.")]


def worklist_router(queries: Queries, visibility: Visibility) -> APIRouter:
    """The routes that read the worklist."""
    routes = APIRouter(tags=["attention"])

    @routes.get("/attention", summary="What needs a human, the most urgent first")
    async def worklist(
        caller: Reader,
        asked: Asked = None,
        kind: Kind = None,
        state: State = "open",
        limit: Limit = 100,
        after: After = None,
    ) -> dict[str, Any]:
        departments = visibility.departments(caller, asked)
        last = None
        if after is not None:
            last = await queries.attention_item(departments, str(after))
            if last is None:
                raise Problem(404, "There is no such item here", "`after` is a page's `next`")
        states = ("raised", "claimed") if state == "open" else (state,)
        rows = await queries.attention(departments, kind, states, limit + 1, last)
        if not rows and kind is not None and kind not in ATTENTION:
            raise Problem(
                422, "There is no such kind of item", f"known kinds: {', '.join(sorted(ATTENTION))}"
            )
        page = rows[:limit]
        following = page[-1]["attention_id"] if len(rows) > limit else None
        return {"limit": limit, "next": following, "attention": page}

    @routes.get("/attention/{attention_id}", summary="One thing that needs a human, or did")
    async def item(caller: Reader, attention_id: UUID) -> dict[str, Any]:
        found = await queries.attention_item(visibility.departments(caller), str(attention_id))
        if found is None:
            raise Problem(
                404,
                "There is no such item here",
                "reporting learns of it from the event stream; a new one takes a moment",
            )
        return found

    return routes
