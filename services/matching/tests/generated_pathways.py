"""Pathways, helpers and reference data that Hypothesis puts together for the state machines."""

from typing import Any

from brobyg_contracts import DepartmentRecorded, PlaceRecorded, ReferenceResource
from brobyg_contracts.pathways import (
    Asking,
    GivingUp,
    NeedPolicy,
    PathwayPolicy,
    ResourcePolicy,
    SeatPolicy,
    Sharing,
    Weights,
    load_pathway,
)
from brobyg_contracts.reference import Reference
from brobyg_matching.domain.policy import Policy
from brobyg_matching.domain.travel import Distances
from hypothesis import strategies as st
from matching_samples import DEPARTMENT, RECORDS, a_helper
from msgspec.structs import replace

#: The generated pathways.
PATHWAYS = ("first", "second")
#: `nobody` is a pool that the department may ask and that no helper is in.
POOLS = ("student", "navigator", "toy_guide", "toy_host", "nobody")
ROOM = "video_room"
TRAVEL = load_pathway("escort").travel
HELPERS = (
    a_helper("student", weekly_limit=2),
    a_helper("both", pools=("student", "toy_guide"), weekly_limit=3),
    a_helper("navigator", pools=("navigator", "student"), caseload_limit=1),
    a_helper("guide", pools=("toy_guide", "navigator"), departments=("aarhus", DEPARTMENT)),
    a_helper("host", pools=("toy_host",), languages=frozenset({"da", "ar"})),
    a_helper("neighbour", pools=("navigator", "student", "toy_guide", "toy_host"),
             departments=("aarhus",), languages=frozenset({"da", "so"}), caseload_limit=1),
)  # fmt: skip


def _records() -> list[Any]:
    """Two departments that run the generated pathways, the second 25 km from the citizens."""
    border = next(one for one in RECORDS if one.record == "postcode/8930")
    border = replace(border, record="postcode/8963", municipality_code="0751", longitude=10.45)
    return [
        replace(one, pathways=PATHWAYS) if isinstance(one, DepartmentRecorded) else one
        for one in (*RECORDS, border)
    ]


def _changed(record: str, **changes: Any) -> Distances:
    """The reference data with one record that is otherwise."""
    records = [replace(one, **changes) if one.record == record else one for one in _records()]
    return Distances(Reference(records))


def _rooms(*names: str) -> tuple[ReferenceResource, ...]:
    return tuple(ReferenceResource(resource_id=one, kind=ROOM, label=one) for one in names)


def _one_more_place() -> Distances:
    palace = next(one for one in RECORDS if one.record == "place/toy-palace")
    assert isinstance(palace, PlaceRecorded)
    new = replace(palace, record="place/new-house", resources=_rooms("new-room"))
    return Distances(Reference([*_records(), new]))


#: What the reference data may be from one moment to the next.
REFERENCES = (
    Distances(Reference(_records())),
    _changed("place/toy-house", resources=()),
    _changed("place/toy-house", resources=_rooms("toy-room", "second-room")),
    _changed("pool/navigator", limit=4),
    _changed("pool/navigator", requires=("confidentiality", "driving")),
    _changed("pool/student", limit=3),
    _changed("department/randers-norddjurs", pools=("student", "toy_guide")),
    _changed("calendar/weekdays", openings=()),
    _one_more_place(),
)
_MINUTES = st.sampled_from([0, 60, 720, 2880])


@st.composite
def seat_policies(draw: st.DrawFn, role: str, alone: bool) -> SeatPolicy:
    """The seats of a role: one or two, the least crew anything up to that."""
    wanted = 1 if alone else draw(st.integers(1, 2))
    pools = draw(st.lists(st.sampled_from(POOLS), min_size=1, max_size=3, unique=True))
    least = draw(st.integers(0, wanted))
    return SeatPolicy(role=role, pools=tuple(pools), least=least, wanted=wanted)


@st.composite
def policies(draw: st.DrawFn, name: str, *, waits: bool = False) -> Policy:
    """A pathway's policy: any that a file may declare, as far as matching reads it.

    `waits`: one with a waiting list for citizens.
    """
    has_span, of_citizen = not waits and draw(st.booleans()), waits or draw(st.booleans())
    shares = has_span and of_citizen and draw(st.booleans())
    ways = ["escalate"] if has_span else ["wait"] if waits else ["escalate", "wait", "wait"]
    roles = ("guide",) if shares else draw(st.sampled_from([("guide",), ("guide", "host")]))
    declared = PathwayPolicy(
        name=name,
        version=draw(st.integers(1, 9)),
        need=NeedPolicy(
            about="session" if has_span else "referral", of_citizen=of_citizen, has_span=has_span
        ),
        seats=tuple(draw(seat_policies(role, shares)) for role in roles),
        asking=Asking(
            way=draw(st.sampled_from(["waves", "assign", "in_turn", "claim"])),
            claimable=draw(st.booleans()),
            wave_size=draw(st.integers(1, 3)),
            offer_lifetime_minutes=draw(st.sampled_from([60, 1440])),
            shortest_wave_minutes=draw(st.sampled_from([1, 60])),
            latest_offer_minutes=draw(st.sampled_from([0, 120])),
            calendar=draw(st.sampled_from([None, None, "calendar/weekdays"])),
        ),
        giving_up=GivingUp(way=draw(st.sampled_from(ways)), before_minutes=draw(_MINUTES)),
        weights=Weights(fair_share_days=14, near=100, fair=100),
        resource=ResourcePolicy(kind=ROOM)
        if has_span and not shares and draw(st.booleans())
        else None,
        sharing=Sharing(gap_minutes=120, distance_metres=1000) if shares else None,
        travel=TRAVEL if has_span and draw(st.booleans()) else None,
    )
    return Policy(declared)
