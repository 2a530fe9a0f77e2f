"""The form of an entry in a file and in a request: its record's properties, under their names.

Files give every value as text (`"0730"` and `0730` are the same), so numbers are read from text.
"""

from datetime import date
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from brobyg_kit.fields import Language
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from brobyg_referral.reference.domain.entries import KINDS, NEW, ReferenceRecord


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected the name of a time zone, such as Europe/Copenhagen") from None
    return name


def _ordered(days: list[date]) -> list[date]:
    return sorted(set(days))


Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Label = Annotated[str, Field(min_length=1, max_length=80)]
FourDigits = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Alias = Annotated[
    str,
    Field(
        pattern=r"^[^|\s]+\|\S+$",
        max_length=160,
        description="`system|value`, such as a SOR id or a sender's own code.",
    ),
]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Zone = Annotated[
    str, Field(pattern=r"^[A-Za-z]+(/[A-Za-z_]+)+$", max_length=40), AfterValidator(_zone)
]
#: On no more days is a calendar closed.
MOST_DAYS = 400
Days = Annotated[list[date], Field(max_length=MOST_DAYS), AfterValidator(_ordered)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ResourceBody(_Part):
    """Something at a place that one need at a time can have."""

    resource_id: Slug
    kind: Word
    label: Label


class OpeningBody(_Part):
    """Open from and to on these days of the week (Monday is 1)."""

    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)]
    opens: TimeOfDay
    closes: TimeOfDay


class EntryBody(_Part):
    """What all kinds have."""

    #: The kind, as it stands in a record's key.
    KIND: ClassVar[str]

    id: str
    label: Label
    #: No longer used for anything new. It stays known, as the history names it.
    withdrawn: bool = False

    def record(self) -> ReferenceRecord:
        """As a record that was not stored yet."""
        values = self.model_dump(mode="json", exclude={"id"}, exclude_none=True)
        key = {"record": f"{self.KIND}/{self.id}", "version": NEW}
        made: ReferenceRecord = msgspec.convert({**values, **key}, KINDS[self.KIND])
        return made


class PlaceBody(EntryBody):
    """A place."""

    KIND = "place"

    id: Slug
    postcode: FourDigits
    latitude: Latitude
    longitude: Longitude
    municipality_code: FourDigits
    aliases: Annotated[list[Alias], Field(max_length=32)] = []
    resources: Annotated[list[ResourceBody], Field(max_length=64)] = []
    calendar_record: (
        Annotated[str, Field(pattern=r"^calendar/[a-z][a-z0-9-]*$", max_length=49)] | None
    ) = None


class DepartmentBody(EntryBody):
    """A department."""

    KIND = "department"

    id: Slug
    municipalities: Annotated[list[FourDigits], Field(min_length=1, max_length=98)]
    pools: Annotated[list[Word], Field(min_length=1, max_length=16)]
    pathways: Annotated[list[Word], Field(min_length=1, max_length=16)]
    senders: Annotated[list[Slug], Field(max_length=32)] = []
    languages: Annotated[list[Language], Field(min_length=1, max_length=8)]
    quiet_from: TimeOfDay
    quiet_to: TimeOfDay
    zone: Zone
    former: Annotated[list[Slug], Field(max_length=16)] = []


class OrganisationBody(EntryBody):
    """An organisation."""

    KIND = "organisation"

    id: Slug
    aliases: Annotated[list[Alias], Field(max_length=32)] = []


class PoolBody(EntryBody):
    """A pool."""

    KIND = "pool"

    id: Word
    organisation: Slug
    employed: bool
    capacity: Literal["span", "caseload", "call"]
    limit: Annotated[int, Field(ge=1)] | None = None
    requires: Annotated[list[Word], Field(max_length=16)] = []


class PostcodeBody(EntryBody):
    """A postcode."""

    KIND = "postcode"

    id: FourDigits
    latitude: Latitude
    longitude: Longitude
    municipality_code: FourDigits


class CalendarBody(EntryBody):
    """A calendar."""

    KIND = "calendar"

    id: Slug
    zone: Zone
    openings: Annotated[list[OpeningBody], Field(min_length=1, max_length=21)]
    closed_on: Days = []


class CalendarFileBody(CalendarBody):
    """A calendar in a file, where it may be closed when another one is."""

    #: The id of a calendar of the same file whose days of closing hold here too.
    closed_as: Annotated[Slug | None, Field(exclude=True)] = None


#: Kind to the form of its entries.
BODIES: dict[str, type[EntryBody]] = {
    one.KIND: one
    for one in (PlaceBody, DepartmentBody, OrganisationBody, PoolBody, PostcodeBody, CalendarBody)
}
