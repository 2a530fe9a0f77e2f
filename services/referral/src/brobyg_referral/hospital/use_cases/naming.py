"""By which identifiers an appointment is known."""

from collections.abc import Sequence
from dataclasses import replace

from brobyg_referral.cases.domain.appointment import BusinessIdentifier
from brobyg_referral.cases.ports import StoredAppointment
from brobyg_referral.hospital.fhir.reading import MAX_IDENTIFIERS


def contradict(known: Sequence[BusinessIdentifier], told: Sequence[BusinessIdentifier]) -> bool:
    """Whether the two name different things within one system, such as another booking number."""
    systems = {one.system for one in known} & {one.system for one in told}
    return systems != {one.system for one in set(known) & set(told)}


def also_named(
    stored: StoredAppointment, identifiers: Sequence[BusinessIdentifier]
) -> StoredAppointment:
    """With the identifiers that are new, as far as there is room.

    They are shown, so they make a version of their own.
    """
    room = MAX_IDENTIFIERS - len(stored.identifiers)
    new = [one for one in identifiers if one not in stored.identifiers][:room]
    if not new:
        return stored
    state = replace(stored.state, version=stored.state.version + 1)
    return replace(stored, identifiers=(*stored.identifiers, *new), state=state)
