"""What the referral service raises.

ReferralError
├── hospital.errors.MessageRefused   a message of the hospital is refused; see there
├── RequestRefused         one field of a request is not as it should be
├── ReferenceMissing       the reference data is not here yet
├── NoSuchReferral         there is none, or the caller may not see it
├── NoSuchCitizen          there is none, or the caller may not see it
├── CitizenErased          the citizen's data was erased
├── CitizenRestricted      nothing is done with the citizen's data
├── ContactRestricted      how a restricted citizen is reached is told to no service
├── ContactNotConsented    the citizen has not agreed to messages
├── PurposeOfOthers        this purpose is a service's to say, or a member of staff's
├── NoSuchSession          there is none, or the caller may not see it
├── NoSuchAppointment      there is none, or the caller may not see it
├── ReferralActive         the citizen has an active referral of the pathway already
├── DepartmentDiffers      a coordinator acts for another department
├── ReferralInactive       consent was withdrawn: nothing more is done for the referral
├── SessionWithdrawn       the session was called off
├── SessionOver            the session has taken place
├── AppointmentFixed       the appointment can't be changed here; the text says why
├── Overtaken              what was locked is not all that has to be: once more
├── OrganisationMissing    the caller's token names no organisation
└── IdempotencyKeyReused   the key was used for another request

The text of an error says what would be accepted. It never holds a value that somebody sent.
"""


class ReferralError(Exception):
    """What the referral service raises, other than for a wrong argument."""


class RequestRefused(ReferralError):
    """One field of a request is not as it should be."""

    def __init__(self, pointer: str, expected: str) -> None:
        """`pointer` is a JSON pointer (RFC 6901) into the body."""
        super().__init__(expected)
        self.pointer = pointer


class ReferenceMissing(ReferralError):
    """The reference data is not here yet, so that no place and no department is known."""


class NoSuchReferral(ReferralError):
    """There is none, or the caller may not see it."""


class NoSuchCitizen(ReferralError):
    """There is none, or the caller may not see it."""


class CitizenErased(ReferralError):
    """The citizen's data was erased."""


class CitizenRestricted(ReferralError):
    """Nothing is done with the citizen's data until that is lifted (GDPR art. 18)."""


class ContactRestricted(ReferralError):
    """How a citizen is reached is told to no service while processing is restricted."""


class PurposeOfOthers(ReferralError):
    """This purpose is a service's to say and a member of staff said it, or the other way round."""


class ContactNotConsented(ReferralError):
    """The citizen has not agreed to messages."""


class NoSuchSession(ReferralError):
    """There is none, or the caller may not see it."""


class NoSuchAppointment(ReferralError):
    """There is none, or the caller may not see it."""


class ReferralActive(ReferralError):
    """The citizen has an active referral of the pathway already."""


class DepartmentDiffers(ReferralError):
    """A coordinator acts for another department."""


class ReferralInactive(ReferralError):
    """Consent was withdrawn: nothing more is done for the referral."""


class SessionWithdrawn(ReferralError):
    """The session was called off."""


class SessionOver(ReferralError):
    """The session has taken place."""


class AppointmentFixed(ReferralError):
    """The appointment can't be changed here; the text says why."""


class Overtaken(ReferralError):
    """What was locked is not all that has to be, as others were quicker: it is done once more."""


class OrganisationMissing(ReferralError):
    """The caller's token names no organisation."""


class IdempotencyKeyReused(ReferralError):
    """The key was used for another request."""
