"""The hospital's requests over HTTP, without the HTTP: read, taken in, counted when refused."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from brobyg_kit.database import Database
from fastapi import HTTPException

from brobyg_referral.adapters.transactions import in_transaction
from brobyg_referral.errors import MessageRefused
from brobyg_referral.fhir.bundle import AppointmentRequest
from brobyg_referral.ports import AppointmentStore, Names, StoredAppointment
from brobyg_referral.use_cases.decisions import Group, Result
from brobyg_referral.use_cases.intake import Intake


@dataclass(frozen=True, slots=True)
class HospitalRequests:
    """What the routes of /fhir work with."""

    database: Database
    intake: Intake
    store: AppointmentStore

    async def take(
        self, organisation: str, groups: Sequence[Group], rejected: int = 0
    ) -> list[list[Result]]:
        """Take the groups in; `rejected` messages more were refused before they could be read."""
        return await in_transaction(
            self.database,
            lambda tx: self.intake.take(tx, "http", organisation, groups, rejected),
        )

    @asynccontextmanager
    async def counting_a_refusal(self, organisation: str) -> AsyncIterator[None]:
        """Count a message that is refused in this block, before it could be taken in."""
        try:
            yield
        except (MessageRefused, HTTPException):  # the latter for a body that is too large
            await self.take(organisation, [], rejected=1)
            raise

    async def take_one(self, organisation: str, read: Callable[[], AppointmentRequest]) -> Result:
        """Read one message and take it in. Raises MessageRefused, after it was counted."""
        async with self.counting_a_refusal(organisation):
            group = Group([read()])
        ((result,),) = await self.take(organisation, [group])
        if result.refusal:
            raise result.refusal
        return result

    async def find(self, names: Names) -> list[StoredAppointment]:
        """What is stored under these names."""
        return await in_transaction(self.database, lambda tx: self.store.find(tx, names))
