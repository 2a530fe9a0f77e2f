"""The calendar file of a message: iCalendar (RFC 5545), scheduled by mail (RFC 5546, 6047). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

from brobyg_contracts.domain import LOCAL_ZONE
from icalendar import (
    Calendar,
    Event,
    Timezone,
    TimezoneDaylight,
    TimezoneStandard,
    vCalAddress,
    vText,
)

from brobyg_notification.domain.notice import CalendarMethod

_PRODUCT = "-//Brobyg//Notification//DA"


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the reader's calendar. Times are zone-aware. `location` is a public place, never somebody's home:
    calendars are shared, and synchronised to places we don't know.
    """

    uid: str
    sequence: int
    method: CalendarMethod
    made_at: datetime
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    location: str
    organizer: str
    attendee: str


def calendar_file(entry: Entry) -> bytes:
    """The entry as a calendar file: one event, its time zone, and the method that says what to do with it."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", entry.method)
    calendar.add_component(_copenhagen())
    calendar.add_component(_event(entry))
    return bytes(calendar.to_ical())


def _event(entry: Entry) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.made_at)
    event.add("dtstart", _local(entry.starts_at))
    event.add("dtend", _local(entry.ends_at))
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event.add("location", entry.location)
    event.add("status", "CANCELLED" if entry.method == "CANCEL" else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if entry.method == "CANCEL" else "OPAQUE")
    event.add("class", "PRIVATE")
    name, address = parseaddr(entry.organizer)
    organizer = _person(address)
    organizer.params["CN"] = vText(name or "Brobyg")
    event.add("organizer", organizer)
    attendee = _person(entry.attendee)
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    # Nobody is asked to answer: the match is made, and a mail client's answer would reach nobody.
    attendee.params["PARTSTAT"] = vText("ACCEPTED")
    attendee.params["RSVP"] = vText("FALSE")
    event.add("attendee", attendee)
    return event


def _person(address: str) -> vCalAddress:
    return vCalAddress(f"mailto:{address}")


def _local(moment: datetime) -> datetime:
    """Local time, but UTC in the hour that comes twice in October: a TZID can name only its first occurrence (RFC 5545, 3.3.5)."""
    local = moment.astimezone(LOCAL_ZONE)
    return local if local.fold == 0 else moment


def _copenhagen() -> Timezone:
    """Central European time as a rule, so that the file means the same in programs without a time zone table."""
    zone = Timezone()
    zone.add("tzid", str(LOCAL_ZONE))
    winter, summer = timedelta(hours=1), timedelta(hours=2)
    # Without a zone, as RFC 5545 (3.6.5) wants the onsets: in the local time that ends there.
    summer_onset = datetime(1996, 3, 31, 2)  # noqa: DTZ001
    winter_onset = datetime(1996, 10, 27, 3)  # noqa: DTZ001
    zone.add_component(_half(TimezoneDaylight(), "CEST", summer_onset, winter, summer, 3))
    zone.add_component(_half(TimezoneStandard(), "CET", winter_onset, summer, winter, 10))
    return zone


def _half(
    half: TimezoneDaylight | TimezoneStandard,
    name: str,
    since: datetime,
    before: timedelta,
    after: timedelta,
    month: int,
) -> TimezoneDaylight | TimezoneStandard:
    half.add("tzname", name)
    half.add("dtstart", since)
    half.add("tzoffsetfrom", before)
    half.add("tzoffsetto", after)
    half.add("rrule", {"freq": "yearly", "bymonth": month, "byday": "-1su"})
    return half
