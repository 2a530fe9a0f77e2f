"""All that is held of a citizen, for themselves (GDPR art. 15 and 20)."""

from brobyg_kit.auth import Caller
from brobyg_kit.database import Database, Transaction
from brobyg_kit.export import Holdings
from brobyg_kit.export_api import export_router
from fastapi import APIRouter

from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.errors import CitizenErased, NoSuchCitizen
from brobyg_referral.people.ports import CitizenStore


def create_router(
    database: Database, holdings: Holdings, citizens: CitizenStore, erasing: Erasing
) -> APIRouter:
    """For whom the table of access lets have it."""

    async def check(tx: Transaction, caller: Caller, people: str, citizen_id: str) -> None:
        del people  # there are citizens alone
        if not await erasing.may(tx, caller, "export-citizen", citizen_id):
            raise NoSuchCitizen
        if await citizens.contact(tx, citizen_id) is None:
            raise CitizenErased

    return export_router(
        database,
        "referral",
        holdings,
        acts={"citizens": "export-citizen"},
        check=check,
        route_class=ReferralRoute,
    )
