"""Who may see and do what."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from brobyg_contracts.access import act
from brobyg_contracts.events import Pathway
from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import ReferenceSource
from brobyg_referral.errors import (
    CitizenRestricted,
    NoSuchReferral,
    OrganisationMissing,
    ReferralActive,
)


def may_see(caller: Caller, referral: Referral, reference: Reference) -> bool:
    """Whether the caller may see the referral.

    Referrers of the organisation that referred may, and coordinators of the department that runs
    it, which may share its organisation with others. A coordinator whose token names no department
    is head office and sees all.
    """
    if (
        "referrer" in caller.roles
        and caller.organisation is not None
        and caller.organisation == referral.organisation
    ):
        return True
    return coordinates(caller, [referral.department], reference)


def coordinates(caller: Caller, departments: Collection[str], reference: Reference) -> bool:
    """Whether the caller is a coordinator of one of them, or of head office.

    A department is also known by its former ids, in tokens as in what is stored.
    """
    return "coordinator" in caller.roles and _of_department(caller, departments, reference)


def reaches(
    caller: Caller, name: str, referrals: Collection[Referral], reference: Reference
) -> bool:
    """Whether the caller may do this with the data of the citizen who has these referrals."""
    return reaching_role(caller, name, referrals, reference) is not None


def reaching_role(
    caller: Caller, name: str, referrals: Collection[Referral], reference: Reference
) -> str | None:
    """In which role the caller may do this with the data of the citizen who has these referrals.

    By the table of access: the first of the caller's roles that may, and on data that are these.
    None where there is none.
    """
    for role, whose in act(name).who.items():
        if role not in caller.roles:
            continue
        if whose == "all":
            return role
        if whose == "department":
            found = _of_department(caller, [one.department for one in referrals], reference)
        else:
            own = caller.organisation
            found = own is not None and any(one.organisation == own for one in referrals)
        if found:
            return role
    return None


def _of_department(caller: Caller, departments: Collection[str], reference: Reference) -> bool:
    if caller.department is None:
        return True
    own = reference.department_ids(caller.department)
    return any(one in own for one in departments)


async def own_departments(
    source: ReferenceSource, tx: Transaction, caller: Caller
) -> Sequence[str] | None:
    """All ids that what is the caller's department's may be stored by; None for all."""
    if caller.department is None:
        return None
    return (await source.get(tx)).department_ids(caller.department)


async def departments_for(
    source: ReferenceSource, tx: Transaction, caller: Caller, name: str
) -> Sequence[str] | None:
    """All ids that those with whom the caller may do this may be stored by; None for all."""
    who = act(name).who
    if any(who.get(role) == "all" for role in caller.roles):
        return None
    return await own_departments(source, tx, caller)


def visible(caller: Caller, referral: Referral | None, reference: Reference) -> Referral:
    """The referral, as one of the department that has it now.

    Raises NoSuchReferral unless the caller may see it.
    """
    if referral is None or not may_see(caller, referral, reference):
        raise NoSuchReferral
    return replace(referral, department=reference.present_department(referral.department))


def organisation_of(caller: Caller) -> str:
    """For which organisation the caller refers. Raises OrganisationMissing."""
    if not caller.organisation:
        raise OrganisationMissing("a referral belongs to the organisation that makes it")
    return caller.organisation


def sender_of(caller: Caller) -> str:
    """Whose Idempotency-Keys these are: the organisation's, else the caller's own."""
    return caller.organisation or f"subject {caller.subject}"


def check_none_active(
    referrals: Sequence[Referral], pathway: Pathway, caller: Caller, reference: Reference
) -> None:
    """Raise ReferralActive when one of the pathway is; it is named to who may see it."""
    for one in referrals:
        if (one.pathway, one.status) == (pathway, "active"):
            seen = may_see(caller, one, reference)
            raise ReferralActive(
                f"referral {one.referral_id}" if seen else "made by another organisation"
            )


async def check_unrestricted(tx: Transaction, citizen_id: str) -> None:
    """Raise CitizenRestricted for one who is.

    The citizen or a referral of theirs is locked, which a restriction takes too.
    """
    if await restriction_of(tx, citizen_id):
        raise CitizenRestricted(
            "nothing is done for the citizen until a coordinator or data protection lifts that"
        )
