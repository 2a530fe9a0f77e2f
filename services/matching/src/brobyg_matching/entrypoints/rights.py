"""What people may ask, over HTTP: restriction (GDPR art. 18), erasure (art. 17), all of it (15)."""

from typing import Annotated
from uuid import UUID

from brobyg_contracts import HelperErased as Erased
from brobyg_contracts.words import pattern_of
from brobyg_kit.access_log_api import accesses_router
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from brobyg_kit.erasure_api import ErasureOut, erasure_router
from brobyg_kit.export_api import export_router
from brobyg_kit.restriction_api import RestrictionIn, RestrictionOut
from fastapi import APIRouter, Depends, Query, Response

from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.holdings import holdings
from brobyg_matching.entrypoints.problems import ProblemRoute
from brobyg_matching.entrypoints.scope import Scope
from brobyg_matching.errors import HelperErased, UnknownHelper
from brobyg_matching.use_cases.rights import HelperRights

Restricts = Annotated[Caller, Depends(requires_act("restrict-helper"))]
Lifts = Annotated[Caller, Depends(requires_act("lift-helper-restriction"))]
Erases = Annotated[Caller, Depends(requires_act("erase-helper"))]
Reason = Annotated[
    str,
    Query(
        pattern=pattern_of(Erased, "reason"),
        description="requested, consent_withdrawn, retention_over or entered_by_mistake.",
    ),
]


def rights_router(rights: HelperRights, scope: Scope) -> APIRouter:
    """Restrict, lift and erase."""
    router = APIRouter(tags=["helpers"], route_class=ProblemRoute)
    path = "/volunteers/{helper_id}"

    @router.put(
        f"{path}/restriction",
        summary="Keep all of a helper and do nothing with it; what was agreed ends",
    )
    async def restrict(helper_id: UUID, body: RestrictionIn, caller: Restricts) -> RestrictionOut:
        covers, actor = scope.reaches(caller, "restrict-helper"), actor_of(caller.subject)
        found = await rights.restrict(str(helper_id), body.reason, actor, covers)
        return RestrictionOut.of(found, body.reason)

    @router.delete(
        f"{path}/restriction", status_code=204, summary="Lift it; who was active is asked again"
    )
    async def lift(helper_id: UUID, caller: Lifts) -> None:
        await rights.lift(str(helper_id), scope.reaches(caller, "lift-helper-restriction"))

    @router.delete(
        path, status_code=202, summary="Erase a helper; the id is kept and never asked again"
    )
    async def erase(
        helper_id: UUID, reason: Reason, caller: Erases, response: Response
    ) -> ErasureOut:
        covers, actor = scope.reaches(caller, "erase-helper"), actor_of(caller.subject)
        found = await rights.erase(str(helper_id), reason, actor, covers)
        response.headers["Location"] = f"/erasures/{helper_id}"
        return ErasureOut.of(found)

    return router


def exports_router(database: Database, helpers: PostgresHelpers, scope: Scope) -> APIRouter:
    """All that is held of a citizen or a helper; of a helper for coordinators too."""

    async def check(tx: Transaction, caller: Caller, people: str, person_id: str) -> None:
        if people == "citizens":
            return  # who may is asked at the door
        helper = (await helpers.lock(tx, (person_id,))).get(person_id)
        covers = scope.reaches(caller, "export-helper")
        if helper is None or not any(map(covers, helper.departments)):
            raise UnknownHelper
        if helper.status == "erased":
            raise HelperErased

    return export_router(
        database,
        "matching",
        holdings(helpers),
        acts={"citizens": "collect-export", "volunteers": "export-helper"},
        check=check,
        route_class=ProblemRoute,
    )


def accesses_of_helpers(database: Database, helpers: PostgresHelpers, scope: Scope) -> APIRouter:
    """Who has read who a helper is; of one who was erased for staff alone."""

    async def check(tx: Transaction, caller: Caller, helper_id: str) -> None:
        helper = (await helpers.lock(tx, (helper_id,))).get(helper_id)
        if helper is None or not scope.role(
            caller, "read-helper-accesses", helper.departments, helper_id
        ):
            raise UnknownHelper
        # Nothing shows any more that it is still they who hold their session.
        if caller.subject == helper_id and helper.status == "erased":
            raise HelperErased

    return accesses_router(
        database, "volunteers", check, act="read-helper-accesses", route_class=ProblemRoute
    )


def erasures_router(database: Database, rights: HelperRights, scope: Scope) -> APIRouter:
    """How far the erasure of a helper has come."""

    async def may_see(tx: Transaction, caller: Caller, helper_id: str) -> bool:
        return await rights.may_see(tx, helper_id, scope.reaches(caller, "erase-helper"))

    return erasure_router(database, act="erase-helper", may_see=may_see)
