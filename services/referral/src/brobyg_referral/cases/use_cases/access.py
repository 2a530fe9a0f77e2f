"""Who may see and do what."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from brobyg_contracts.access import listed_departments, reaching_role
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
    """Whether the caller may see the referral."""
    return reaches(caller, "read-referral", [referral], reference)


def reaches(
    caller: Caller,
    name: str,
    referrals: Collection[Referral],
    reference: Reference,
    citizen_id: str | None = None,
) -> bool:
    """Whether the caller may do this with the data of the citizen who has these referrals.

    `citizen_id` where citizens may do it with their own.
    """
    return reaching(caller, name, referrals, reference, citizen_id) is not None


def reaching(
    caller: Caller,
    name: str,
    referrals: Collection[Referral],
    reference: Reference,
    citizen_id: str | None = None,
) -> str | None:
    """In which role the caller may do this with the data of the citizen who has these referrals.

    By the table of access. None where there is none.
    """
    return reaching_role(
        caller,
        name,
        departments=[one.department for one in referrals],
        organisations=[one.organisation for one in referrals],
        subjects=[citizen_id],
        reference=reference,
    )


async def own_departments(
    source: ReferenceSource, act: str, tx: Transaction, caller: Caller
) -> Sequence[str] | None:
    """All ids that what the caller has of it in a list may be stored by; None for all."""
    return listed_departments(caller, act, await source.get(tx))


def visible(caller: Caller, act: str, referral: Referral | None, reference: Reference) -> Referral:
    """The referral, as one of the department that has it now.

    Raises NoSuchReferral unless the caller may do `act` with it.
    """
    if referral is None or not reaches(caller, act, [referral], reference):
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
