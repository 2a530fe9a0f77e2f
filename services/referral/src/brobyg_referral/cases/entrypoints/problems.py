"""The HTTP status and the words of each of the errors outside /fhir."""

from brobyg_contracts.consent import CONTACT_NOT_CONSENTED
from brobyg_kit.problems import (
    GONE,
    PROBLEM_TYPES,
    RESTRICTED,
    FieldError,
    Problem,
    route_answering,
)
from fastapi import Request

from brobyg_referral import errors

_PROBLEMS: dict[type[errors.ReferralError], tuple[int, str]] = {
    errors.ReferenceMissing: (503, "The reference data is not here yet"),
    errors.NoSuchReferral: (404, "There is no such referral"),
    errors.NoSuchCitizen: (404, "There is no such citizen"),
    errors.NoSuchSession: (404, "There is no such session"),
    errors.NoSuchAppointment: (404, "There is no such appointment"),
    errors.CitizenErased: (410, "The citizen's data was erased"),
    errors.ContactNotConsented: (403, "The citizen has not agreed to this"),
    errors.PurposeOfOthers: (422, "This purpose is not yours to say"),
    errors.ContactRestricted: (403, "Processing of the citizen is restricted"),
    errors.CitizenRestricted: (409, "Processing of the citizen is restricted"),
    errors.ReferralActive: (409, "The citizen has an active referral of this pathway already"),
    errors.ReferralInactive: (409, "The referral is not active"),
    errors.SessionWithdrawn: (409, "The session was called off"),
    errors.SessionOver: (409, "The session is over"),
    errors.AppointmentFixed: (409, "The appointment can't be changed here"),
    errors.DepartmentDiffers: (403, "This is another department's"),
    errors.OrganisationMissing: (403, "The token names no organisation"),
    errors.IdempotencyKeyReused: (422, "This Idempotency-Key was used for another request"),
}
#: The types of those that another service acts on.
_TYPES: dict[type[errors.ReferralError], str] = {
    errors.CitizenErased: GONE,
    errors.CitizenRestricted: RESTRICTED,
    errors.ContactRestricted: RESTRICTED,
    errors.ContactNotConsented: f"{PROBLEM_TYPES}{CONTACT_NOT_CONSENTED}",
}
FIELDS_WRONG = "Some of what was sent is not as it should be"


def problem_of(error: errors.ReferralError, _: Request) -> Problem:
    """How the error is answered. One that has no words of its own is a fault of this service."""
    if isinstance(error, errors.RequestRefused):
        return Problem(422, FIELDS_WRONG, errors=[FieldError(error.pointer, str(error))])
    if type(error) not in _PROBLEMS:
        raise error
    status, title = _PROBLEMS[type(error)]
    kind = _TYPES.get(type(error), "about:blank")
    headers = {"Retry-After": "2"} if status == 503 else None
    return Problem(status, title, str(error), type=kind, headers=headers)


#: A route that answers the service's errors as problems.
ReferralRoute = route_answering(errors.ReferralError, problem_of)
