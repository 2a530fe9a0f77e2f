"""The helpers of departments in memory: read when a helper has changed, within a bound of bytes."""

from collections.abc import Collection

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.statements import driver_text
from brobyg_kit.tables import Id
from sqlalchemy import ARRAY, Text, bindparam, func, select

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.tables import helper, paper, roster
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.travel import Distances

#: How much of all departments together is held in memory, in bytes; the least used go first.
MAX_BYTES = 160_000_000

_VERSIONS = driver_text(
    select(roster.c.department, roster.c.version).where(
        roster.c.department == func.any(bindparam("departments", type_=ARRAY(Text)))
    )
)
_HELPERS = select(helper).where(
    helper.c.departments.op("&&", is_comparison=True)(bindparam("departments", type_=ARRAY(Text))),
    helper.c.status.not_in(("applied", "erased")),
)
_PAPERS = select(paper).where(paper.c.helper_id == func.any(bindparam("helpers", type_=ARRAY(Id))))


class ResidentRosters:
    """`ports.Rosters` on the service's own database."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        """Nothing is read yet. `most` is in bytes."""
        self._most = most
        self._distances = Distances(Reference())
        #: By department, the least used first: the versions that were read, and the roster.
        self._held: dict[str, tuple[dict[str, int], Roster]] = {}

    def distances(self, reference: Reference) -> Distances:
        """See `ports.Rosters.distances`."""
        if self._distances.reference is not reference:
            self._distances = Distances(reference)
            self._held.clear()
        return self._distances

    async def get(
        self, tx: Transaction, departments: Collection[str], distances: Distances
    ) -> dict[str, Roster]:
        """See `ports.Rosters.get`."""
        if not departments:
            return {}
        names = {one: distances.reference.department_ids(one) for one in departments}
        wanted = sorted({name for some in names.values() for name in some})
        # Before the helpers are read: what changes meanwhile is read again the next time.
        versions = rows.pairs(await tx.driver.fetch(_VERSIONS, wanted))
        found = {}
        for department in departments:
            now = {name: versions.get(name, 0) for name in names[department]}
            held = self._held.pop(department, None)
            if held is None or held[0] != now or held[1].distances is not distances:
                held = now, await _read(tx, names[department], distances)
            found[department] = held[1]
            if distances is self._distances:
                self._held[department] = held
        self._drop()
        return found

    def _drop(self) -> None:
        """Forget the least used while they are too much."""
        total = sum(one.size for _, one in self._held.values())
        for department in list(self._held):
            if total <= self._most:
                break
            total -= self._held.pop(department)[1].size


async def _read(tx: Transaction, departments: Collection[str], distances: Distances) -> Roster:
    given = {"departments": [*departments]}
    found = (await tx.connection.execute(_HELPERS, given)).mappings().all()
    ids = {"helpers": [row["helper_id"] for row in found]}
    papers = rows.papers_of(await tx.connection.execute(_PAPERS, ids))
    helpers = [rows.helper_of(row, papers.get(row["helper_id"], {})) for row in found]
    return Roster(helpers, distances)
