"""What reference data raises.

ReferralError
├── FaultyReference    entries or files are not as they should be; each fault says where and why
├── NoSuchEntry        there is no entry of this kind and id
├── EntryChanged       the entry has another version than the caller has seen
└── EntryExists        a new entry's id is taken
"""

from collections.abc import Sequence

from brobyg_referral.errors import ReferralError
from brobyg_referral.reference.domain.entries import Fault


class FaultyReference(ReferralError):
    """Entries or files are not as they should be, and nothing was changed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """At least one fault."""
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class NoSuchEntry(ReferralError):
    """There is no entry of this kind and id."""


class EntryChanged(ReferralError):
    """The entry has another version than the caller has seen."""


class EntryExists(ReferralError):
    """A new entry's id is taken."""
