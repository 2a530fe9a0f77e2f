"""The errors of matching. Their messages hold no value about a person.

MatchingError
├── UnknownVolunteer: there is none with this id, or none that the caller may change
├── UnknownCitizen: no event has named a referral of such a citizen
├── UnknownOffer: there is no such offer
│   └── UnknownLink: the token was not signed by our keys
├── UnknownMatch: there is no such appointment here
├── UnknownReferral: no event has created this referral yet
├── NotReady: a volunteer lacks what the new status needs
├── NotAllowed: a rule stands against an answer or a coordinator's wish
├── DoubleBooking: a volunteer would be in two places at once
├── IdempotencyKeyReused: the sender used this key for another request
├── ConcurrentChanges: others kept changing the same thing; nothing was changed here
└── WeakKey: a key in the settings is missing or too short
"""

from typing import Literal

Objection = Literal[
    "taken", "withdrawn", "declined", "accepted", "expired", "elsewhere", "weekly_limit",
    "not_active", "never_active", "begun", "not_matched", "not_escalated", "too_late",
]  # fmt: skip


class MatchingError(Exception):
    """The root of all errors of matching."""


class UnknownVolunteer(MatchingError):
    """There is no such volunteer, or none that the caller may change."""


class UnknownCitizen(MatchingError):
    """No event has named a referral of such a citizen."""


class UnknownOffer(MatchingError):
    """There is no such offer."""


class UnknownLink(UnknownOffer):
    """The token was not signed by our keys."""


class UnknownMatch(MatchingError):
    """There is no such appointment here."""


class UnknownReferral(MatchingError):
    """No event has created this referral yet. The event that needs it is parked until one has."""


class NotReady(MatchingError):
    """The volunteer lacks what the new status needs. The message says what."""


class NotAllowed(MatchingError):
    """An answer or a coordinator's wish is refused; `objection` says which rule forbids it."""

    def __init__(self, objection: Objection) -> None:
        """Carry the objection."""
        super().__init__(objection)
        self.objection: Objection = objection


class DoubleBooking(MatchingError):
    """The database refused to have a volunteer in two places at once."""


class IdempotencyKeyReused(MatchingError):
    """The sender has used this Idempotency-Key for another request."""


class ConcurrentChanges(MatchingError):
    """Others changed the same thing during every attempt. Nothing was changed here."""


class WeakKey(MatchingError, ValueError):
    """A list of keys in the settings is empty, or one of its keys is too short."""
