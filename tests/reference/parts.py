"""The owner of the reference data without referral's other packages."""

from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.retention import Carrier, kinds_of
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.settings import KitSettings, own_database
from brobyg_referral.metadata import metadata
from brobyg_referral.reference.adapters.entries import PostgresEntries
from brobyg_referral.reference.domain.entries import KINDS
from brobyg_referral.reference.entrypoints.api import create_router
from brobyg_referral.reference.use_cases.records import ReferenceRecords
from pydantic import SecretStr


class Settings(KitSettings):
    """With the owner's port."""

    referral_port: int = 0
    referral_database: SecretStr = own_database("referral")


def build(resources: Resources) -> Parts:
    records = ReferenceRecords(PostgresEntries())
    return Parts(
        routers=[create_router(resources.database, records)],
        retention=dict.fromkeys(kinds_of("referral"), Carrier(_nobody)),
    )


async def _nobody(tx: Transaction, before: datetime, most: int) -> int:
    """What is kept of people is no part of this."""
    return 0


OWNER = Service(
    name="referral",
    package="brobyg_referral",
    settings=Settings,
    build=build,
    emits=tuple(KINDS.values()),
    metadata=metadata,
)
