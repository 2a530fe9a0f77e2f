"""All that referral holds of a citizen, for themselves (GDPR art. 15 and 20)."""

from brobyg_kit.export import ATTENTION, OF_ANYBODY, Holdings

from brobyg_referral.cases.adapters.holdings import HOLDINGS as OF_CASES
from brobyg_referral.people.adapters.holdings import holdings as of_people
from brobyg_referral.people.ports import CitizenStore

_EXEMPT = {
    "reference_entry": "Places, departments and pools: about nobody.",
    "intake_count": "Sums of messages.",
    "person_key": "The key that who they are is sealed under: of no use to anybody else.",
    "name_token": "Keyed hashes by which their name is found.",
    "session": "Planned sessions, which are nobody's in particular.",
}


def holdings(citizens: CitizenStore) -> Holdings:
    """The sections; `citizens` opens who they are."""
    sections = (*of_people(citizens), *OF_CASES, ATTENTION, *OF_ANYBODY)
    return Holdings({"citizens": sections}, _EXEMPT)
