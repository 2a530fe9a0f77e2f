"""What the JSON API reads and writes.

Unknown fields are refused; messages say what is expected and never repeat what was sent.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from brobyg_contracts.consent import catalogue
from brobyg_contracts.events import Gender, Meeting, Mobility, SeatWanted
from brobyg_kit.fields import Language, MailAddress
from brobyg_kit.problems import FieldError
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from brobyg_referral.cases.domain.appointment import Announced, AppointmentStatus, PlannedVisit
from brobyg_referral.cases.domain.consent import TakenConsent
from brobyg_referral.cases.domain.referral import Referral, ReferralStatus
from brobyg_referral.cases.domain.session import Session
from brobyg_referral.cases.entrypoints.consent_models import (
    ConsentIn,
    FurtherConsentIn,
    Strict,
    Time,
)
from brobyg_referral.cases.ports import StoredAppointment
from brobyg_referral.cases.use_cases.appointments import AppointmentUpdate, NewAppointment
from brobyg_referral.cases.use_cases.referrals import NewReferral, ToldContact
from brobyg_referral.cases.use_cases.repeats import Keyed
from brobyg_referral.cases.use_cases.sessions import NewSession, SessionPlan
from brobyg_referral.people.domain.contact import Address, Contact
from brobyg_referral.people.domain.cpr import EXPECTED_FORM, born, is_cpr
from brobyg_referral.people.domain.record import CitizenRecord


def _must(be: Callable[[str], bool], expected: str) -> AfterValidator:
    """Refuse a text that is not what `be` asks, saying what was expected."""

    def check(text: str) -> str:
        if not be(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


Plain = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    _must(str.isprintable, "plain text on one line"),
]
Cpr = Annotated[str, _must(is_cpr, EXPECTED_FORM)]
Postcode = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
PlaceId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
DepartmentId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]


class AddressIn(Strict):
    """Where the citizen lives."""

    line: Plain
    postcode: Postcode


class CitizenIn(Strict):
    """Who is referred."""

    cpr: Cpr
    given_name: Plain
    family_name: Plain
    language: Language = Field(
        description="The language messages to the citizen are written in: one of the department's."
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
    has_guardian: Annotated[bool, Field(strict=True)] | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="True: somebody else has the right to decide for the citizen, apart from"
        " their age. False or left out: the sender knows of none, and what was said before stands."
        " It is changed by PUT /citizens/{citizen_id}/guardian alone: true is refused where the"
        " guardian was recorded as no longer there.",
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
            born=born(self.cpr),
            has_guardian=self.has_guardian or None,
        )


class NeedsIn(Strict):
    """What the citizen needs of a helper and of the way."""

    languages: Annotated[
        list[Language],
        Field(min_length=1, max_length=16),
    ]
    gender_wish: Gender | None = None
    mobility: Mobility
    meeting: Meeting
    postcode: Postcode

    def record(self) -> CitizenRecord:
        """As it is kept. A language named twice counts once."""
        return CitizenRecord(
            languages=tuple(dict.fromkeys(self.languages)),
            gender_wish=self.gender_wish,
            mobility=self.mobility,
            meeting=self.meeting,
            postcode=self.postcode,
        )


class ReferralIn(Strict):
    """A referral."""

    citizen: CitizenIn
    pathway: Name
    referrer_kind: Literal["gp", "hospital", "municipality", "citizen"]
    department: DepartmentId | None = Field(
        None,
        description="Left out: the department that covers the municipality of needs.postcode and"
        " runs the pathway, else the nearest that runs it.",
    )
    consent: ConsentIn
    needs: NeedsIn
    consents: list[FurtherConsentIn] | None = Field(
        None,
        max_length=8,
        exclude_if=lambda value: value is None,
        description="To what else the citizen has agreed, such as messages. Left out where"
        " `consent` names no text either: to messages, which that one consent covers.",
    )

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
            record=self.needs.record(),
            consent=self.consent.taken(catalogue().allowing("help").id),
            further=self._further(),
            keyed=_keyed(self, idempotency_key),
        )

    def _further(self) -> list[TakenConsent]:
        """To what the citizen agrees beside the help."""
        if self.consents is None:
            if self.consent.text_id is not None:
                return []
            return [replace(self.consent.taken(catalogue().allowing("messages").id), implied=True)]
        return [one.taken(f"/consents/{number}") for number, one in enumerate(self.consents)]


class AppointmentPlanIn(Strict):
    """When and where an appointment is that somebody enters."""

    location_id: PlaceId = Field(description="A place of the reference data.")
    starts_at: Time
    ends_at: Time

    def visit(self) -> PlannedVisit:
        """As the use case takes it."""
        return PlannedVisit(self.starts_at, self.ends_at, self.location_id)


class AppointmentIn(AppointmentPlanIn):
    """An appointment that somebody enters."""

    referral_id: UUID

    def asked(self, idempotency_key: str | None) -> NewAppointment:
        """What is asked for, as the use case takes it."""
        return NewAppointment(str(self.referral_id), self.visit(), _keyed(self, idempotency_key))


def appointment_update(
    appointment_id: UUID, body: AppointmentPlanIn | None, idempotency_key: str | None
) -> AppointmentUpdate:
    """What is asked for, as the use case takes it; without a body that it is called off."""
    about = str(appointment_id)
    asked = f"{about} {body.model_dump_json()}" if body else f"{about} called off"
    keyed = Keyed(idempotency_key, f"appointment {asked}".encode())
    return AppointmentUpdate(about, body.visit() if body else None, keyed)


class SeatIn(Strict):
    """How many helpers of one role are wanted."""

    role: Name
    least: Annotated[int, Field(ge=0, le=16, strict=True)]
    wanted: Annotated[int, Field(ge=1, le=16, strict=True)]


class SessionPlanIn(Strict):
    """When and where a session is, and who is wanted for it."""

    location_id: PlaceId = Field(description="A place of the reference data.")
    starts_at: Time
    ends_at: Time
    seats: list[SeatIn] = Field(
        [], max_length=8, description="By role, where they differ from the pathway's policy."
    )

    def plan(self) -> SessionPlan:
        """As the use case takes it."""
        seats = tuple(
            SeatWanted(role=one.role, least=one.least, wanted=one.wanted) for one in self.seats
        )
        return SessionPlan(self.location_id, self.starts_at, self.ends_at, seats)


class SessionIn(SessionPlanIn):
    """A session."""

    pathway: Name
    department: DepartmentId

    def asked(self, idempotency_key: str | None) -> NewSession:
        """What is asked for, as the use case takes it."""
        keyed = _keyed(self, idempotency_key)
        return NewSession(self.pathway, self.department, self.plan(), keyed)


class ConsentOut(BaseModel):
    """The consent as it is."""

    given: bool
    given_at: datetime
    withdrawn_at: datetime | None


class ReferralOut(BaseModel):
    """A referral, without anything that names the citizen."""

    referral_id: str
    citizen_id: str
    pathway: str
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


class AppointmentOut(BaseModel):
    """An appointment that somebody has entered, as it is now."""

    appointment_id: str
    referral_id: str
    status: AppointmentStatus
    location_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None

    @classmethod
    def of(cls, stored: StoredAppointment) -> "AppointmentOut":
        """As shown."""
        state, content = stored.state, stored.state.content
        is_booked = state.announced is Announced.BOOKED
        plan = state.announced_plan if is_booked and state.announced_plan else content.plan
        return cls(
            appointment_id=stored.appointment_id,
            referral_id=stored.referral.referral_id,
            status=AppointmentStatus.BOOKED if is_booked else content.status,
            location_id=plan.location_id,
            starts_at=plan.starts_at,
            ends_at=plan.ends_at,
        )


class SessionOut(BaseModel):
    """A session as it is now."""

    session_id: str
    pathway: str
    department: str
    location_id: str
    starts_at: datetime
    ends_at: datetime
    seats: list[SeatIn]
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        """As shown."""
        return cls(
            session_id=session.session_id,
            pathway=session.pathway,
            department=session.department,
            location_id=session.location_id,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            seats=[
                SeatIn(role=one.role, least=one.least, wanted=one.wanted) for one in session.seats
            ],
            withdrawn_at=session.withdrawn_at,
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
    meeting: Meeting
    meeting_point: str | None

    @classmethod
    def of(cls, citizen_id: str, told: ToldContact, *, to_service: bool) -> "ContactOut":
        """As told to the one who may ask."""
        contact = told.contact
        return cls(
            citizen_id=citizen_id,
            name=None if to_service else f"{contact.given_name} {contact.family_name}",
            given_name=contact.given_name,
            email=contact.email,
            phone=None if to_service else contact.phone,
            language=contact.language,
            meeting=told.meeting,
            meeting_point=told.meeting_point,
        )


def _keyed(body: Strict, idempotency_key: str | None) -> Keyed:
    asked = f"{type(body).__name__} {body.model_dump_json()}"
    return Keyed(idempotency_key, asked.encode())
