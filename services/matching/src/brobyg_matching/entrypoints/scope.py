"""Which departments a caller acts for."""

from collections.abc import Callable, Collection, Sequence

from brobyg_contracts.access import listed_departments, reaching_role
from brobyg_contracts.reference import Reference
from brobyg_kit.attention import actor_of
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.problems import Problem
from brobyg_kit.replica import Replica

from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.need import Need


def acting(caller: Caller, role: str) -> Actor:
    """As whom the caller acts in this role, as decisions tell it."""
    return Actor(actor_of(caller.subject), "coordinator" if role == "coordinator" else "helper")


class Scope:
    """Who is bound to a department acts for that one only, by whatever name the token has it."""

    def __init__(self, replica: Replica[Reference]) -> None:
        """Reads the reference data as it was last read."""
        self._replica = replica

    @property
    def reference(self) -> Reference:
        """The reference data as it was last read."""
        return self._replica.latest

    async def stored_departments(
        self, act: str, tx: Transaction, caller: Caller
    ) -> Sequence[str] | None:
        """All ids that what the caller has of it in a list may be stored by; None for all."""
        return listed_departments(caller, act, await self._replica.get(tx))

    def listed(self, caller: Caller, act: str, asked: str | None) -> str | None:
        """The department, as it is called now, whose things the caller lists; None for all.

        `asked` is the one that they ask for. Raises Problem 403 for another's, 422 for none.
        """
        if asked is not None:
            if not self.reaches(caller, act)(asked):
                raise Problem(403, "This is another department's")
            return self.asked(asked)
        own = listed_departments(caller, act, self.reference)
        return None if own is None else next(iter(own), "")

    def asked(self, department: str) -> str:
        """The department that a request names, as it is called now. Raises Problem 422."""
        now = self.present(department)
        if now not in self.reference.departments:
            raise Problem(422, "There is no such department")
        return now

    def present(self, department: str) -> str:
        """The department as it is called now."""
        return self.reference.present_department(department)

    def location_name(self, need: Need) -> str | None:
        """The need's place as people know it; its id while that is not known; None without one."""
        place = self.reference.places.get(need.location_id or "")
        return place.label if place is not None else need.location_id

    def role(
        self, caller: Caller, act: str, departments: Collection[str], of: str | None = None
    ) -> str | None:
        """In which role the caller may do this with what these departments have; None for none.

        `of` is the helper whose own it is.
        """
        return reaching_role(
            caller, act, departments=departments, subjects=[of], reference=self.reference
        )

    def reaches(self, caller: Caller, act: str) -> Callable[[str], bool]:
        """Whether the caller may do this with people of a department, by the table of access."""
        return lambda department: self.role(caller, act, [department]) is not None
