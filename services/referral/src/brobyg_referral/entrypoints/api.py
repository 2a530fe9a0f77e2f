"""The JSON door: referrals, consent, contact, counts."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import asyncpg
from brobyg_kit.auth import Caller, requires
from brobyg_kit.database import Database, Transaction
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Header, Query

from brobyg_referral.entrypoints.models import (
    ConsentAgainIn,
    ContactOut,
    CountsOut,
    ReferralIn,
    ReferralOut,
)
from brobyg_referral.referrals import ReferralDesk

Referrer = Annotated[Caller, Depends(requires("referrer", "coordinator"))]
T = TypeVar("T")


def create_router(database: Database, desk: ReferralDesk) -> APIRouter:
    """All of the JSON API."""
    router = APIRouter()
    _add_referrals(router, database, desk)
    _add_citizens(router, database, desk)

    @router.get("/counts", tags=["counts"], summary="What became of the hospital's messages")
    async def counts(
        _: Annotated[Caller, Depends(requires("coordinator", "analyst", "service"))],
    ) -> CountsOut:
        rows = await database.pool.fetch(
            "select outcome, sum(total)::bigint as total from intake_count group by outcome"
        )
        totals = {"rejected": 0, "dropped_without_consent": 0, "kept": 0, "unchanged": 0} | {
            row["outcome"]: row["total"] for row in rows
        }
        return CountsOut(received=sum(totals.values()), **totals)

    return router


async def _in_transaction(database: Database, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Once more when somebody else did the same at the same moment: the second time sees it."""
    try:
        async with database.transaction() as tx:
            return await work(tx)
    except asyncpg.UniqueViolationError:
        async with database.transaction() as tx:
            return await work(tx)


def _add_referrals(router: APIRouter, database: Database, desk: ReferralDesk) -> None:
    @router.post(
        "/referrals",
        status_code=201,
        tags=["referrals"],
        summary="Refer a citizen who has consented",
    )
    async def create_referral(
        body: ReferralIn,
        caller: Referrer,
        idempotency_key: Annotated[
            str | None,
            Header(
                pattern=r"^[\x21-\x7e]{1,128}$",
                description="Repeats with the same key have no second effect.",
            ),
        ] = None,
    ) -> ReferralOut:
        if error := body.meeting_problem():
            raise Problem(422, "Some of what was sent is not as it should be", errors=[error])
        asked = body.asked(idempotency_key)
        return ReferralOut.of(
            await _in_transaction(database, lambda tx: desk.create(tx, caller, asked))
        )

    @router.get(
        "/referrals/{referral_id}",
        tags=["referrals"],
        summary="A referral of your organisation or department",
    )
    async def get_referral(referral_id: UUID, caller: Referrer) -> ReferralOut:
        return ReferralOut.of(
            await _in_transaction(database, lambda tx: desk.get(tx, caller, str(referral_id)))
        )

    @router.put(
        "/referrals/{referral_id}/consent", tags=["referrals"], summary="The citizen says yes again"
    )
    async def give_consent(
        referral_id: UUID, body: ConsentAgainIn, caller: Referrer
    ) -> ReferralOut:
        return ReferralOut.of(
            await _in_transaction(
                database, lambda tx: desk.give_consent(tx, caller, str(referral_id), body.given_at)
            )
        )

    @router.delete(
        "/referrals/{referral_id}/consent",
        tags=["referrals"],
        summary="The citizen says no; appointments are forgotten",
    )
    async def withdraw_consent(referral_id: UUID, caller: Referrer) -> ReferralOut:
        return ReferralOut.of(
            await _in_transaction(
                database, lambda tx: desk.withdraw_consent(tx, caller, str(referral_id))
            )
        )


def _add_citizens(router: APIRouter, database: Database, desk: ReferralDesk) -> None:
    @router.get(
        "/citizens/{citizen_id}/contact",
        tags=["citizens"],
        summary="How to reach a citizen; recorded with its purpose",
    )
    async def contact(
        citizen_id: UUID,
        purpose: Annotated[
            str,
            Query(
                pattern=r"^[a-z][a-z0-9_.-]{0,63}$", description="One word: what it is needed for."
            ),
        ],
        caller: Annotated[Caller, Depends(requires("service", "coordinator"))],
    ) -> ContactOut:
        found = await _in_transaction(
            database, lambda tx: desk.contact(tx, caller, str(citizen_id), purpose)
        )
        return ContactOut.of(str(citizen_id), found, to_service="service" in caller.roles)

    @router.delete(
        "/citizens/{citizen_id}",
        status_code=204,
        tags=["citizens"],
        summary="Erase what names a citizen; consent is withdrawn first",
    )
    async def erase(
        citizen_id: UUID, caller: Annotated[Caller, Depends(requires("coordinator"))]
    ) -> None:
        await _in_transaction(database, lambda tx: desk.erase(tx, caller, str(citizen_id)))
