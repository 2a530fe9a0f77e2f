"""The calendar file of a message: iCalendar (RFC 5545) by mail (RFC 5546, 6047). Pure."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr

from brobyg_contracts.domain import LOCAL_ZONE
from icalendar import Calendar, Event, Timezone, vCalAddress, vText

from brobyg_notification.domain.notice import CalendarMethod

#: Central European time as a rule, so that programs without a time zone table read it alike.
_VTIMEZONE = f"""\
BEGIN:VTIMEZONE
TZID:{LOCAL_ZONE}
BEGIN:DAYLIGHT
DTSTART:19960331T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
"""


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
        "dtstart": _local(entry.starts_at),
        "dtend": _local(entry.ends_at),
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
    calendar.add_component(Timezone.from_ical(_VTIMEZONE))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _person(address: str, parameters: dict[str, str]) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    person.params.update({name: vText(value) for name, value in parameters.items()})
    return person


def _local(moment: datetime) -> datetime:
    """Local time, but UTC in the hour that comes twice in October.

    A TZID can name only its first occurrence (RFC 5545, 3.3.5).
    """
    local = moment.astimezone(LOCAL_ZONE)
    return local if local.fold == 0 else moment
