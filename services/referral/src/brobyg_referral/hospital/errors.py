"""Why a message of the hospital is refused.

ReferralError
└── MessageRefused         a message of the hospital is refused; its issues say why
    ├── Malformed          it is not a request or resource that is read here
    ├── TooLarge           its body or its number of entries is over a limit
    ├── RuleBroken         it breaks FHIR R4, or what this service asks beyond it
    ├── NoSuchAppointment  it changes an appointment that is not there
    ├── AppointmentExists  it creates an appointment that is there, and says something else
    ├── IdentifierConflict its identifiers belong to different appointments
    └── VersionConflict    it names another version than the current one

The text of an error says what would be accepted. It never holds a value that somebody sent.
"""

from collections.abc import Iterable
from typing import Self

from brobyg_referral.errors import ReferralError
from brobyg_referral.hospital.fhir.outcome import Code, Issue


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
