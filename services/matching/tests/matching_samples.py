"""Reference data, helpers, citizens and needs for the tests.

Ids are derived from words, so that a failure reads well.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from brobyg_contracts import (
    CalendarRecorded,
    CitizenRecorded,
    ConsentGiven,
    ConsentWithdrawn,
    DepartmentRecorded,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    OpeningSpan,
    PlaceRecorded,
    PoolRecorded,
    PostcodeRecorded,
    ReferenceResource,
    SeatWanted,
)
from brobyg_contracts.reference import Reference
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.ids import derived_id
from brobyg_matching.domain.board import Board, Known
from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.diary import Booking
from brobyg_matching.domain.helper import Helper, Paper
from brobyg_matching.domain.local_time import Window
from brobyg_matching.domain.need import Citizen, Facts, Need
from brobyg_matching.domain.policy import policy_of
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.travel import Distances
from msgspec import UNSET
from sqlalchemy import text

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # a Monday, 09:00 in Denmark
LATE = NOW + timedelta(days=3, hours=2)
ALL_WEEK = tuple(Window(day, 0, 1440) for day in range(1, 8))
DEPARTMENT = "randers-norddjurs"
#: Who does what is done by hand.
BY = Actor("coordinator-7", "coordinator")
#: What every pool of these tests asks for.
PAPERS = ("confidentiality", "record_check", "introduction")
#: What a session of the toys is, what a case is, and whoever may be its host.
SESSION: dict[str, Any] = {
    "pathway": "toy_session", "about_kind": "session", "citizen_id": None, "referral_id": None,
    "location_id": "toy-house",
}  # fmt: skip
CASE: dict[str, Any] = {
    "pathway": "toy_caseload", "about_kind": "referral", "location_id": None, "starts_at": None,
    "ends_at": None,
}  # fmt: skip
HOST: dict[str, Any] = {
    "pools": ("toy_host",), "competences": frozenset({"first_aid"}), "papers": {},
}  # fmt: skip


def an_id(word: str) -> str:
    """The id that this word stands for."""
    return derived_id("test", word)


def _place(name: str, latitude: float, longitude: float, *rooms: str) -> PlaceRecorded:
    return PlaceRecorded(
        record=f"place/{name}",
        version=1,
        withdrawn=False,
        label=name.replace("-", " ").capitalize(),
        postcode="8930",
        latitude=latitude,
        longitude=longitude,
        municipality_code="0730",
        aliases=(),
        resources=tuple(
            ReferenceResource(resource_id=room, kind="video_room", label=room) for room in rooms
        ),
    )


def _postcode(code: str, latitude: float, longitude: float) -> PostcodeRecorded:
    return PostcodeRecorded(
        record=f"postcode/{code}", version=1, withdrawn=False, label=code, latitude=latitude,
        longitude=longitude, municipality_code="0730",
    )  # fmt: skip


def _pool(name: str, *, employed: bool = False, capacity: str = "span", limit: int | None = None,
          requires: tuple[str, ...] = PAPERS) -> PoolRecorded:  # fmt: skip
    return PoolRecorded(
        record=f"pool/{name}", version=1, withdrawn=False, label=name, organisation="tests",
        employed=employed, capacity=capacity, limit=UNSET if limit is None else limit,
        requires=requires,
    )  # fmt: skip


POOLS = ("student", "retired_professional", "navigator", "toy_guide", "toy_host")
RECORDS: tuple[Any, ...] = (
    _place("randers-hospital", 56.4617, 10.0553),
    _place("randers-clinic", 56.4650, 10.0500),
    _place("grenaa-clinic", 56.4120, 10.8780),
    _place("toy-house", 56.4600, 10.0400, "toy-room"),
    _place("toy-palace", 56.4610, 10.0410, "red-room", "blue-room"),
    _postcode("8900", 56.4607, 10.0364),
    _postcode("8920", 56.4740, 10.0060),
    _postcode("8930", 56.4850, 10.0700),
    _postcode("8500", 56.4120, 10.8780),
    _pool("student"),
    _pool("retired_professional"),
    _pool("navigator", employed=True, capacity="caseload", limit=2, requires=()),
    _pool("toy_guide"),
    _pool("toy_host", employed=True, requires=()),
    *(
        DepartmentRecorded(
            record=f"department/{name}", version=1, withdrawn=False, label=name,
            municipalities=codes, pools=POOLS, pathways=("escort",), senders=(),
            languages=("da",), quiet_from="21:00", quiet_to="07:00", former=former,
            zone="Europe/Copenhagen",
        )
        for name, codes, former in (
            (DEPARTMENT, ("0730",), ("randers", "norddjurs")),
            ("aarhus", ("0751",), ()),
        )
    ),
    CalendarRecorded(
        record="calendar/weekdays", version=1, withdrawn=False, label="weekdays",
        zone="Europe/Copenhagen", closed_on=("2026-12-01",),
        openings=(OpeningSpan(weekdays=(1, 2, 3, 4, 5), opens="07:30", closes="15:00"),),
    ),
)  # fmt: skip
REFERENCE = Reference(RECORDS)
DISTANCES = Distances(REFERENCE)


def a_helper(word: str, **changes: object) -> Helper:
    """An active student in Randers who can always, drives a car and speaks Danish."""
    helper = Helper(
        helper_id=an_id(word),
        status="active",
        pools=("student",),
        departments=(DEPARTMENT,),
        languages=frozenset({"da"}),
        gender="female",
        competences=frozenset(),
        home_postcode="8900",
        range_metres=40_000,
        travel="car",
        availability=ALL_WEEK,
        away=frozenset(),
        weekly_limit=5,
        papers={kind: Paper(date(2026, 9, 1)) for kind in PAPERS},
    )
    return msgspec.structs.replace(helper, **changes)


def a_citizen(word: str = "citizen", **changes: object) -> Citizen:
    """Somebody in Randers who speaks Danish and is met at home."""
    citizen = Citizen(
        citizen_id=an_id(word),
        languages=("da",),
        gender_wish=None,
        mobility="independent",
        meeting="home",
        postcode="8920",
    )
    return msgspec.structs.replace(citizen, **changes)


def facts(word: str = "need", **changes: object) -> Facts:
    """A citizen's appointment at the hospital in Randers in three days."""
    pathway = str(changes.get("pathway", "escort"))
    start = changes.get("starts_at", LATE)
    end = start + timedelta(minutes=30) if isinstance(start, datetime) else None
    one = Facts(
        need_id=an_id(word),
        about_kind="appointment",
        about_id=an_id(word),
        pathway=pathway,
        department=DEPARTMENT,
        mode="in_person",
        priority=5,
        competences=(),
        crew=policy_of(pathway).crew(),
        referral_id=an_id("referral"),
        citizen_id=an_id("citizen"),
        location_id="randers-hospital",
        starts_at=LATE,
        ends_at=end,
        answer_by=None,
        not_before=None,
    )
    return msgspec.structs.replace(one, **changes)


