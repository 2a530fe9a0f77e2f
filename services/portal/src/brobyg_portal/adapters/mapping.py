"""How the provider's claims become our words."""

from brobyg_portal.domain.sign_in import ClaimMapping

MAPPING = ClaimMapping(
    roles=("roles",),
    values={one: one for one in ("coordinator", "referrer", "analyst", "data_protection")},
    organisation=("organisation",),
    department=("department",),
    every_department="*",
)
