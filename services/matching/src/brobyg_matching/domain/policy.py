"""A pathway's declared policy (schemas/pathways), ready to use."""

from brobyg_contracts import SeatWanted
from brobyg_contracts.pathways import PathwayPolicy, SeatPolicy, load_pathway, pathways


class Policy:
    """One pathway's policy. Its file alone says how the pathway is served."""

    def __init__(self, declared: PathwayPolicy) -> None:
        """Take the policy as it stands."""
        self.declared = declared
        self.name, self.version = declared.name, declared.version
        self.need, self.asking, self.giving_up = declared.need, declared.asking, declared.giving_up
        self.weights, self.sharing = declared.weights, declared.sharing
        self.resource, self.travel = declared.resource, declared.travel
        self.mobility_competences = declared.mobility_competences
        self._seats = {seat.role: seat for seat in declared.seats}

    def seat(self, role: str) -> SeatPolicy | None:
        """What is declared of the seats of this role; None for a role that it does not have."""
        return self._seats.get(role)

    def pools(self) -> frozenset[str]:
        """The pools of all its seats."""
        return frozenset(pool for seat in self.declared.seats for pool in seat.pools)

    def crew(self) -> tuple[SeatWanted, ...]:
        """The seats of a need that says nothing else."""
        return tuple(
            SeatWanted(role=seat.role, least=seat.least, wanted=seat.wanted)
            for seat in self.declared.seats
        )


def awaited_pools() -> frozenset[str]:
    """The pools for whose helpers a need may wait."""
    waiting = [one for one in pathways().values() if one.giving_up.way == "wait"]
    return frozenset(pool for one in waiting for seat in one.seats for pool in seat.pools)


_policies: dict[str, Policy] = {}


def policy_of(pathway: str) -> Policy:
    """The policy of a pathway. Raises UnknownPathway."""
    declared = load_pathway(pathway)
    known = _policies.get(pathway)
    if known is None or known.declared is not declared:
        known = _policies[pathway] = Policy(declared)
    return known
