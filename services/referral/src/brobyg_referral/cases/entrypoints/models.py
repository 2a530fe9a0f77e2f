"""What the JSON API reads and writes.

Unknown fields are refused; messages say what is expected and never repeat what was sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from brobyg_contracts import (
    Gender,
    Meeting,
    MessageLanguage,
    Mobility,
    Needs,
    Pathway,
    ReferrerKind,
)
from brobyg_contracts.places import DEPARTMENTS, POSTCODES
from brobyg_kit.fields import Instant, MailAddress
from brobyg_kit.problems import FieldError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from brobyg_referral.cases.domain.referral import Referral, ReferralStatus
from brobyg_referral.cases.use_cases.referrals import NewReferral
from brobyg_referral.people.domain.contact import Address, Contact
from brobyg_referral.people.domain.cpr import EXPECTED_FORM, is_cpr


def _must(be: Callable[[str], bool], expected: str) -> AfterValidator:
    """Refuse a text that is not what `be` asks, saying what was expected."""

    def check(text: str) -> str:
        if not be(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _sane_time(moment: datetime) -> datetime:
    if not 1900 <= moment.year < 2200:
        raise ValueError("expected a time between 1900 and 2200")
    return moment.astimezone(UTC)


def _consented(value: object) -> object:
    if value is not True:  # by itself pydantic takes 1 for it
        raise ValueError("expected true: nothing is done without the citizen's consent")
    return value


Plain = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    _must(str.isprintable, "plain text on one line"),
]
Cpr = Annotated[str, _must(is_cpr, EXPECTED_FORM)]
Postcode = Annotated[
    str,
    _must(POSTCODES.__contains__, "a postcode of the area that is covered (schemas/places.json)"),
]
Department = Annotated[
    str, _must(DEPARTMENTS.__contains__, f"one of {', '.join(sorted(DEPARTMENTS))}")
]
Time = Annotated[Instant, AfterValidator(_sane_time)]


class Strict(BaseModel):
    """No unknown fields, no silent conversions; errors hold no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AddressIn(Strict):
    """Where the citizen lives."""

    line: Plain
    postcode: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]


class CitizenIn(Strict):
    """Who is referred."""

    cpr: Cpr
    given_name: Plain
    family_name: Plain
    language: MessageLanguage = Field(
        description="The language messages to the citizen are written in."
    )
    email: MailAddress | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = Field(
        None, description="E.164, such as +4512345678."
    )
    address: AddressIn | None = None
    protected: bool = Field(
        False,
        strict=True,
        description="Name and address protection: the address is told to nobody.",
    )

    def contact(self) -> Contact:
        """As it is sealed."""
        address = Address(self.address.line, self.address.postcode) if self.address else None
        return Contact(
            given_name=self.given_name,
            family_name=self.family_name,
            language=self.language,
            email=self.email,
            phone=self.phone,
            address=address,
            is_protected=self.protected,
        )


class NeedsIn(Strict):
    """What the citizen needs of a volunteer and of the way."""

    languages: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]],
        Field(min_length=1, max_length=16),
    ]
    gender_wish: Gender | None = None
    mobility: Mobility
    meeting: Meeting
    postcode: Postcode

    def needs(self) -> Needs:
        """As the events say it. A language named twice counts once."""
        return Needs(
            languages=tuple(dict.fromkeys(self.languages)),
            gender_wish=self.gender_wish,
            mobility=self.mobility,
            meeting=self.meeting,
            postcode=self.postcode,
        )


class ConsentIn(Strict):
    """The citizen's recorded consent: nothing is done without it."""

    given: Annotated[Literal[True], BeforeValidator(_consented)]
    given_at: Time


class ReferralIn(Strict):
    """A referral."""

    citizen: CitizenIn
    pathway: Pathway
    referrer_kind: ReferrerKind
    department: Department
    consent: ConsentIn
    needs: NeedsIn

    def meeting_problem(self) -> FieldError | None:
        """Why a volunteer could not come to the citizen's home.

        Who is met at home has an address, and travel is computed from its postcode.
        """
        if self.needs.meeting != "home" or self.citizen.protected:
            return None
        if self.citizen.address is None:
            return FieldError(
                "/citizen/address", "expected line and postcode, since needs.meeting is home"
            )
        if self.citizen.address.postcode != self.needs.postcode:
            return FieldError(
                "/citizen/address/postcode",
                "expected the same as needs.postcode, since needs.meeting is home",
            )
        return None

    def asked(self, idempotency_key: str | None) -> NewReferral:
        """What is asked for, as the use case takes it."""
        return NewReferral(
            cpr=self.citizen.cpr,
            contact=self.citizen.contact(),
            pathway=self.pathway,
            department=self.department,
            referrer_kind=self.referrer_kind,
            needs=self.needs.needs(),
            consent_given_at=self.consent.given_at,
            idempotency_key=idempotency_key,
            fingerprint=self.model_dump_json().encode(),
        )


class ConsentAgainIn(Strict):
    """Consent given again."""

    given_at: Time


class ConsentOut(BaseModel):
    """The consent as it is."""

    given: bool
    given_at: datetime
    withdrawn_at: datetime | None


class ReferralOut(BaseModel):
    """A referral, without anything that names the citizen."""

    referral_id: str
    citizen_id: str
    pathway: Pathway
    department: str
    status: ReferralStatus
    consent: ConsentOut
    created_at: datetime

    @classmethod
    def of(cls, referral: Referral) -> "ReferralOut":
        """As shown."""
        return cls(
            referral_id=referral.referral_id,
            citizen_id=referral.citizen_id,
            pathway=referral.pathway,
            department=referral.department,
            status=referral.status,
            consent=ConsentOut(
                given=referral.status == "active",
                given_at=referral.consent_given_at,
                withdrawn_at=referral.consent_withdrawn_at,
            ),
            created_at=referral.created_at,
        )


class ContactOut(BaseModel):
    """How to reach a citizen.

    A service is told what messages need; a coordinator, who calls, the full name and the phone too.
    """

    citizen_id: str
    name: str | None
    given_name: str
    email: str | None
    phone: str | None
    language: str
    meeting_point: str | None

    @classmethod
    def of(cls, citizen_id: str, contact: Contact, *, to_service: bool) -> "ContactOut":
        """As told to the one who may ask."""
        return cls(
            citizen_id=citizen_id,
            name=None if to_service else f"{contact.given_name} {contact.family_name}",
            given_name=contact.given_name,
            email=contact.email,
            phone=None if to_service else contact.phone,
            language=contact.language,
            meeting_point=contact.meeting_point,
        )


class CountsOut(BaseModel):
    """What became of the hospital's messages since the beginning, over HTTP and Kafka.

    received = rejected + dropped_without_consent + kept + unchanged.
    """

    received: int
    rejected: int = 0
    dropped_without_consent: int = 0
    kept: int = 0
    unchanged: int = 0