def a_board(
    *helpers: Helper,
    now: datetime = NOW,
    needs: Iterable[Need] = (),
    bookings: Iterable[Booking] = (),
    consented: bool = True,
    citizens: Iterable[Citizen] | None = None,
    **known: Any,
) -> Board:
    """A board with these helpers, a citizen whose record is there, and consent."""
    there = [a_citizen()] if citizens is None else [*citizens]
    departments = {one for helper in helpers for one in helper.departments} | {DEPARTMENT}
    rosters = {
        name: Roster([one for one in helpers if name in one.departments], DISTANCES)
        for name in departments
    }
    return Board(
        now,
        DISTANCES,
        {one.need_id: one for one in needs},
        Known(
            citizens={one.citizen_id: one for one in there},
            consents={an_id("referral"): consented},
            rosters=rosters,
            bookings=tuple(bookings),
            **known,
        ),
    )


def _whole(one: Facts) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in one.__struct_fields__}
    crew: tuple[SeatWanted, ...] = values.pop("crew")
    policy = policy_of(one.pathway)
    values = {name: UNSET if value is None else value for name, value in values.items()}
    return {
        **values,
        "policy_version": policy.version,
        "seats": UNSET if crew == policy.crew() else crew,
    }


def need_opened(one: Facts | None = None) -> NeedOpened:
    """The event that opens the need."""
    return NeedOpened(**_whole(one or facts()))


