"""The errors of matching. Their messages hold no value about a person.

MatchingError
├── UnknownHelper: there is none with this id, or none that the caller may change
├── HelperErased: all that was known of the helper was erased
├── PurposeOfOthers: this purpose is a service's to say, or a member of staff's
├── UnknownCitizen: no event has named such a citizen
├── UnknownOffer: there is no such offer
│   └── UnknownLink: the token was not signed by our keys
├── UnknownNeed: there is no such need here
├── UnknownMatch: there is no such seat, or another helper has it
├── NotReady: a helper lacks what the new status needs
├── NotAllowed: a rule stands against an answer or a coordinator's wish
├── Clash: the citizen would have to be in two places
├── RegisteredBefore: the person is a helper already, as far as one can tell
├── DoubleBooking: a helper or resource would be taken twice, or a caseload exceeded
├── IdempotencyKeyReused: the sender used this key for another request
├── ConcurrentChanges: others kept changing the same thing; nothing was changed here
└── WeakKey: a key in the settings is missing or too short
"""

from typing import Literal

Objection = Literal[
    "taken", "withdrawn", "declined", "accepted", "expired", "elsewhere", "weekly_limit",
    "caseload", "not_active", "never_active", "not_suitable", "begun", "not_matched",
    "not_escalated", "not_searching", "not_held", "held", "not_claimable", "waiting", "no_room",
    "too_late", "another_department", "restricted",
]  # fmt: skip


class MatchingError(Exception):
    """The root of all errors of matching."""


class UnknownHelper(MatchingError):
    """There is no such helper, or none that the caller may change."""


class HelperErased(MatchingError):
    """All that was known of the helper was erased."""


class PurposeOfOthers(MatchingError):
    """This purpose is a service's to say and a member of staff said it, or the other way round."""


class UnknownCitizen(MatchingError):
    """No event has named such a citizen."""


class UnknownOffer(MatchingError):
    """There is no such offer."""


class UnknownLink(UnknownOffer):
    """The token was not signed by our keys."""


class UnknownMatch(MatchingError):
    """There is no such seat, or another helper has it."""


class UnknownNeed(MatchingError):
    """There is no such need here."""


class NotReady(MatchingError):
    """The helper lacks what the new status needs. The message says what."""


class NotAllowed(MatchingError):
    """An answer or a coordinator's wish is refused; `objection` says which rule forbids it."""

    def __init__(self, objection: Objection) -> None:
        """Carry the objection."""
        super().__init__(objection)
        self.objection: Objection = objection


class Clash(MatchingError):
    """The citizen has another need at the time, somewhere else; `need_id` says which."""

    def __init__(self, need_id: str) -> None:
        """Carry the other need."""
        super().__init__("the citizen has another need at that time")
        self.need_id = need_id


class RegisteredBefore(MatchingError):
    """Somebody with this mail address or this phone number is a helper.

    `helper_id` says who; None for a helper of other departments than the caller's.
    """

    def __init__(self, helper_id: str | None) -> None:
        """Carry who it is."""
        super().__init__("somebody with this mail address or phone number is registered")
        self.helper_id = helper_id


class DoubleBooking(MatchingError):
    """The database refused to have somebody or something taken twice, or a case too many."""


class IdempotencyKeyReused(MatchingError):
    """The sender has used this Idempotency-Key for another request."""


class ConcurrentChanges(MatchingError):
    """Others changed the same thing during every attempt. Nothing was changed here."""


class WeakKey(MatchingError, ValueError):
    """A list of keys in the settings is empty, or one of its keys is too short."""
