"""The entries of the reference data, each kind as its record in the topic says it."""

from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from brobyg_contracts.events import (
    CalendarRecorded,
    DepartmentRecorded,
    OrganisationRecorded,
    PlaceRecorded,
    PoolRecorded,
    PostcodeRecorded,
    ReferenceResource,
)

#: How far ahead a calendar is searched for its next opening.
_SEARCHED_DAYS = 400


class _Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all kinds have."""

    id: str
    #: What people call it.
    label: str
    withdrawn: bool


class Place(_Entry, frozen=True, kw_only=True, gc=False):
    """Where appointments, consultations and sessions are (WGS 84, degrees)."""

    postcode: str
    latitude: float
    longitude: float
    municipality_code: str
    #: `system|value`.
    aliases: tuple[str, ...]
    resources: tuple[ReferenceResource, ...]
    #: The calendar of its opening hours; None when none is known.
    calendar_id: str | None


class Postcode(_Entry, frozen=True, kw_only=True, gc=False):
    """A Danish postcode: its centre (WGS 84, degrees) and the municipality most of it is in."""

    latitude: float
    longitude: float
    municipality_code: str


class Department(_Entry, frozen=True, kw_only=True, gc=False):
    """A local branch: what it covers, whom it asks, and how it writes."""

    #: Codes of the municipalities it covers.
    municipalities: frozenset[str]
    #: Ids of the pools whose helpers it may ask.
    pools: frozenset[str]
    pathways: frozenset[str]
    #: Ids of the organisations whose appointments it takes.
    senders: frozenset[str]
    #: Languages it writes in (ISO 639-1), the first by default.
    languages: tuple[str, ...]
    #: No message is sent from `quiet_from` until `quiet_to`, local time of `zone`.
    quiet_from: time
    quiet_to: time
    zone: ZoneInfo
    #: Ids of the departments that it has taken over.
    former: tuple[str, ...]


class Organisation(_Entry, frozen=True, kw_only=True, gc=False):
    """Who refers, sends appointments, or lends helpers."""

    #: `system|value`.
    aliases: tuple[str, ...]


class Pool(_Entry, frozen=True, kw_only=True, gc=False):
    """Where helpers come from, what they need, and how their capacity counts."""

    #: Id of the organisation its helpers belong to.
    organisation: str
    #: Whether a match of theirs is `staff.matched`.
    employed: bool
    #: `span`, `caseload` or `call`.
    capacity: str
    #: The most cases at a time, unless a helper has a limit of their own; None without one.
    limit: int | None
    #: Papers a helper must have before being asked.
    requires: tuple[str, ...]


class Opening(msgspec.Struct, frozen=True, gc=False):
    """Open on this day of the week (Monday is 1), local time."""

    weekday: int
    opens: time
    closes: time


class Calendar(_Entry, frozen=True, kw_only=True, gc=False):
    """When something is open."""

    zone: ZoneInfo
    #: By weekday and time.
    openings: tuple[Opening, ...]
    #: Days on which it is closed, such as public holidays.
    closed_on: frozenset[date]

    def is_open(self, at: datetime) -> bool:
        """Whether it is open at this instant; at the moment it closes it is not."""
        local = at.astimezone(self.zone)
        return any(
            opening.opens <= local.time() < opening.closes
            for opening in self._openings_on(local.date())
        )

    def next_open(self, at: datetime) -> datetime | None:
        """`at` when it is open then, else when it opens next, in the calendar's zone.

        None when it does not open within 400 days.
        """
        if self.is_open(at):
            return at
        local = at.astimezone(self.zone)
        for days in range(_SEARCHED_DAYS):
            day = local.date() + timedelta(days=days)
            for opening in self._openings_on(day):
                opens = datetime.combine(day, opening.opens, self.zone)
                if opens > at:
                    return opens
        return None

    def _openings_on(self, day: date) -> list[Opening]:
        if day in self.closed_on:
            return []
        return [one for one in self.openings if one.weekday == day.isoweekday()]


Entry: TypeAlias = Place | Postcode | Department | Organisation | Pool | Calendar


def id_of(key: str) -> str:
    """The entry's own id in a record's key."""
    return key.partition("/")[2]


def entry_of(record: object) -> Entry | None:
    """The entry that the record is about; None for any other event."""
    match record:
        case PlaceRecorded():
            calendar = record.calendar_record
            return Place(
                id=id_of(record.record),
                label=record.label,
                withdrawn=record.withdrawn,
                postcode=record.postcode,
                latitude=record.latitude,
                longitude=record.longitude,
                municipality_code=record.municipality_code,
                aliases=record.aliases,
                resources=record.resources,
                calendar_id=id_of(calendar) if isinstance(calendar, str) else None,
            )
        case PostcodeRecorded():
            return Postcode(
                id=id_of(record.record),
                label=record.label,
                withdrawn=record.withdrawn,
                latitude=record.latitude,
                longitude=record.longitude,
                municipality_code=record.municipality_code,
            )
        case DepartmentRecorded():
            return Department(
                id=id_of(record.record),
                label=record.label,
                withdrawn=record.withdrawn,
                municipalities=frozenset(record.municipalities),
                pools=frozenset(record.pools),
                pathways=frozenset(record.pathways),
                senders=frozenset(record.senders),
                languages=record.languages,
                quiet_from=time.fromisoformat(record.quiet_from),
                quiet_to=time.fromisoformat(record.quiet_to),
                zone=ZoneInfo(record.zone),
                former=record.former,
            )
        case OrganisationRecorded():
            return Organisation(
                id=id_of(record.record),
                label=record.label,
                withdrawn=record.withdrawn,
                aliases=record.aliases,
            )
        case PoolRecorded():
            return Pool(
                id=id_of(record.record),
                label=record.label,
                withdrawn=record.withdrawn,
                organisation=record.organisation,
                employed=record.employed,
                capacity=record.capacity,
                limit=record.limit if isinstance(record.limit, int) else None,
                requires=record.requires,
            )
        case CalendarRecorded():
            return _calendar(record)
    return None


def _calendar(record: CalendarRecorded) -> Calendar:
    openings = [
        Opening(weekday, time.fromisoformat(span.opens), time.fromisoformat(span.closes))
        for span in record.openings
        for weekday in span.weekdays
    ]
    return Calendar(
        id=id_of(record.record),
        label=record.label,
        withdrawn=record.withdrawn,
        zone=ZoneInfo(record.zone),
        openings=tuple(sorted(openings, key=lambda one: (one.weekday, one.opens))),
        closed_on=frozenset(map(date.fromisoformat, record.closed_on)),
    )
