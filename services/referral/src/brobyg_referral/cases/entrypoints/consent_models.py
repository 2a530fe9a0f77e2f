"""What the API reads and writes of consent."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from brobyg_contracts.consent import Form
from brobyg_kit.fields import Instant
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from brobyg_referral.cases.domain.consent import Consent, TakenConsent


def _sane_time(moment: datetime) -> datetime:
    if not 1900 <= moment.year < 2200:
        raise ValueError("expected a time between 1900 and 2200")
    return moment.astimezone(UTC)


def _consented(value: object) -> object:
    if value is not True:  # by itself pydantic takes 1 for it
        raise ValueError("expected true: nothing is done without the citizen's consent")
    return value


Time = Annotated[Instant, AfterValidator(_sane_time)]
ScopeId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
TextId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
TextVersion = Annotated[int, Field(ge=1, le=10_000, strict=True)]
ByGuardian = Annotated[
    bool,
    Field(
        strict=True,
        description="Whether somebody with the right to decide for the citizen gave it.",
    ),
]


class Strict(BaseModel):
    """No unknown fields, no silent conversions; errors hold no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Recorded(Strict):
    """What may be left out where consent to the help is told.

    None of it stands in a request's fingerprint when it is: repeats of requests from before it was
    known are still recognised.
    """

    text_id: TextId | None = Field(None, exclude_if=lambda value: value is None)
    text_version: TextVersion | None = Field(None, exclude_if=lambda value: value is None)
    how: Form | None = Field(None, exclude_if=lambda value: value is None)
    by_guardian: ByGuardian = Field(False, exclude_if=lambda value: not value)


class ConsentIn(_Recorded):
    """The citizen's recorded consent: nothing is done without it."""

    given: Annotated[Literal[True], BeforeValidator(_consented)]
    given_at: Time

    def taken(self, scope: str) -> TakenConsent:
        """As the use case takes it."""
        return _taken(self, scope, self.given_at, pointer="/consent")


class ConsentAgainIn(_Recorded):
    """Consent to the help, given again."""

    given_at: Time

    def taken(self, scope: str) -> TakenConsent:
        """As the use case takes it."""
        return _taken(self, scope, self.given_at, pointer="")


class ScopedConsentIn(Strict):
    """Consent to one scope, in a text of `schemas/consent`."""

    given_at: Time
    text_id: TextId
    text_version: TextVersion
    how: Form
    by_guardian: ByGuardian = False

    def of_scope(self, scope: str) -> TakenConsent:
        """As the use case takes it."""
        return TakenConsent(
            scope=scope,
            given_at=self.given_at,
            by_guardian=self.by_guardian,
            text_id=self.text_id,
            text_version=self.text_version,
            how=self.how,
        )


class FurtherConsentIn(ScopedConsentIn):
    """Consent to something beside the help, told with the referral."""

    scope: ScopeId

    def taken(self, pointer: str) -> TakenConsent:
        """As the use case takes it."""
        return replace(self.of_scope(self.scope), pointer=pointer, scope_pointer=f"{pointer}/scope")


class RecordedConsentOut(BaseModel):
    """Consent as it was recorded, and what became of it."""

    scope: str
    stands: bool
    given_at: datetime
    text_id: str | None = Field(description="Null where it was not recorded.")
    text_version: int | None
    how: str | None
    by_guardian: bool
    taken_by: str | None = Field(description="A pseudonym.")
    taken_role: str | None
    replaced_at: datetime | None = Field(description="When another text was agreed to.")
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_role: str | None

    @classmethod
    def of(cls, consent: Consent) -> "RecordedConsentOut":
        """As shown."""
        return cls(
            stands=consent.stands,
            **{name: getattr(consent, name) for name in cls.model_fields if name != "stands"},
        )


def _taken(body: _Recorded, scope: str, given_at: datetime, pointer: str) -> TakenConsent:
    return TakenConsent(
        scope=scope,
        given_at=given_at,
        by_guardian=body.by_guardian,
        text_id=body.text_id,
        text_version=body.text_version,
        how=body.how,
        pointer=pointer,
    )
