"""The HTTP status and the words of each of the service's errors."""

from brobyg_kit.problems import GONE, FieldError, Problem, route_answering
from fastapi import Request

from brobyg_referral import errors
from brobyg_referral.hospital.fhir.outcome import Issue

_MESSAGE_STATUSES: dict[type[errors.MessageRefused], int] = {
    errors.Malformed: 400,
    errors.TooLarge: 413,
    errors.RuleBroken: 422,
    errors.NoSuchAppointment: 404,
    errors.AppointmentExists: 409,
    errors.IdentifierConflict: 409,
    errors.VersionConflict: 412,
}
_PROBLEMS: dict[type[errors.ReferralError], tuple[int, str]] = {
    errors.NoSuchReferral: (404, "There is no such referral"),
    errors.NoSuchCitizen: (404, "There is no such citizen"),
    errors.CitizenErased: (410, "The citizen's data was erased"),
    errors.CitizenActive: (409, "The citizen has an active referral"),
    errors.ReferralActive: (409, "The citizen has an active referral of this pathway already"),
    errors.DepartmentDiffers: (403, "This is another department's"),
    errors.OrganisationMissing: (403, "The token names no organisation"),
    errors.IdempotencyKeyReused: (422, "This Idempotency-Key was used for another request"),
}
FIELDS_WRONG = "Some of what was sent is not as it should be"


class FhirProblem(Problem):
    """A problem that is answered with these issues under /fhir."""

    def __init__(self, status: int, *issues: Issue) -> None:
        """At least one issue."""
        super().__init__(status, issues[0].diagnostics)
        self.issues = issues


def status_of(refusal: errors.MessageRefused) -> int:
    """The HTTP status that a refused message is answered with."""
    return _MESSAGE_STATUSES[type(refusal)]


def problem_of(error: errors.ReferralError, request: Request) -> Problem:
    """How the error is answered. One that has no words of its own is a fault of this service."""
    if isinstance(error, errors.MessageRefused):
        return FhirProblem(status_of(error), *error.issues)
    if isinstance(error, errors.ConsentTimeRefused):
        # A new referral has consent among other things; consent given again has nothing else.
        pointer = "/consent/given_at" if request.method == "POST" else "/given_at"
        return Problem(422, FIELDS_WRONG, errors=[FieldError(pointer, str(error))])
    if type(error) not in _PROBLEMS:
        raise error
    status, title = _PROBLEMS[type(error)]
    kind = GONE if isinstance(error, errors.CitizenErased) else "about:blank"
    return Problem(status, title, str(error), type=kind)


#: A route that answers the service's errors as problems.
ReferralRoute = route_answering(errors.ReferralError, problem_of)
