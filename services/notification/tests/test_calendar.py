"""The calendar file means the same to whoever reads it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from brobyg_notification.domain.calendar import Entry, calendar_file
from brobyg_notification.domain.notice import calendar_uid
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Event

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
AUTUMN = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the second 02:30 of that night


def entry(starts_at: datetime, **changes: object) -> Entry:
    facts: dict[str, object] = {
        "uid": calendar_uid("a", "citizen", "c"),
        "sequence": 0,
        "method": "REQUEST",
        "made_at": datetime(2026, 11, 30, 8, tzinfo=UTC),
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=45),
        "location": "Regionshospitalet Randers",
        "zone": COPENHAGEN,
    }
    return Entry(**{**facts, **changes})  # type: ignore[arg-type]  # a test's shorthand


def file_of(entry: Entry) -> bytes:
    return calendar_file(
        entry,
        summary="Aftale på Regionshospitalet Randers; følgeskab",
        description="Linje et\nlinje to, med komma",
        organizer="Brobyg <brobyg@example.org>",
        attendee="einer@example.org",
    )


def read_back(file: bytes) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(file)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - made UTC below
    st.integers(5, 600),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_time_of_year_the_instants_come_back(naive: datetime, minutes: int) -> None:
    starts_at = naive.replace(second=0, microsecond=0, tzinfo=UTC)
    ends_at = starts_at + timedelta(minutes=minutes)
    _, event = read_back(file_of(entry(starts_at, ends_at=ends_at)))
    assert event.decoded("dtstart").astimezone(UTC) == starts_at
    assert event.decoded("dtend").astimezone(UTC) == ends_at


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - made UTC below
    st.timedeltas(timedelta(days=-360), timedelta(days=360)),
    st.sampled_from(["Europe/Copenhagen", "Atlantic/Faroe", "America/Nuuk", "Atlantic/Reykjavik"]),
)
@settings(max_examples=100, deadline=None)
def test_the_files_own_time_zone_agrees_with_the_tables_for_a_year_around(
    naive: datetime, away: timedelta, name: str
) -> None:
    starts_at = naive.replace(tzinfo=UTC)
    calendar, _ = read_back(file_of(entry(starts_at, zone=ZoneInfo(name))))
    (zone,) = calendar.walk("VTIMEZONE")
    moment = starts_at + away
    assert (
        moment.astimezone(zone.to_tz()).utcoffset() == moment.astimezone(ZoneInfo(name)).utcoffset()
    )


def test_times_are_local_with_a_named_zone() -> None:
    text = file_of(entry(datetime(2026, 12, 1, 9, 15, tzinfo=UTC))).decode()
    assert "DTSTART;TZID=Europe/Copenhagen:20261201T101500" in text
    assert "TZID:Europe/Copenhagen" in text


def test_times_are_those_of_the_departments_zone() -> None:
    text = file_of(
        entry(datetime(2026, 12, 1, 9, 15, tzinfo=UTC), zone=ZoneInfo("Atlantic/Faroe"))
    ).decode()
    assert "DTSTART;TZID=Atlantic/Faroe:20261201T091500" in text


def test_the_hour_that_comes_twice_is_written_in_utc() -> None:
    text = file_of(entry(AUTUMN)).decode()
    assert "DTSTART:20261025T013000Z" in text


def test_a_request_confirms_and_a_cancel_cancels_the_same_entry() -> None:
    starts_at = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
    asked, first = read_back(file_of(entry(starts_at)))
    ended, second = read_back(file_of(entry(starts_at, method="CANCEL", sequence=1)))
    assert (asked["METHOD"], first["STATUS"], first["SEQUENCE"]) == ("REQUEST", "CONFIRMED", 0)
    assert (ended["METHOD"], second["STATUS"], second["SEQUENCE"]) == ("CANCEL", "CANCELLED", 1)
    assert first["UID"] == second["UID"]


def test_it_says_who_sends_it_who_it_is_for_and_when_it_was_made() -> None:
    _, event = read_back(file_of(entry(datetime(2026, 12, 1, 9, 15, tzinfo=UTC))))
    assert event["ORGANIZER"] == "mailto:brobyg@example.org"
    assert event["ATTENDEE"] == "mailto:einer@example.org"
    assert event.decoded("dtstamp") == datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert event["LOCATION"] == "Regionshospitalet Randers"
    assert event["SUMMARY"] == "Aftale på Regionshospitalet Randers; følgeskab"


def test_lines_are_folded_and_end_as_the_standard_wants() -> None:
    lines = file_of(entry(AUTUMN)).split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    assert lines[-1] == b""


def test_each_recipient_has_an_entry_of_their_own() -> None:
    assert calendar_uid("a", "citizen", "x") != calendar_uid("a", "helper", "x")
    assert calendar_uid("a", "citizen", "x") == calendar_uid("a", "citizen", "x")
