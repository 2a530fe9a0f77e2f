"""The HTTP status of each error under /fhir."""

from brobyg_kit.problems import Problem, route_answering
from fastapi import Request

from brobyg_referral.errors import ReferenceMissing, ReferralError
from brobyg_referral.hospital import errors
from brobyg_referral.hospital.fhir.outcome import Issue

_STATUSES: dict[type[errors.MessageRefused], int] = {
    errors.Malformed: 400,
    errors.TooLarge: 413,
    errors.RuleBroken: 422,
    errors.NoSuchAppointment: 404,
    errors.AppointmentExists: 409,
    errors.IdentifierConflict: 409,
    errors.VersionConflict: 412,
}


class FhirProblem(Problem):
    """A problem that is answered with these issues under /fhir."""

    def __init__(self, status: int, *issues: Issue) -> None:
        """At least one issue."""
        super().__init__(status, issues[0].diagnostics)
        self.issues = issues


def status_of(refusal: errors.MessageRefused) -> int:
    """The HTTP status that a refused message is answered with."""
    return _STATUSES[type(refusal)]


def problem_of(error: ReferralError, _: Request) -> Problem:
    """How the error is answered. One that has no words of its own is a fault of this service."""
    if isinstance(error, errors.MessageRefused):
        return FhirProblem(status_of(error), *error.issues)
    if isinstance(error, ReferenceMissing):
        headers = {"Retry-After": "2"}
        return Problem(503, "The reference data is not here yet", str(error), headers=headers)
    raise error


#: A route that answers the service's errors as problems.
HospitalRoute = route_answering(ReferralError, problem_of)
