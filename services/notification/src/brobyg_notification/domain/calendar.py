"""The calendar file of a message: iCalendar (RFC 5545) by mail (RFC 5546, 6047). Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the reader's calendar. Times are zone-aware.

    `location` is a public place, never somebody's home: calendars are shared, and synchronised to
    places we don't know.
    """

    uid: str
    sequence: int
    method: CalendarMethod
    made_at: datetime
    starts_at: datetime
    ends_at: datetime
    location: str
    #: In which its times are written.
    zone: ZoneInfo


def calendar_file(
    entry: Entry, *, summary: str, description: str, organizer: str, attendee: str
) -> bytes:
    """The entry as a calendar file: one event, its time zone, and the method that says what to do.

    `organizer` and `attendee` are mail addresses, the organizer's with a name if it has one.
    """
    cancels = entry.method == "CANCEL"
    name, address = parseaddr(organizer)
    # No answer is requested: the match is made, and nobody reads a mail program's answer.
    accepted = {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}
    event = Event()
    for field, value in {
        "uid": entry.uid,
        "sequence": entry.sequence,
        "dtstamp": entry.made_at,
        "dtstart": _local(entry.starts_at, entry.zone),
        "dtend": _local(entry.ends_at, entry.zone),
        "summary": summary,
        "description": description,
        "location": entry.location,
        "status": "CANCELLED" if cancels else "CONFIRMED",
        "transp": "TRANSPARENT" if cancels else "OPAQUE",
        "class": "PRIVATE",
        "organizer": _person(address, {"CN": name or "Brobyg"}),
        "attendee": _person(attendee, accepted),
    }.items():
        event.add(field, value)
    calendar = Calendar()
    for field, value in {
        "prodid": "-//Brobyg//Notification//DA",
        "version": "2.0",
        "calscale": "GREGORIAN",
        "method": entry.method,
    }.items():
        calendar.add(field, value)
    calendar.add_component(_time_zone(entry))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _person(address: str, parameters: dict[str, str]) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    person.params.update({name: vText(value) for name, value in parameters.items()})
    return person


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Local time, but UTC in the hour that comes twice in October.

    A TZID can name only its first occurrence (RFC 5545, 3.3.5).
    """
    local = moment.astimezone(zone)
    return local if local.fold == 0 else moment


def _time_zone(entry: Entry) -> Timezone:
    """The zone from the year before the entry to the year after it.

    Written out, so that programs without a time zone table read it alike.
    """
    zone = Timezone()
    zone.add("tzid", entry.zone.key)
    day = datetime(entry.starts_at.year - 1, 1, 1, tzinfo=UTC)
    before = None
    while day.year < entry.ends_at.year + 2:
        if _offset(day, entry.zone) != before:
            onset = day if before is None else _onset(day, entry.zone)
            zone.add_component(_observance(onset, entry.zone, before))
            before = _offset(day, entry.zone)
        day += timedelta(days=1)
    return zone


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _onset(day: datetime, zone: ZoneInfo) -> datetime:
    """The hour, within the day before `day`, since which the zone has the offset it has then."""
    onset = day
    while _offset(onset - timedelta(hours=1), zone) == _offset(day, zone):
        onset -= timedelta(hours=1)
    return onset


def _observance(
    onset: datetime, zone: ZoneInfo, before: timedelta | None
) -> TimezoneDaylight | TimezoneStandard:
    local = onset.astimezone(zone)
    offset = _offset(onset, zone)
    former = offset if before is None else before
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    observance.add("dtstart", (onset + former).replace(tzinfo=None))
    observance.add("tzname", local.tzname())
    observance.add("tzoffsetfrom", former)
    observance.add("tzoffsetto", offset)
    return observance
