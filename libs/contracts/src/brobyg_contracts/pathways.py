"""The declared policy of each kind of help.

The facts, each with its meaning and unit, are schemas/pathways/<name>.toml.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from msgspec import Meta, Struct, ValidationError, convert

from brobyg_contracts.errors import InvalidPathway, UnknownPathway
from brobyg_contracts.events import Mobility, Pathway, Pool

Minutes = Annotated[int, Meta(ge=0)]
Points = Annotated[int, Meta(ge=0)]
#: How a volunteer travels.
Means = Literal["walk", "bicycle", "car", "public_transport"]


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much each soft rule counts, in points. More points are asked earlier."""

    known: Points
    near: Points
    near_at_short_notice: Points
    fair: Points


class MatchingPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked, when, and how many at a time."""

    pools: Annotated[tuple[Pool, ...], Meta(min_length=1)]
    wave_size: Annotated[int, Meta(ge=1)]
    offer_lifetime_minutes: Annotated[int, Meta(ge=1)]
    shortest_wave_minutes: Annotated[int, Meta(ge=1)]
    escalate_before_minutes: Minutes
    latest_offer_minutes: Minutes
    short_notice_minutes: Minutes
    arrive_before_minutes: Minutes
    wait_after_minutes: Minutes
    fair_share_days: Annotated[int, Meta(ge=1)]
    weights: Weights


class Pace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast a way goes, and the minutes it takes whatever its length."""

    metres_per_minute: Annotated[float, Meta(gt=0)]
    margin_minutes: Minutes


class WayPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long ways are assumed to take, from the straight line between two places."""

    detour_factor: Annotated[float, Meta(ge=1)]
    shortest_metres: Annotated[int, Meta(ge=0)]
    alone: dict[Means, Pace]
    together: dict[Mobility, Pace]


class PathwayPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is declared about one kind of help."""

    name: Pathway
    matching: MatchingPolicy
    way: WayPolicy


@lru_cache
def load_pathway(name: str) -> PathwayPolicy:
    """The policy of the pathway `name`. Raises UnknownPathway, or InvalidPathway for its file."""
    file = files(__package__).joinpath("data", f"{name}.toml")
    if not name.isidentifier() or not file.is_file():
        raise UnknownPathway(f"schemas/pathways has no {name!r}")
    try:
        return convert(tomllib.loads(file.read_text("utf-8")), PathwayPolicy)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InvalidPathway(f"schemas/pathways/{name}.toml: {error}") from error
