"""The errors of matching as HTTP problems."""

from brobyg_kit.problems import GONE, PROBLEM_TYPES, Problem, route_answering
from fastapi import Request

from brobyg_matching.errors import (
    Clash,
    ConcurrentChanges,
    HelperErased,
    IdempotencyKeyReused,
    MatchingError,
    NotAllowed,
    NotReady,
    Objection,
    PurposeOfOthers,
    RegisteredBefore,
    UnknownCitizen,
    UnknownHelper,
    UnknownLink,
    UnknownMatch,
    UnknownNeed,
    UnknownOffer,
)

#: HTTP status, title, and what to do about it.
PROBLEMS: dict[type[MatchingError], tuple[int, str, str]] = {
    UnknownHelper: (404, "There is no such helper", ""),
    HelperErased: (410, "The helper's data was erased", ""),
    PurposeOfOthers: (422, "This purpose is not yours to say", ""),
    UnknownCitizen: (404, "No such citizen is known", "a new one takes a moment"),
    UnknownOffer: (404, "There is no such offer", ""),
    UnknownLink: (404, "There is no such link", ""),
    UnknownMatch: (404, "There is no such seat, or nobody of this name has it", ""),
    UnknownNeed: (404, "There is no such need here", "a new one takes a moment"),
    ConcurrentChanges: (503, "Others are changing the same thing", "send it again in a moment"),
    NotReady: (422, "The helper is not ready", ""),
    IdempotencyKeyReused: (
        422,
        "This Idempotency-Key was used for another request",
        "use a new key for a new helper",
    ),
}
#: HTTP status and title for each objection.
OBJECTIONS: dict[Objection, tuple[int, str]] = {
    "taken": (409, "Somebody else has it already"),
    "withdrawn": (409, "The question was withdrawn"),
    "declined": (409, "It was declined before"),
    "accepted": (409, "It was accepted before; take the acceptance back instead"),
    "expired": (410, "The time to answer is over"),
    "elsewhere": (409, "The helper is somewhere else at that time"),
    "weekly_limit": (409, "The helper's limit for that week is reached"),
    "caseload": (409, "The helper has as many cases as they may have"),
    "not_active": (409, "The helper is not active: paused, or not activated yet"),
    "never_active": (409, "Only an active helper can be paused"),
    "not_suitable": (409, "The helper is not who was asked for"),
    "begun": (409, "It has begun already; call the coordinator"),
    "not_matched": (409, "Nobody has the seat by this"),
    "not_escalated": (409, "It is not with the coordinator"),
    "not_searching": (409, "Nobody is searched for"),
    "not_held": (409, "It is not held"),
    "held": (409, "A coordinator has stopped the search"),
    "not_claimable": (409, "It can't be taken without being asked"),
    "waiting": (409, "The citizen's record or consent is not there yet"),
    "no_room": (409, "No room is free at that time"),
    "too_late": (409, "It is too late to ask anybody; call"),
    "restricted": (
        409,
        "Nothing is done with the helper's data until a coordinator or data protection lifts that",
    ),
    "another_department": (409, "The helper serves another department"),
}


#: The errors that others tell apart from the same status of a gateway or a wrong address.
_TYPES: dict[type[MatchingError], str] = {
    UnknownLink: f"{PROBLEM_TYPES}unknown-link",
    HelperErased: GONE,
}


def problem_of(error: MatchingError, _: Request) -> Problem:
    """The problem that explains the error.

    Its type says for machines what is not allowed, or that a link is not ours.
    """
    if isinstance(error, NotAllowed):
        status, title = OBJECTIONS[error.objection]
        name = error.objection.replace("_", "-")
        return Problem(status, title, type=f"{PROBLEM_TYPES}{name}")
    if isinstance(error, Clash):
        return Problem(
            409,
            "The citizen would have to be in two places",
            f"need {error.need_id} is at the same time; if somebody is to help all the same, send"
            " it again with ?confirm=clash",
            type=f"{PROBLEM_TYPES}clash",
        )
    if isinstance(error, RegisteredBefore):
        own = f"that is helper {error.helper_id}"
        who = "in another department" if error.helper_id is None else own
        return Problem(
            409,
            "Somebody with this mail address or phone number is registered",
            f"{who}; if this is another person, send it again with ?confirm=another",
            type=f"{PROBLEM_TYPES}registered-before",
        )
    status, title, advice = PROBLEMS[type(error)]
    kind = _TYPES.get(type(error), "about:blank")
    return Problem(status, title, str(error) or advice, type=kind)


#: A route on which the errors of matching become problems.
ProblemRoute = route_answering(MatchingError, problem_of)
