"""The bodies of requests (strict, bounded) and answers."""

from datetime import date, datetime
from typing import Annotated, Literal

from brobyg_contracts import Gender, Meeting, MessageLanguage, Pool
from brobyg_contracts.pathways import Means
from brobyg_contracts.places import DEPARTMENTS, POSTCODES
from brobyg_kit import fields
from brobyg_kit.fields import MailAddress
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from brobyg_matching.domain.local_time import MINUTES_A_DAY, Window
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.ports import Contact

Language = Annotated[str, Field(pattern="^[a-z]{2}$")]
Word = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
Purpose = Annotated[
    str,
    Field(
        pattern="^[a-z][a-z0-9_.-]{0,63}$", description="What the contact is read for, in a word."
    ),
]
#: A date in text, which a strict body would not take by itself.
Day = Annotated[fields.Day, Field(strict=False)]


class Body(BaseModel):
    """Unknown fields are refused, values are not converted, surrounding space is dropped."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, str_strip_whitespace=True, populate_by_name=True
    )


def _false(value: object) -> object:
    # To Python 0 equals False, and so it does to Literal[False].
    if value is not False:
        raise ValueError("expected false")
    return value


def _known_postcode(text: str) -> str:
    if text not in POSTCODES:
        raise ValueError("expected a Danish postcode of the area Brobyg works in")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected a name on one line")
    return text


def _known_department(text: str) -> str:
    if text not in DEPARTMENTS:
        raise ValueError(f"expected one of: {', '.join(sorted(DEPARTMENTS))}")
    return text


Department = Annotated[str, Field(max_length=40), AfterValidator(_known_department)]


def minute_of(text: str) -> int:
    """Minutes after midnight of HH:MM; 24:00 is the end of the day."""
    return int(text[:2]) * 60 + int(text[3:])


def clock_text(minute: int) -> str:
    """HH:MM of minutes after midnight."""
    return f"{minute // 60:02}:{minute % 60:02}"


class WeeklyWindow(Body):
    """A weekly stretch of free time, Danish clock time; ISO weekday, 1 is Monday."""

    weekday: int = Field(ge=1, le=7)
    since: str = Field(alias="from", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")
    until: str = Field(alias="to", pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "WeeklyWindow":
        if minute_of(self.until) <= minute_of(self.since):
            raise ValueError(
                "'to' must be after 'from'; a window over midnight is two, the first to 24:00"
            )
        return self

    def window(self) -> Window:
        """As the rules count it."""
        return Window(
            self.weekday, minute_of(self.since), min(minute_of(self.until), MINUTES_A_DAY)
        )


class DateException(Body):
    """A date without free time, whatever the week says."""

    date: Day
    available: Annotated[Literal[False], BeforeValidator(_false)] = False


class NewVolunteer(Body):
    """Somebody who wants to help."""

    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_one_line)]
    email: MailAddress
    phone: str | None = Field(None, pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164")
    language: MessageLanguage = Field(description="Of the messages to the volunteer.")
    pool: Pool
    department: Department
    languages: list[Language] = Field(min_length=1, max_length=16)
    gender: Gender
    competences: list[Word] = Field(default_factory=list, max_length=32)
    home_postcode: Annotated[str, Field(pattern="^[0-9]{4}$"), AfterValidator(_known_postcode)]
    range_metres: int = Field(
        ge=0, le=200_000, description="Longest straight line from home to the meeting point."
    )
    travel: Means
    availability: list[WeeklyWindow] = Field(max_length=50)
    exceptions: list[DateException] = Field(default_factory=list, max_length=400)
    weekly_limit: int = Field(ge=0, le=50, description="Escorts in one ISO week at the most.")

    def volunteer(self, volunteer_id: str) -> Volunteer:
        """As the rules see them: applied."""
        return Volunteer(
            volunteer_id=volunteer_id,
            status="applied",
            pool=self.pool,
            department=self.department,
            languages=frozenset(self.languages),
            gender=self.gender,
            competences=frozenset(self.competences),
            home_postcode=self.home_postcode,
            range_metres=self.range_metres,
            travel=self.travel,
            availability=tuple(sorted(window.window() for window in self.availability)),
            away=frozenset(exception.date for exception in self.exceptions),
            weekly_limit=self.weekly_limit,
        )

    def contact(self) -> Contact:
        """How they are reached."""
        return Contact(name=self.name, email=self.email, phone=self.phone, language=self.language)


class Activation(Body):
    """What is needed before somebody is asked for the first time."""

    confidentiality_signed_on: Day
    record_checked_on: Day
    introduced_on: Day


class Block(Body):
    """A citizen and a volunteer who are not brought together again."""

    citizen_id: str = Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    asked_by: Literal["volunteer", "citizen"]


class AnswerBody(Body):
    """The answer to an offer."""

    answer: Literal["accept", "decline"]


class VolunteerOut(BaseModel):
    """A volunteer without contact."""

    volunteer_id: str
    status: str
    pool: str
    department: str
    languages: list[str]
    gender: str
    competences: list[str]
    home_postcode: str
    range_metres: int
    travel: str
    availability: list[dict[str, int | str]]
    exceptions: list[dict[str, str | bool]]
    weekly_limit: int
    confidentiality_signed_on: date | None
    record_checked_on: date | None
    introduced_on: date | None


def volunteer_out(v: Volunteer) -> VolunteerOut:
    """The volunteer as the API shows one."""
    return VolunteerOut(
        volunteer_id=v.volunteer_id,
        status=v.status,
        pool=v.pool,
        department=v.department,
        languages=sorted(v.languages),
        gender=v.gender,
        competences=sorted(v.competences),
        home_postcode=v.home_postcode,
        range_metres=v.range_metres,
        travel=v.travel,
        availability=[
            {"weekday": w.weekday, "from": clock_text(w.since), "to": clock_text(w.until)}
            for w in v.availability
        ],
        exceptions=[{"date": day.isoformat(), "available": False} for day in sorted(v.away)],
        weekly_limit=v.weekly_limit,
        confidentiality_signed_on=v.confidentiality_signed_on,
        record_checked_on=v.record_checked_on,
        introduced_on=v.introduced_on,
    )


class OfferFacts(BaseModel):
    """What everybody sees of an offer who may see it. No citizen in it."""

    state: Literal["open", "accepted", "declined", "expired", "withdrawn"]
    starts_at: datetime
    ends_at: datetime
    location_name: str
    meeting: Meeting
    meet_at: datetime
    home_at: datetime
    distance_metres: int
    expires_at: datetime


class OfferOut(OfferFacts):
    """An offer as its volunteer sees it."""

    offer_id: str
    appointment_id: str
    volunteer_id: str
    reason: str | None


class AnswerOut(OfferFacts):
    """An offer as its link shows it."""

    language: str


class StateOut(BaseModel):
    """What an answer led to."""

    state: Literal["accepted", "declined"]


class LinkOut(BaseModel):
    """The token of an offer's link."""

    token: str
    expires_at: datetime
    state: Literal["open", "accepted", "declined", "expired", "withdrawn"]