def need_changed(one: Facts) -> NeedChanged:
    """The event that says how the need is now."""
    return NeedChanged(**_whole(one))


def need_closed(word: str = "need", reason: str = "appointment_cancelled") -> NeedClosed:
    """The event that ends the need."""
    return NeedClosed(
        need_id=an_id(word),
        about_kind="appointment",
        about_id=an_id(word),
        reason=reason,
        referral_id=an_id("referral"),
        citizen_id=an_id("citizen"),
    )


def citizen_recorded(word: str = "citizen", **changes: object) -> CitizenRecorded:
    """The citizen's record."""
    return CitizenRecorded(**msgspec.structs.asdict(a_citizen(word, **changes)))


def consent_given(referral: str = "referral", citizen: str = "citizen") -> ConsentGiven:
    """The citizen's yes."""
    return ConsentGiven(referral_id=an_id(referral), citizen_id=an_id(citizen))


def consent_withdrawn(referral: str = "referral", citizen: str = "citizen") -> ConsentWithdrawn:
    """The citizen's no."""
    return ConsentWithdrawn(referral_id=an_id(referral), citizen_id=an_id(citizen))


def of_another_citizen(number: int, **changes: Any) -> list[Event]:
    """A need at one time, `need <number>`, of a citizen of its own, with record and consent."""
    need = facts(f"need {number}", **_ids(number), **changes)
    return [*another_citizen(number), event(need_opened(need))]


def another_citizen(number: int) -> list[Event]:
    """Record and consent of `citizen <number>`."""
    citizen = f"citizen {number}"
    return [
        event(citizen_recorded(citizen)),
        event(consent_given(f"referral {number}", citizen)),
    ]


def case_of(number: int, **changes: Any) -> Event:
    """`case <number>` of that citizen."""
    return event(need_opened(facts(f"case {number}", **CASE, **_ids(number), **changes)))


def _ids(number: int) -> dict[str, str]:
    return {
        "citizen_id": an_id(f"citizen {number}"),
        "referral_id": an_id(f"referral {number}"),
    }


def event(data: Any, number: int = 0) -> Event:
    """The event as it comes out of Kafka."""
    subject: str = getattr(data, data.SUBJECT)
    return Event(
        id=derived_id(
            "event", subject, data.EVENT_TYPE, str(number), bytes(encode_data(data)).hex()
        ),
        source="referral",
        type=data.EVENT_TYPE,
        subject=subject,
        time=NOW,
        dataschema=data.DATASCHEMA,
        correlationid=subject,
        sequence=number + 1,
        data=encode_data(data),
    )


def said(board: Board, *kinds: type[EventData]) -> list[Any]:
    """The events of these types that have come about, in order; of all types without any."""
    return [one.data for one in board.emissions if not kinds or type(one.data) in kinds]


def names(board: Board) -> list[str]:
    """What has come about, by type."""
    return [one.data.EVENT_TYPE.removeprefix("dk.brobyg.") for one in board.emissions]


async def query(database: Database, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement, in a transaction of its own."""
    async with database.connect() as connection:
        result = await connection.execute(text(statement), parameters)
        return [tuple(row) for row in result] if result.returns_rows else []


async def single(database: Database, statement: str, **parameters: object) -> Any:
    """The first value of the only row."""
    [row] = await query(database, statement, **parameters)
    return row[0]


def values(mapping: Mapping[str, Any]) -> list[Any]:
    """The values, in the order of their keys."""
    return [mapping[key] for key in sorted(mapping)]
