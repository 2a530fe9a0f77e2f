"""Whose figures a caller sees: a coordinator their department's, an analyst all.

A coordinator whose token names no department belongs to the head office and sees all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from brobyg_contracts.access import listed_departments
from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.problems import Problem
from brobyg_kit.replica import Replica
from fastapi import Depends

Reader = Annotated[Caller, Depends(requires_act("read-reports"))]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Decides by the caller's token, and by the departments of the reference data."""

    reference: Replica[Reference]

    def departments(self, caller: Caller, asked: str | None = None) -> Sequence[str] | None:
        """The ids whose figures are shown; None for all. `asked` is the one that they ask for.

        A department comes with the ids that it had before, as history holds those. Raises
        Problem 403 when they ask for another one than theirs.
        """
        ids = listed_departments(caller, "read-reports", self.reference.latest)
        if asked is None:
            return ids
        wanted = self.reference.latest.department_ids(asked)
        if ids is not None and wanted[0] not in ids:
            raise Problem(403, "Not your department", "your token is for another department")
        return wanted

    def sees(self, caller: Caller, department: str | None) -> bool:
        """Whether the caller sees what is the department's."""
        ids = self.departments(caller)
        return ids is None or department in ids
