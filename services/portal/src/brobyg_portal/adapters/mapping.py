"""How the provider's claims become our words: schemas/sign-in.toml, or an installation's own."""

from pathlib import Path

from brobyg_contracts.sign_in import load, sign_in

from brobyg_portal.domain.sign_in import ClaimMapping


def mapping(file: Path | None) -> ClaimMapping:
    """What the claims of staff say. Raises InvalidDocument with what is wrong, or OSError."""
    found = load(file) if file else sign_in()
    where = found.claims
    return ClaimMapping(
        where.roles, found.staff, where.organisation, where.department, found.every_department
    )
