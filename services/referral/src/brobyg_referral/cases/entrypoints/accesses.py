"""Who has read who a citizen is, when and what for."""

from brobyg_kit.access_log_api import accesses_router
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database, Transaction
from brobyg_kit.erasure import erased
from fastapi import APIRouter

from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.errors import CitizenErased, NoSuchCitizen


def create_router(database: Database, erasing: Erasing) -> APIRouter:
    """For whom the table of access lets see it; of who was erased for staff alone."""

    async def check(tx: Transaction, caller: Caller, citizen_id: str) -> None:
        if not await erasing.may(tx, caller, "read-citizen-accesses", citizen_id):
            raise NoSuchCitizen
        # Nothing shows any more that it is still they who hold their session.
        if caller.subject == citizen_id and await erased(tx, [citizen_id]):
            raise CitizenErased

    return accesses_router(
        database, "citizens", check, act="read-citizen-accesses", route_class=ReferralRoute
    )
