"""The view of the reference data, and the project's own data."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from brobyg_contracts import CalendarRecorded as Recorded
from brobyg_contracts import (
    DepartmentRecorded,
    OpeningSpan,
    PlaceRecorded,
    PostcodeRecorded,
)
from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.reference import Calendar, Reference, distance_metres
from hypothesis import given
from hypothesis import strategies as st
from reference_data import records, reference

from schemas.tools.holidays import holidays

OURS = reference()
LOCATED = st.sampled_from([*OURS.postcodes.values(), *OURS.places.values()])
ZONE = ZoneInfo("Europe/Copenhagen")


@pytest.mark.parametrize(
    ("a", "b", "kilometres"),
    [
        ("8900", "8500", 52),
        ("8000", "8900", 35),
        ("8900", "9500", 25),
        ("randers-hospital", "grenaa-health-house", 50),
        ("9990", "3700", 398),
    ],
)
def test_distances_are_those_of_the_map(a: str, b: str, kilometres: int) -> None:
    metres = distance_metres(OURS.located(a), OURS.located(b))
    assert metres == pytest.approx(kilometres * 1000, rel=0.05)


@given(LOCATED, LOCATED, LOCATED)
def test_distance_is_the_same_both_ways_zero_at_home_and_never_longer_than_a_detour(
    a: PlaceRecorded, b: PlaceRecorded, c: PlaceRecorded
) -> None:
    assert distance_metres(a, b) == distance_metres(b, a)
    assert distance_metres(a, a) == 0
    detour = distance_metres(a, b) + distance_metres(b, c)
    assert distance_metres(a, c) <= detour + 1  # whole metres


@pytest.mark.parametrize(
    "ask",
    ["place", "postcode", "department", "organisation", "pool", "calendar", "located"],
)
def test_an_unknown_id_is_refused_without_repeating_it(ask: str) -> None:
    with pytest.raises(UnknownReference) as refused:
        getattr(OURS, ask)("xyz-4711")
    assert "4711" not in str(refused.value)


def test_the_order_of_the_records_does_not_matter() -> None:
    shuffled = records()
    random.Random(4711).shuffle(shuffled)
    again = Reference(shuffled)
    assert again.places == OURS.places
    assert again.departments == OURS.departments
    assert again.departments_near("8800") == OURS.departments_near("8800")


def test_a_former_department_is_the_one_that_has_taken_it_over() -> None:
    for former in ("randers", "norddjurs"):
        assert OURS.department(former) is OURS.department("randers-norddjurs")


def test_a_place_is_found_by_what_others_call_it_and_one_in_use_comes_first() -> None:
    sor = "urn:oid:1.2.208.176.1.1"
    place = next(one for one in records() if one.record == "place/randers-hospital")
    assert isinstance(place, PlaceRecorded)
    named = msgspec.structs.replace(place, aliases=(f"{sor}|4711",))
    old = msgspec.structs.replace(named, record="place/old-house", withdrawn=True)
    for order in ([named, old], [old, named]):
        found = Reference(order).place_by_alias(sor, "4711")
        assert found is not None
        assert found.id == "randers-hospital"
    assert Reference([old]).place_by_alias(sor, "4711") is not None
    assert Reference([named]).place_by_alias(sor, "0") is None


def test_the_departments_near_a_border_are_told_by_distance() -> None:
    [template] = [one for one in records() if isinstance(one, DepartmentRecorded)]

    def department(name: str, *codes: str, withdrawn: bool = False) -> DepartmentRecorded:
        return msgspec.structs.replace(
            template,
            record=f"department/{name}",
            municipalities=codes,
            former=(),
            withdrawn=withdrawn,
        )

    view = Reference(
        [
            *(one for one in records() if isinstance(one, PostcodeRecorded)),
            department("viborg", "0791"),
            department("randers", "0730"),
            department("both", "0730", "0791"),
            department("gone", "0791", withdrawn=True),
        ]
    )
    near = [(one.id, metres) for one, metres in view.departments_near("8850")]  # in Viborg
    assert [name for name, _ in near] == ["both", "viborg", "randers"]
    assert [metres for _, metres in near[:2]] == [0, 0]
    assert 5_000 < near[2][1] < 20_000
    assert [one.id for one in view.departments_of("0791")] == ["both", "viborg"]
    assert view.departments_of("9999") == ()


def calendar(*closed: str) -> Calendar:
    record = Recorded(
        record="calendar/c",
        version=1,
        withdrawn=False,
        label="c",
        zone="Europe/Copenhagen",
        openings=(OpeningSpan(weekdays=(1, 2, 3, 4, 5), opens="07:30", closes="15:00"),),
        closed_on=closed,
    )
    return Reference([record]).calendar("c")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-30T07:29", "2026-11-30T07:30"),
        ("2026-11-30T07:30", "2026-11-30T07:30"),
        ("2026-11-30T14:59", "2026-11-30T14:59"),
        ("2026-11-30T15:00", "2026-12-01T07:30"),
        ("2026-12-04T15:00", "2026-12-07T07:30"),  # over the weekend
        ("2026-12-23T15:00", "2026-12-28T07:30"),  # over Christmas
        ("2026-10-23T16:00", "2026-10-26T07:30"),  # summer time ends on the 25th
    ],
)
def test_a_calendar_says_when_it_opens_next(at: str, opens: str) -> None:
    weekdays = OURS.calendar("calendar/weekdays")
    moment = local(at).astimezone(UTC)
    assert weekdays.next_open(moment) == local(opens)
    assert weekdays.is_open(moment) == (at == opens)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2040, 11, 1)))  # noqa: DTZ001 - it is local
def test_a_calendar_is_open_when_it_says_it_opens_and_not_before(at: datetime) -> None:
    weekdays, moment = OURS.calendar("weekdays"), at.replace(tzinfo=UTC)
    opens = weekdays.next_open(moment)
    assert opens is not None
    assert opens >= moment
    assert weekdays.is_open(opens)
    if opens > moment:
        assert not weekdays.is_open(moment)
        assert not weekdays.is_open(opens - timedelta(minutes=1))


def test_a_calendar_that_never_opens_says_so() -> None:
    first = date(2027, 1, 1)
    days = [(first + timedelta(days=n)).isoformat() for n in range(420)]
    assert calendar(*days).next_open(datetime(2027, 1, 1, tzinfo=UTC)) is None


def test_our_calendars_are_closed_on_every_public_holiday_until_2040() -> None:
    expected = {day for year in range(2026, 2041) for day in holidays(year)}
    assert OURS.calendar("weekdays").closed_on == expected


def test_the_holidays_of_2026_are_those_of_the_almanac() -> None:
    assert [day.isoformat()[5:] for day in holidays(2026)] == [
        "01-01", "04-02", "04-03", "04-05", "04-06", "05-14", "05-24", "05-25",
        "12-24", "12-25", "12-26",
    ]  # fmt: skip


def test_our_postcodes_are_all_of_denmark_and_lie_in_it() -> None:
    postcodes = OURS.postcodes
    assert len(postcodes) == 1089
    assert len({one.municipality_code for one in postcodes.values()}) == 98
    for one in postcodes.values():
        assert 54.5 < one.latitude < 57.8, one
        assert 8.0 < one.longitude < 15.3, one


def test_a_place_of_ours_is_near_the_centre_of_its_postcode_and_in_its_municipality() -> None:
    for place in OURS.places.values():
        postcode = OURS.postcode(place.postcode)
        assert distance_metres(place, postcode) < 5_000
        assert place.municipality_code == postcode.municipality_code


def test_a_department_that_was_taken_over_in_steps_is_the_last_of_them() -> None:
    [template] = [one for one in records() if isinstance(one, DepartmentRecorded)]

    def department(name: str, *former: str, withdrawn: bool = False) -> DepartmentRecorded:
        key = f"department/{name}"
        return msgspec.structs.replace(template, record=key, former=former, withdrawn=withdrawn)

    view = Reference(
        [
            department("first", withdrawn=True),
            department("second", "first", "never-recorded", withdrawn=True),
            department("third", "second"),
            department("closed", withdrawn=True),
            department("round", "about", withdrawn=True),
            department("about", "round", withdrawn=True),
        ]
    )
    for name in ("first", "never-recorded", "second", "third"):
        assert view.present_department(name) == "third"
        assert view.department(name).id == "third"
        assert view.department_ids(name) == ("third", "first", "never-recorded", "second")
    # Nobody has taken these over, or nobody knows who.
    for name in ("closed", "unknown", "round", "about"):
        assert view.present_department(name) == name
        assert view.department_ids(name) == (name,)
