"""Who may be signed in of the citizens: the portal asks, for who asks there for a link."""

from brobyg_kit.database import Transaction
from brobyg_kit.restriction import restriction_of

from brobyg_referral.cases.ports import ReferralStore
from brobyg_referral.people.ports import NameIndex

#: Citizens with one address that are looked at.
_MOST_ALIKE = 20


class SigningIn:
    """Reads no identity, and so records nothing."""

    def __init__(self, index: NameIndex, referrals: ReferralStore) -> None:
        """No state of its own."""
        self._index, self._referrals = index, referrals

    async def find(self, tx: Transaction, email: str, most: int) -> list[str]:
        """The ids of up to so many with this address who may be signed in."""
        alike = await self._index.of_address(tx, email, _MOST_ALIKE)
        return [one for one in alike if await self.may(tx, one)][:most]

    async def may(self, tx: Transaction, citizen_id: str) -> bool:
        """Whether something is done for them: a referral is active, and they aren't restricted."""
        referrals = await self._referrals.of_citizen(tx, citizen_id)
        active = any(one.status == "active" for one in referrals)
        return active and await restriction_of(tx, citizen_id) is None
