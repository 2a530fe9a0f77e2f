"""The hospital's requests over HTTP: read, taken in, and counted when refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database, Transaction

from brobyg_referral.cases.ports import (
    AppointmentStore,
    Names,
    ReferenceSource,
    StoredAppointment,
)
from brobyg_referral.cases.use_cases.visits import known_reference
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
    reference: ReferenceSource

    async def take(
        self, organisation: str, read: Callable[[Reference], Group]
    ) -> tuple[Group, list[Result]]:
        """Read a Bundle, in a thread, and take it in; a result for each of its entries.

        Raises ReferenceMissing and database errors.
        """

        async def work(tx: Transaction) -> tuple[Group, list[Result]]:
            reference = await known_reference(self.reference, tx)
            group = await asyncio.to_thread(read, reference)  # a thousand entries take a while
            return group, await self._take(tx, organisation, group, reference)

        return await in_transaction(self.database, work)

    async def take_one(
        self, organisation: str, read: Callable[[Reference], AppointmentRequest]
    ) -> Result:
        """Read one message and take it in. Raises MessageRefused, after it was counted."""

        async def work(tx: Transaction) -> Result:
            reference = await known_reference(self.reference, tx)
            group = Group([refused_or(lambda: read(reference))])
            (result,) = await self._take(tx, organisation, group, reference)
            return result

        result = await in_transaction(self.database, work)
        if result.refusal:
            raise result.refusal
        return result

    async def _take(
        self, tx: Transaction, organisation: str, group: Group, reference: Reference
    ) -> list[Result]:
        (results,) = await self.intake.take(tx, "http", organisation, [group], reference)
        return results

    async def find(self, names: Names) -> list[StoredAppointment]:
        """What is stored under these names."""
        return await in_transaction(self.database, lambda tx: self.store.find(tx, names))
