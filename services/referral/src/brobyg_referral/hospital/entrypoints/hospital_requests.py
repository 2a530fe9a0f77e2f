"""The hospital's requests over HTTP: read, taken in, and counted when refused."""

from collections.abc import Callable
from dataclasses import dataclass

from brobyg_kit.database import Database

from brobyg_referral.cases.ports import AppointmentStore, Names, StoredAppointment
from brobyg_referral.hospital.fhir.bundle import AppointmentRequest, refused_or
from brobyg_referral.hospital.use_cases.decisions import Group, Result
from brobyg_referral.hospital.use_cases.intake import Intake
from brobyg_referral.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class HospitalRequests:
    """What the routes of /fhir work with."""

    database: Database
    intake: Intake
    store: AppointmentStore

    async def take(self, organisation: str, group: Group) -> list[Result]:
        """Take the group in; a result for each of its entries."""
        (results,) = await in_transaction(
            self.database, lambda tx: self.intake.take(tx, "http", organisation, [group])
        )
        return results

    async def take_one(self, organisation: str, read: Callable[[], AppointmentRequest]) -> Result:
        """Read one message and take it in. Raises MessageRefused, after it was counted."""
        (result,) = await self.take(organisation, Group([refused_or(read)]))
        if result.refusal:
            raise result.refusal
        return result

    async def find(self, names: Names) -> list[StoredAppointment]:
        """What is stored under these names."""
        return await in_transaction(self.database, lambda tx: self.store.find(tx, names))
