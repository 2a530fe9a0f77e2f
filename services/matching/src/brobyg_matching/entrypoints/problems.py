"""The errors of matching as HTTP problems."""

from brobyg_kit.problems import PROBLEM_TYPES, Problem, route_answering
from fastapi import Request

from brobyg_matching.errors import (
    ConcurrentChanges,
    IdempotencyKeyReused,
    MatchingError,
    NotAllowed,
    NotReady,
    Objection,
    UnknownCitizen,
    UnknownLink,
    UnknownMatch,
    UnknownOffer,
    UnknownVolunteer,
)

#: HTTP status, title, and what to do about it.
PROBLEMS: dict[type[MatchingError], tuple[int, str, str]] = {
    UnknownVolunteer: (404, "There is no such volunteer", ""),
    UnknownCitizen: (404, "No referral of such a citizen is known", "a new one takes a moment"),
    UnknownOffer: (404, "There is no such offer", ""),
    UnknownLink: (404, "There is no such link", ""),
    UnknownMatch: (404, "There is no such appointment here", ""),
    NotReady: (422, "The volunteer is not ready", ""),
    IdempotencyKeyReused: (
        422,
        "This Idempotency-Key was used for another request",
        "use a new key for a new volunteer",
    ),
    ConcurrentChanges: (
        503,
        "The volunteer is being asked or is answering right now",
        "nothing was changed; try again",
    ),
}
#: The errors that others tell apart from the same status of a gateway or a wrong address.
_TYPES: dict[type[MatchingError], str] = {UnknownLink: f"{PROBLEM_TYPES}unknown-link"}
#: HTTP status and title for each objection.
OBJECTIONS: dict[Objection, tuple[int, str]] = {
    "taken": (409, "Somebody else has it already"),
    "withdrawn": (409, "The question was withdrawn"),
    "declined": (409, "It was declined before"),
    "accepted": (409, "It was accepted before; release the match instead"),
    "expired": (410, "The time to answer is over"),
    "elsewhere": (409, "The volunteer is somewhere else at that time"),
    "weekly_limit": (409, "The volunteer's limit for that week is reached"),
    "not_active": (409, "The volunteer is paused"),
    "never_active": (409, "Only an active volunteer can be paused"),
    "begun": (409, "It has begun already; call the coordinator"),
    "not_matched": (409, "Nobody is matched"),
    "not_escalated": (409, "It is not with the coordinator"),
    "too_late": (409, "It is too late to ask anybody; call"),
}


def problem_of(error: MatchingError, _: Request) -> Problem:
    """The problem that explains the error.

    Its type says for machines what is not allowed, or that a link is not ours.
    """
    if isinstance(error, NotAllowed):
        status, title = OBJECTIONS[error.objection]
        name = error.objection.replace("_", "-")
        return Problem(status, title, type=f"{PROBLEM_TYPES}{name}")
    status, title, advice = PROBLEMS[type(error)]
    kind = _TYPES.get(type(error), "about:blank")
    return Problem(status, title, str(error) or advice, type=kind)


#: A route on which the errors of matching become problems.
ProblemRoute = route_answering(MatchingError, problem_of)
