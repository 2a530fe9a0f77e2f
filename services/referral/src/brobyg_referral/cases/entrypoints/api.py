"""The JSON API: referrals, consent, contact, counts."""

from typing import Annotated
from uuid import UUID

from brobyg_kit.auth import Caller, requires
from brobyg_kit.database import Database
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Header, Query

from brobyg_referral.cases.entrypoints.models import (
    ConsentAgainIn,
    ContactOut,
    CountsOut,
    ReferralIn,
    ReferralOut,
)
from brobyg_referral.cases.entrypoints.problems import FIELDS_WRONG, ReferralRoute
from brobyg_referral.cases.ports import AppointmentStore
from brobyg_referral.cases.use_cases.referrals import Referrals
from brobyg_referral.transactions import in_transaction

Referrer = Annotated[Caller, Depends(requires("referrer", "coordinator"))]


def create_router(
    database: Database, referrals: Referrals, appointments: AppointmentStore
) -> APIRouter:
    """All of the JSON API."""
    router = APIRouter(route_class=ReferralRoute)
    _add_referrals(router, database, referrals)
    _add_citizens(router, database, referrals)

    @router.get("/counts", tags=["counts"], summary="What became of the hospital's messages")
    async def counts(
        _: Annotated[Caller, Depends(requires("coordinator", "analyst", "service"))],
    ) -> CountsOut:
        totals = await in_transaction(database, appointments.totals)
        return CountsOut(received=sum(totals.values()), **totals)

    return router


def _add_referrals(router: APIRouter, database: Database, referrals: Referrals) -> None:
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
            raise Problem(422, FIELDS_WRONG, errors=[error])
        asked = body.asked(idempotency_key)
        return ReferralOut.of(
            await in_transaction(database, lambda tx: referrals.create(tx, caller, asked))
        )

    @router.get(
        "/referrals/{referral_id}",
        tags=["referrals"],
        summary="A referral of your organisation or department",
    )
    async def get_referral(referral_id: UUID, caller: Referrer) -> ReferralOut:
        return ReferralOut.of(
            await in_transaction(database, lambda tx: referrals.get(tx, caller, str(referral_id)))
        )

    @router.put(
        "/referrals/{referral_id}/consent", tags=["referrals"], summary="Record consent given again"
    )
    async def give_consent(
        referral_id: UUID, body: ConsentAgainIn, caller: Referrer
    ) -> ReferralOut:
        return ReferralOut.of(
            await in_transaction(
                database,
                lambda tx: referrals.give_consent(tx, caller, str(referral_id), body.given_at),
            )
        )

    @router.delete(
        "/referrals/{referral_id}/consent",
        tags=["referrals"],
        summary="Withdraw consent; the appointments are deleted",
    )
    async def withdraw_consent(referral_id: UUID, caller: Referrer) -> ReferralOut:
        return ReferralOut.of(
            await in_transaction(
                database, lambda tx: referrals.withdraw_consent(tx, caller, str(referral_id))
            )
        )


def _add_citizens(router: APIRouter, database: Database, referrals: Referrals) -> None:
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
        found = await in_transaction(
            database, lambda tx: referrals.contact(tx, caller, str(citizen_id), purpose)
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
        await in_transaction(database, lambda tx: referrals.erase(tx, caller, str(citizen_id)))
