"""The bodies of requests (strict, bounded) and answers."""

from datetime import date, datetime
from typing import Annotated, Literal

from brobyg_contracts import Gender, Meeting
from brobyg_contracts.pathways import Means
from brobyg_kit import fields
from brobyg_kit.fields import Language, MailAddress
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from brobyg_matching.domain.helper import Helper, Paper
from brobyg_matching.domain.local_time import MINUTES_A_DAY, Window
from brobyg_matching.ports import Contact

Word = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
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


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected a name on one line")
    return text


Department = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,39}$")]
HelperId = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


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


class NewHelper(Body):
    """Somebody who wants to help, or is employed to."""

    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_one_line)]
    email: MailAddress
    phone: str | None = Field(None, pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164")
    language: Language = Field(description="Of the messages to the helper.")
    pool: Word
    more_pools: list[Word] = Field(default_factory=list, max_length=7)
    department: Department
    more_departments: list[Department] = Field(default_factory=list, max_length=15)
    languages: list[Language] = Field(min_length=1, max_length=16)
    gender: Gender
    competences: list[Word] = Field(default_factory=list, max_length=32)
    home_postcode: Annotated[str, Field(pattern="^[0-9]{4}$")]
    range_metres: int = Field(
        ge=0, le=200_000, description="Longest straight line from home to the meeting point."
    )
    travel: Means
    availability: list[WeeklyWindow] = Field(max_length=50)
    exceptions: list[DateException] = Field(default_factory=list, max_length=400)
    weekly_limit: int = Field(ge=0, le=50, description="Times in one ISO week at the most.")
    caseload_limit: int | None = Field(
        None, ge=0, le=500, description="Cases at a time at the most; the pool's limit without it."
    )

    def helper(self, helper_id: str) -> Helper:
        """As the rules see them: applied."""
        return Helper(
            helper_id=helper_id,
            status="applied",
            pools=tuple(dict.fromkeys((self.pool, *self.more_pools))),
            departments=tuple(dict.fromkeys((self.department, *self.more_departments))),
            languages=frozenset(self.languages),
            gender=self.gender,
            competences=frozenset(self.competences),
            home_postcode=self.home_postcode,
            range_metres=self.range_metres,
            travel=self.travel,
            availability=tuple(sorted(window.window() for window in self.availability)),
            away=frozenset(exception.date for exception in self.exceptions),
            weekly_limit=self.weekly_limit,
            caseload_limit=self.caseload_limit,
        )

    def contact(self) -> Contact:
        """How they are reached."""
        return Contact(name=self.name, email=self.email, phone=self.phone, language=self.language)


class PaperBody(Body):
    """Something signed, checked or learned, beside the three that have fields of their own."""

    kind: Word
    since: Day
    valid_until: Day | None = None


class Papers(Body):
    """What a helper's pool asks for before somebody is asked for the first time."""

    confidentiality_signed_on: Day | None = None
    record_checked_on: Day | None = None
    introduced_on: Day | None = None
    papers: list[PaperBody] = Field(default_factory=list, max_length=16)

    def by_kind(self) -> dict[str, Paper]:
        """By kind, as the reference data names them."""
        named = {
            "confidentiality": self.confidentiality_signed_on,
            "record_check": self.record_checked_on,
            "introduction": self.introduced_on,
        }
        known = {kind: Paper(since) for kind, since in named.items() if since is not None}
        return known | {one.kind: Paper(one.since, one.valid_until) for one in self.papers}


class Block(Body):
    """A citizen and a helper who are not brought together again."""

    citizen_id: HelperId
    asked_by: Literal["helper", "volunteer", "citizen"]


class AssignBody(Body):
    """To whom a seat is given."""

    helper_id: HelperId


class ClaimBody(Body):
    """For whom a seat is taken: a coordinator says so; a helper takes it for themselves."""

    helper_id: HelperId | None = None


class AnswerBody(Body):
    """The answer to an offer; `withdraw` takes an acceptance back."""

    answer: Literal["accept", "decline", "withdraw"]


class PaperOut(BaseModel):
    """Something signed, checked or learned."""

    kind: str
    since: date
    valid_until: date | None


class HelperOut(BaseModel):
    """A helper without contact."""

    helper_id: str
    status: str
    pools: list[str]
    departments: list[str]
    languages: list[str]
    gender: str | None
    competences: list[str]
    home_postcode: str
    range_metres: int
    travel: str
    availability: list[dict[str, int | str]]
    exceptions: list[dict[str, str | bool]]
    weekly_limit: int
    caseload_limit: int | None
    papers: list[PaperOut]


def helper_out(one: Helper) -> HelperOut:
    """The helper as the API shows one."""
    return HelperOut(
        helper_id=one.helper_id,
        status=one.status,
        pools=list(one.pools),
        departments=list(one.departments),
        languages=sorted(one.languages),
        gender=one.gender,
        competences=sorted(one.competences),
        home_postcode=one.home_postcode,
        range_metres=one.range_metres,
        travel=one.travel,
        availability=[
            {"weekday": w.weekday, "from": clock_text(w.since), "to": clock_text(w.until)}
            for w in one.availability
        ],
        exceptions=[{"date": day.isoformat(), "available": False} for day in sorted(one.away)],
        weekly_limit=one.weekly_limit,
        caseload_limit=one.caseload_limit,
        papers=[
            PaperOut(kind=kind, since=paper.since, valid_until=paper.valid_until)
            for kind, paper in sorted(one.papers.items())
        ],
    )


class OfferFacts(BaseModel):
    """What everybody sees of an offer who may see it. No citizen in it.

    Of one that is neither open nor accepted only state, reason, pathway and its end are told.
    """

    state: Literal["open", "accepted", "declined", "expired", "withdrawn"]
    reason: str | None
    pathway: str
    role: str
    starts_at: datetime | None
    ends_at: datetime | None
    location_name: str | None
    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None
    distance_metres: int | None


class OfferOut(OfferFacts):
    """An offer as its helper sees it."""

    offer_id: str
    need_id: str
    seat: int
    helper_id: str
    expires_at: datetime


class AnswerOut(OfferFacts):
    """An offer or a match as its link shows it; `language` is the one the helper reads.

    A match is `accepted`, or `withdrawn` when it is gone.
    """

    language: str | None
    #: Null for a match.
    expires_at: datetime | None
    #: Where the citizen wishes to meet; null for a need of no citizen.
    meeting: Meeting | None
    #: Whether the acceptance can be taken back here and now.
    withdrawable: bool


class StateOut(BaseModel):
    """What an answer led to."""

    state: Literal["accepted", "declined", "withdrawn"]


class LinkOut(BaseModel):
    """The token of an offer's link. The last three are null when the offer is over."""

    token: str
    expires_at: datetime
    state: Literal["open", "accepted", "declined", "expired", "withdrawn"]
    #: Where the citizen wishes to meet; null for a need of no citizen.
    meeting: Meeting | None
    #: From the helper's home to where the two meet; null for a need without a place.
    distance_metres: int | None
    #: When the two meet; null for a need without a span.
    meet_at: datetime | None


class MatchLinkOut(BaseModel):
    """The token of the link by which a match's helper signs off, and when they meet.

    No event holds the times: they tell where helper and citizen meet. Null for a need without a
    span, and when the match no longer stands.
    """

    token: str
    state: Literal["agreed", "released"]
    leave_at: datetime | None
    meet_at: datetime | None
    home_at: datetime | None
