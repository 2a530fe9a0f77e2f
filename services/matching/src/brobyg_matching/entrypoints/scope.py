"""Which departments a caller acts for."""

from collections.abc import Callable, Sequence
from typing import Literal

from brobyg_contracts.access import act
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.problems import Problem
from brobyg_kit.replica import Replica

from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.need import Need


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
        return None if caller.department is None else self.present(caller.department)

    async def stored_departments(self, tx: Transaction, caller: Caller) -> Sequence[str] | None:
        """All ids that what is the caller's department's may be stored by; None for all."""
        reference = await self._replica.get(tx)
        own = caller.department
        return None if own is None else reference.department_ids(own)

    def asked(self, department: str) -> str:
        """The department that a request names, as it is called now. Raises Problem 422."""
        now = self.present(department)
        if now not in self.reference.departments:
            raise Problem(422, "There is no such department")
        return now

    def present(self, department: str) -> str:
        """The department as it is called now."""
        return self.reference.present_department(department)

    def covers(self, caller: Caller, department: str) -> bool:
        """Whether the caller acts for this department."""
        own = self.department_of(caller)
        return own is None or own == self.present(department)

    def location_name(self, need: Need) -> str | None:
        """The need's place as people know it; its id while that is not known; None without one."""
        place = self.reference.places.get(need.location_id or "")
        return place.label if place is not None else need.location_id

    def reaches(self, caller: Caller, name: str) -> Callable[[str], bool]:
        """Whether the caller may do this with people of a department, by the table of access."""
        whose = {whose for role, whose in act(name).who.items() if role in caller.roles}

        def reached(department: str) -> bool:
            return "all" in whose or ("department" in whose and self.covers(caller, department))

        return reached
