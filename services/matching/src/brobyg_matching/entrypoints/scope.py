"""Which departments a caller acts for."""

from typing import Literal

from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.replica import Replica

from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.need import Need
from brobyg_matching.use_cases.events import present

#: How a coordinator may settle what needs a human.
OUTCOMES = (
    "solved_by_phone", "helper_found", "called_off", "company_not_needed", "duplicate", "other",
)  # fmt: skip


def acting(caller: Caller) -> Actor:
    """As whom the caller acts, as decisions tell it."""
    role: Literal["coordinator", "helper"]
    role = "coordinator" if "coordinator" in caller.roles else "helper"
    return Actor(actor_of(caller.subject), role)


class Scope:
    """Who is bound to a department acts for that one only, by whatever name the token has it."""

    def __init__(self, replica: Replica[Reference]) -> None:
        """Reads the reference data as it was last read."""
        self._replica = replica

    @property
    def reference(self) -> Reference:
        """The reference data as it was last read."""
        return self._replica.latest

    def department_of(self, caller: Caller) -> str | None:
        """The caller's department as it is called now; None for all."""
        return None if caller.department is None else present(caller.department, self.reference)

    async def stored_department(self, tx: Transaction, caller: Caller) -> str | None:
        """`department_of` by the reference data as of now."""
        reference = await self._replica.get(tx)
        return None if caller.department is None else present(caller.department, reference)

    def present(self, department: str) -> str:
        """The department as it is called now."""
        return present(department, self.reference)

    def covers(self, caller: Caller, department: str) -> bool:
        """Whether the caller acts for this department."""
        own = self.department_of(caller)
        return own is None or own == present(department, self.reference)

    def location_name(self, need: Need) -> str | None:
        """The need's place as people know it; its id while that is not known; None without one."""
        place = self.reference.places.get(need.location_id or "")
        return place.label if place is not None else need.location_id
