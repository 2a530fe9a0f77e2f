"""What the rules look at: the volunteers, their commitments, whom they know, and blocks.

A snapshot is read once for a batch and never altered: what changes it returns a new one that
shares what is the same.
"""

from collections.abc import Iterable, Mapping

import msgspec

from brobyg_matching.domain.local_time import week_of
from brobyg_matching.domain.roster import Roster


class Commitment(msgspec.Struct, frozen=True, gc=False):
    """Time a volunteer has promised, from leaving home to being back. Seconds since 1970 UTC."""

    appointment_id: str
    volunteer_id: str
    leave_at: int
    home_at: int
    starts_at: int

    @property
    def week(self) -> int:
        """The local ISO week that the escort counts in, as `week_of` gives it."""
        return week_of(self.starts_at)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The roster, and what changes: commitments, open offers, acquaintances and blocks."""

    roster: Roster
    #: By volunteer, then by appointment.
    commitments: Mapping[str, Mapping[str, Commitment]] = {}
    #: How many offers are open to each volunteer.
    open_offers: Mapping[str, int] = {}
    #: By citizen: the volunteer who came to know them by each appointment.
    known: Mapping[str, Mapping[str, str]] = {}
    #: Pairs of volunteer and citizen.
    blocks: frozenset[tuple[str, str]] = frozenset()

    def known_to(self, citizen_id: str) -> frozenset[str]:
        """The volunteers who have escorted the citizen before."""
        known = self.known.get(citizen_id)
        return frozenset(known.values()) if known else frozenset()

    def committed(self, commitment: Commitment) -> "Snapshot":
        """With this commitment; one of the same volunteer to the same appointment is replaced."""
        who = commitment.volunteer_id
        mine = {**self.commitments.get(who, {}), commitment.appointment_id: commitment}
        return msgspec.structs.replace(self, commitments={**self.commitments, who: mine})

    def met(
        self, citizen_id: str, appointment_id: str, volunteer_id: str, *, met: bool = True
    ) -> "Snapshot":
        """The two have come to know each other by this appointment, or (`met` false) have not."""
        known = dict(self.known.get(citizen_id, {}))
        if met:
            known[appointment_id] = volunteer_id
        else:
            known.pop(appointment_id, None)
        return msgspec.structs.replace(self, known={**self.known, citizen_id: known})

    def released(self, volunteer_id: str, citizen_id: str, appointment_id: str) -> "Snapshot":
        """Without the volunteer's commitment to the appointment, and without acquaintance by it."""
        mine = dict(self.commitments.get(volunteer_id, {}))
        mine.pop(appointment_id, None)
        return msgspec.structs.replace(
            self.met(citizen_id, appointment_id, volunteer_id, met=False),
            commitments={**self.commitments, volunteer_id: mine},
        )

    def with_open_offers(self, volunteer_ids: Iterable[str], by: int) -> "Snapshot":
        """With `by` open offers more to each of these volunteers."""
        counts = dict(self.open_offers)
        for who in volunteer_ids:
            counts[who] = counts.get(who, 0) + by
        return msgspec.structs.replace(self, open_offers=counts)
