"""Who has read who a citizen is, when and what for."""

from brobyg_kit.access_log_api import accesses_router
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database, Transaction
from fastapi import APIRouter

from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.errors import NoSuchCitizen


def create_router(database: Database, erasing: Erasing) -> APIRouter:
    """For whom the table of access lets see it; also of who was erased."""

    async def check(tx: Transaction, caller: Caller, citizen_id: str) -> None:
        if not await erasing.may(tx, caller, "read-citizen-accesses", citizen_id):
            raise NoSuchCitizen

    return accesses_router(
        database, "citizens", check, act="read-citizen-accesses", route_class=ReferralRoute
    )
