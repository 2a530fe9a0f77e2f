"""What is done on each event. `handlers.py` is the table of them."""

from typing import Any

from brobyg_contracts import (
    CitizenErased,
    CitizenRecorded,
    CitizenRestricted,
    CitizenUnrestricted,
    ConsentGiven,
    ConsentWithdrawn,
    DepartmentRecorded,
    ErasureAcknowledged,
    NeedChanged,
    NeedClosed,
    NeedOpened,
    PoolRecorded,
)
from brobyg_contracts.consent import catalogue, scope_of
from brobyg_contracts.reference import Reference, id_of
from brobyg_kit.event import UndecodableEvent
from msgspec import UnsetType

from brobyg_matching.domain import transitions
from brobyg_matching.domain.board import Board
from brobyg_matching.domain.need import Citizen, Facts
from brobyg_matching.domain.policy import policy_of

#: More seats than these are a mistake: each is searched for in one transaction with the others.
MOST_SEATS = 32


def facts_of(data: NeedOpened | NeedChanged, reference: Reference) -> Facts:
    """The facts of the event; seats as the policy says unless it says otherwise.

    Raises UnknownPathway; UndecodableEvent for more seats than anybody wants.
    """
    values = {name: getattr(data, name) for name in _FROM_EVENT}
    fields: dict[str, Any] = {
        name: None if isinstance(one, UnsetType) else one for name, one in values.items()
    }
    if isinstance(data.seats, UnsetType):
        fields["crew"] = policy_of(data.pathway).crew()
    else:
        fields["crew"] = data.seats
        if sum(one.wanted for one in data.seats) > MOST_SEATS:
            raise UndecodableEvent(f"data.seats: more than {MOST_SEATS} helpers are wanted")
    fields["department"] = reference.present_department(data.department)
    return Facts(**fields)


def department_recorded(board: Board, data: DepartmentRecorded) -> None:
    """It may have taken over another, or may ask others now: what waits for capacity is looked at.

    What is being searched for, or is with a coordinator, is the department's that has it now.
    """
    board.set_free((id_of(data.record),))


def pool_recorded(board: Board, data: PoolRecorded) -> None:
    """Its helpers may have room for more cases: where it is asked, what waits is looked at."""
    pool = id_of(data.record)
    departments = board.reference.departments.values()
    board.freed.update(one.id for one in departments if pool in one.pools and not one.withdrawn)


def need_opened(board: Board, facts: Facts) -> None:
    """The need is like this now: it is searched, whatever was before."""
    transitions.opened(board, facts)


def need_closed(board: Board, data: NeedClosed) -> None:
    """Nobody is needed any more."""
    transitions.closed(board, data.need_id, data.reason)


def citizen_recorded(board: Board, data: CitizenRecorded) -> None:
    """What waits for the record is searched."""
    transitions.recorded(
        board,
        Citizen(
            citizen_id=data.citizen_id,
            languages=data.languages,
            gender_wish=data.gender_wish,
            mobility=data.mobility,
            meeting=data.meeting,
            postcode=data.postcode,
        ),
    )


def consent_given(board: Board, data: ConsentGiven) -> None:
    """What waits for the consent is searched, where it is one to the help."""
    if catalogue().allows(scope_of(data), "help"):
        transitions.consent_given(board, data.referral_id, data.citizen_id)


def consent_withdrawn(board: Board, data: ConsentWithdrawn) -> None:
    """Nothing moves without consent to the help: searches end and helpers are released."""
    if catalogue().ends(scope_of(data), "help"):
        transitions.consent_withdrawn(board, data.referral_id, data.citizen_id)


def citizen_erased(board: Board, data: CitizenErased) -> None:
    """All that is held of the citizen goes, and every search and match of theirs ends."""
    transitions.citizen_erased(board, data.citizen_id)


def citizen_restricted(board: Board, data: CitizenRestricted) -> None:
    """Nothing of theirs is deleted by time. That their needs are closed is said by other events."""
    board.restricted[data.citizen_id] = data.reason


def citizen_unrestricted(board: Board, data: CitizenUnrestricted) -> None:
    """What is held of them is kept as long as that of anybody."""
    board.restricted[data.citizen_id] = None


def erasure_acknowledged(board: Board, data: ErasureAcknowledged) -> None:
    """A service holds nothing more of a helper who was erased, or of another owner's person."""
    board.acknowledged.append((data.person_id, data.service))


_FROM_EVENT = [name for name in Facts.__struct_fields__ if name != "crew"]
