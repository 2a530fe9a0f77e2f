"""The declared policy of each kind of help.

The facts, each with its meaning and unit, are schemas/pathways/<name>.toml. An installation adds
its own with files in folders of its own (`BROBYG_PATHWAYS`).
"""

import os
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, ValidationError, convert

from brobyg_contracts.errors import InvalidPathway, UnknownPathway
from brobyg_contracts.events import Competence, Mobility, Pathway, PoolId, ResourceKind, Role

Minutes = Annotated[int, Meta(ge=0)]
Metres = Annotated[int, Meta(ge=0)]
Points = Annotated[int, Meta(ge=0)]
#: How a helper travels.
Means = Literal["walk", "bicycle", "car", "public_transport"]
#: How helpers are asked: a few at a time and the first has it; the nearest below the limit is given
#: it; one after the other; nobody is asked, helpers take it.
Way = Literal["waves", "assign", "in_turn", "claim"]
#: What becomes of a need that nobody can take: a human finds somebody, or it waits for capacity.
GivingUpWay = Literal["escalate", "wait"]


class _Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a policy file."""


class NeedPolicy(_Policy, frozen=True, kw_only=True):
    """What a need of this pathway is."""

    about: Literal["appointment", "referral", "call", "session"]
    #: Whether it is a citizen's: then it waits for the record, and ends with consent.
    of_citizen: bool
    #: Whether it takes place from a start to an end. Without, a caseload place is taken.
    has_span: bool


class SeatPolicy(_Policy, frozen=True, kw_only=True):
    """The seats of one role."""

    role: Role
    pools: Annotated[tuple[PoolId, ...], Meta(min_length=1)]
    least: Annotated[int, Meta(ge=0)]
    wanted: Annotated[int, Meta(ge=1, le=16)]
    competences: tuple[Competence, ...] = ()


class ResourcePolicy(_Policy, frozen=True, kw_only=True):
    """Something at the need's place that is held with it, before helpers are asked."""

    kind: ResourceKind


class Asking(_Policy, frozen=True, kw_only=True):
    """How helpers are asked."""

    way: Way
    #: Whether a helper may take a free seat without having been asked.
    claimable: bool = False
    wave_size: Annotated[int, Meta(ge=1)] = 1
    offer_lifetime_minutes: Annotated[int, Meta(ge=1)]
    shortest_wave_minutes: Annotated[int, Meta(ge=1)] = 1
    latest_offer_minutes: Minutes = 0
    short_notice_minutes: Minutes = 0
    #: Asks only while this calendar of the reference data is open, as `calendar/weekdays`.
    calendar: str | None = None


class GivingUp(_Policy, frozen=True, kw_only=True):
    """What happens when nobody can."""

    way: GivingUpWay
    before_minutes: Minutes = 0


class Weights(_Policy, frozen=True, kw_only=True):
    """How much each soft rule counts, in points. More points are asked earlier."""

    fair_share_days: Annotated[int, Meta(ge=1)]
    known: Points = 0
    near: Points = 0
    near_at_short_notice: Points = 0
    fair: Points = 0


class Sharing(_Policy, frozen=True, kw_only=True):
    """Which two needs of one citizen are one way and get one helper."""

    gap_minutes: Minutes
    distance_metres: Metres


class Pace(_Policy, frozen=True, kw_only=True):
    """How fast a way goes, and the minutes it takes whatever its length."""

    metres_per_minute: Annotated[float, Meta(gt=0)]
    margin_minutes: Minutes


class TravelPolicy(_Policy, frozen=True, kw_only=True):
    """How long ways are assumed to take, from the straight line between two places."""

    arrive_before_minutes: Minutes
    wait_after_minutes: Minutes
    detour_factor: Annotated[float, Meta(ge=1)]
    shortest_metres: Metres
    alone: dict[Means, Pace]
    together: dict[Mobility, Pace]


class PathwayPolicy(_Policy, frozen=True, kw_only=True):
    """All that is declared about one kind of help."""

    name: Pathway
    #: Counted up by each change; it stands with every decision.
    version: Annotated[int, Meta(ge=1)]
    need: NeedPolicy
    seats: Annotated[tuple[SeatPolicy, ...], Meta(min_length=1, max_length=8)]
    asking: Asking
    giving_up: GivingUp
    weights: Weights
    mobility_competences: dict[Mobility, tuple[Competence, ...]] = {}
    resource: ResourcePolicy | None = None
    sharing: Sharing | None = None
    #: Without it the helper's time is the span itself.
    travel: TravelPolicy | None = None

    def __post_init__(self) -> None:
        """Check what one table says against another. Raises ValueError."""
        roles = [seat.role for seat in self.seats]
        if len(set(roles)) < len(roles):
            raise ValueError("`seats` names a role twice; say how many by `wanted`")
        if any(seat.least > seat.wanted for seat in self.seats):
            raise ValueError("`seats`: `least` is more than `wanted`")
        if self.travel and not self.need.has_span:
            raise ValueError("`travel` needs a span: set `need.has_span`")
        if self.resource and not self.need.has_span:
            raise ValueError("`resource` is held for a span: set `need.has_span`")
        if self.giving_up.way == "wait" and self.need.has_span:
            raise ValueError("`giving_up.way` can be `wait` only without a span")


def load_pathway(name: str) -> PathwayPolicy:
    """The policy of the pathway `name`. Raises UnknownPathway, or InvalidPathway for its file."""
    policy = pathways().get(name)
    if policy is None:
        raise UnknownPathway(f"there is no pathway {name!r}; known are {', '.join(pathways())}")
    return policy


def pathways() -> dict[str, PathwayPolicy]:
    """All policies by name: those of the package, and of the folders in BROBYG_PATHWAYS.

    Read once for each value of that setting (folders separated as in PATH). Raises InvalidPathway.
    """
    return _pathways(os.environ.get("BROBYG_PATHWAYS", ""))


@lru_cache
def _pathways(folders: str) -> dict[str, PathwayPolicy]:
    places: Sequence[Traversable] = [
        files(__package__).joinpath("data"),
        *(Path(folder) for folder in folders.split(os.pathsep) if folder),
    ]
    found: dict[str, PathwayPolicy] = {}
    for place in places:
        if not place.is_dir():
            raise InvalidPathway(f"BROBYG_PATHWAYS: {place} is no folder")
        for file in sorted(place.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".toml"):
                policy = _read(file)
                if policy.name in found:
                    raise InvalidPathway(f"{file.name}: there is another pathway {policy.name!r}")
                found[policy.name] = policy
    return found


def _read(file: Traversable) -> PathwayPolicy:
    try:
        policy = convert(tomllib.loads(file.read_text("utf-8")), PathwayPolicy)
    except (tomllib.TOMLDecodeError, ValidationError, ValueError) as error:
        raise InvalidPathway(f"{file.name}: {error}") from error
    if f"{policy.name}.toml" != file.name:
        raise InvalidPathway(f"{file.name}: `name` is {policy.name!r}, which is another file's")
    return policy
