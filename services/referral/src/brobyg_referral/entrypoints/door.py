"""The hospital's HTTP door without its HTTP: reading, taking in, and counting what was refused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
from brobyg_kit.database import Database, Transaction

from brobyg_referral.fhir.bundle import Asked
from brobyg_referral.fhir.outcome import Refused
from brobyg_referral.intake import Command, Group, Intake, Result
from brobyg_referral.ports import AppointmentStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Door:
    """What the routes below work with."""

    database: Database
    intake: Intake
    store: AppointmentStore

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do it in a transaction; once more when another request made the same appointment at the same moment."""
        try:
            async with self.database.transaction() as tx:
                return await work(tx)
        except asyncpg.UniqueViolationError:
            async with self.database.transaction() as tx:
                return await work(tx)

    async def take_refused(self, organisation: str, messages: int = 1) -> None:
        """Count messages that were refused before they could be read."""
        await self.in_transaction(
            lambda tx: self.intake.take(tx, "http", organisation, [], rejected=messages)
        )

    async def take(self, organisation: str, asked: Callable[[], Asked]) -> Result:
        """Read one message and take it in. Raises Refused, after it was counted."""
        try:
            command = Command(asked())
        except Refused:
            await self.take_refused(organisation)
            raise
        results = await self.in_transaction(
            lambda tx: self.intake.take(tx, "http", organisation, [Group([command])])
        )
        result = results[0][0]
        if result.refusal:
            raise result.refusal
        return result
