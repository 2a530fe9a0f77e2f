"""What the referral service raises.

ReferralError
├── MessageRefused         a message of the hospital is refused; its issues say why
│   ├── Malformed          it is not a request or resource that is read here
│   ├── TooLarge           its body or its number of entries is over a limit
│   ├── RuleBroken         it breaks FHIR R4, or what this service asks beyond it
│   ├── NoSuchAppointment  it changes an appointment that is not there
│   ├── AppointmentExists  it creates an appointment that is there, and says something else
│   ├── IdentifierConflict its identifiers belong to different appointments
│   └── VersionConflict    it names another version than the current one
├── NoSuchReferral         there is none, or the caller may not see it
├── NoSuchCitizen          there is none, or the caller may not see it
├── CitizenErased          the citizen's data was erased
├── CitizenActive          the citizen has an active referral and can't be erased
├── ReferralActive         the citizen has an active referral of the pathway already
├── DepartmentDiffers      a coordinator refers to another department
├── OrganisationMissing    the caller's token names no organisation
├── IdempotencyKeyReused   the key was used for another request
├── ConsentTimeRefused     consent is in the future, or older than its withdrawal
└── CannotDecrypt          sealed data was altered, is another citizen's, or its key is missing

The text of an error says what would be accepted. It never holds a value that somebody sent.
"""

from collections.abc import Iterable
from typing import Self

from brobyg_referral.fhir.outcome import Code, Issue


class ReferralError(Exception):
    """What the referral service raises, other than for a wrong argument."""


class MessageRefused(ReferralError):
    """A message of the hospital is refused."""

    def __init__(self, *issues: Issue) -> None:
        """At least one issue, as FHIR asks of an OperationOutcome."""
        super().__init__(issues[0].diagnostics)
        self.issues = issues

    @classmethod
    def of(cls, code: Code, diagnostics: str, expression: str | None = None) -> Self:
        """A refusal with one issue."""
        return cls(Issue(code, diagnostics, expression))

    def with_issues(self, issues: Iterable[Issue]) -> Self:
        """A refusal of the same kind with these issues."""
        return type(self)(*issues)


class Malformed(MessageRefused):
    """It is not a request or resource that is read here."""


class TooLarge(MessageRefused):
    """Its body or its number of entries is over a limit."""


class RuleBroken(MessageRefused):
    """It breaks FHIR R4, or what this service asks beyond it."""


class NoSuchAppointment(MessageRefused):
    """It changes an appointment that is not there."""


class AppointmentExists(MessageRefused):
    """It creates an appointment that is there, and says something else."""


class IdentifierConflict(MessageRefused):
    """Its identifiers belong to different appointments."""


class VersionConflict(MessageRefused):
    """It names another version than the current one."""


class NoSuchReferral(ReferralError):
    """There is none, or the caller may not see it."""


class NoSuchCitizen(ReferralError):
    """There is none, or the caller may not see it."""


class CitizenErased(ReferralError):
    """The citizen's data was erased."""


class CitizenActive(ReferralError):
    """The citizen has an active referral and can't be erased."""


class ReferralActive(ReferralError):
    """The citizen has an active referral of the pathway already."""


class DepartmentDiffers(ReferralError):
    """A coordinator refers to another department."""


class OrganisationMissing(ReferralError):
    """The caller's token names no organisation."""


class IdempotencyKeyReused(ReferralError):
    """The key was used for another request."""


class ConsentTimeRefused(ReferralError):
    """Consent is in the future, or older than its withdrawal."""


class CannotDecrypt(ReferralError):
    """Sealed data was altered, is another citizen's, or its key is missing."""
