"""Consent over HTTP: given, withdrawn and listed, a scope at a time."""

from typing import Annotated
from uuid import UUID

from brobyg_contracts.consent import catalogue
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database, Transaction
from fastapi import APIRouter, Depends

from brobyg_referral.cases.domain.consent import Consent
from brobyg_referral.cases.entrypoints.consent_models import (
    ConsentAgainIn,
    RecordedConsentOut,
    ScopedConsentIn,
    ScopeId,
)
from brobyg_referral.cases.entrypoints.models import ReferralOut
from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.consents import Consents
from brobyg_referral.transactions import in_transaction

Giver = Annotated[Caller, Depends(requires_act("give-consent"))]
Withdrawer = Annotated[Caller, Depends(requires_act("withdraw-consent"))]
Reader = Annotated[Caller, Depends(requires_act("read-consent"))]


def create_router(database: Database, consents: Consents) -> APIRouter:
    """All routes of consent."""
    router = APIRouter(route_class=ReferralRoute, tags=["consent"])
    _add_help(router, database, consents)
    _add_scopes(router, database, consents)
    return router


def _add_help(router: APIRouter, database: Database, consents: Consents) -> None:
    """Consent to the help that the referral asks for, without a text."""

    @router.put("/referrals/{referral_id}/consent", summary="Record consent given again")
    async def give_consent(referral_id: UUID, body: ConsentAgainIn, caller: Giver) -> ReferralOut:
        taken = body.taken(catalogue().allowing("help").id)
        return ReferralOut.of(
            await in_transaction(
                database, lambda tx: consents.give(tx, caller, str(referral_id), taken)
            )
        )

    @router.delete(
        "/referrals/{referral_id}/consent", summary="Withdraw consent; the appointments are deleted"
    )
    async def withdraw_consent(referral_id: UUID, caller: Withdrawer) -> ReferralOut:
        scope = catalogue().allowing("help").id
        return ReferralOut.of(
            await in_transaction(
                database, lambda tx: consents.withdraw(tx, caller, str(referral_id), scope)
            )
        )


def _add_scopes(router: APIRouter, database: Database, consents: Consents) -> None:
    @router.get(
        "/referrals/{referral_id}/consents",
        summary="What was consented to and withdrawn, the oldest record first",
    )
    async def list_consents(referral_id: UUID, caller: Reader) -> list[RecordedConsentOut]:
        found = await in_transaction(
            database, lambda tx: consents.listed(tx, caller, str(referral_id))
        )
        return [RecordedConsentOut.of(one) for one in found]

    @router.put(
        "/referrals/{referral_id}/consents/{scope}",
        summary="Record consent to one scope, in a text that was in use",
    )
    async def give_consent_to(
        referral_id: UUID, scope: ScopeId, body: ScopedConsentIn, caller: Giver
    ) -> list[RecordedConsentOut]:
        taken = body.of_scope(scope)

        async def give(tx: Transaction) -> list[Consent]:
            await consents.give(tx, caller, str(referral_id), taken)
            return await consents.listed(tx, caller, str(referral_id))

        return [RecordedConsentOut.of(one) for one in await in_transaction(database, give)]

    @router.delete(
        "/referrals/{referral_id}/consents/{scope}",
        summary="Withdraw consent to one scope; what the scope allowed ends",
    )
    async def withdraw_consent_to(
        referral_id: UUID, scope: ScopeId, caller: Withdrawer
    ) -> list[RecordedConsentOut]:
        async def withdraw(tx: Transaction) -> list[Consent]:
            await consents.withdraw(tx, caller, str(referral_id), scope)
            return await consents.listed(tx, caller, str(referral_id))

        return [RecordedConsentOut.of(one) for one in await in_transaction(database, withdraw)]
