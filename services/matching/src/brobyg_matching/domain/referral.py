"""A referral as far as matching needs it, from its events."""

import msgspec
from brobyg_contracts import Needs


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an escort for one citizen. Without consent nothing is searched."""

    referral_id: str
    citizen_id: str
    pathway: str
    department: str
    consented: bool
    needs: Needs
