"""What the ways in need of the outside, in the caller's transaction."""

from typing import Literal, Protocol

from brobyg_kit.database import Transaction

#: The way a message of the hospital came in.
IntakeChannel = Literal["http", "kafka"]
IntakeOutcome = Literal["rejected", "dropped_without_consent", "kept", "unchanged"]


class IntakeCounts(Protocol):
    """What became of the hospital's messages. All methods raise database errors."""

    async def add(
        self, tx: Transaction, channel: IntakeChannel, counts: dict[IntakeOutcome, int]
    ) -> None:
        """Add to the durable totals."""

    async def totals(self, tx: Transaction) -> dict[IntakeOutcome, int]:
        """The durable totals; what is zero may be missing."""
