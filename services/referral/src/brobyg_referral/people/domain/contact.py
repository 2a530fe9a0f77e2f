"""What names a citizen and how to reach them.

It is stored encrypted, and shown only to those who may see it.
"""

from datetime import date

import msgspec
from brobyg_contracts.reference import Reference


class Address(msgspec.Struct, frozen=True):
    """Where the citizen lives."""

    line: str
    postcode: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A citizen's name and how to reach them."""

    given_name: str
    family_name: str
    language: str
    email: str | None = None
    phone: str | None = None
    address: Address | None = None
    #: Name and address protection: the address is told to nobody.
    is_protected: bool = False
    #: None where the CPR number does not say it, or it was sealed before this was kept.
    born: date | None = None
    #: Whether somebody else has the right to decide for the citizen (Danish: værge). None where
    #: nobody has said so or otherwise.
    has_guardian: bool | None = None

    def renewed(self, newer: "Contact") -> "Contact":
        """What is known after another referrer has told `newer`.

        What `newer` does not give of e-mail address, phone number, birth and guardian stays. So
        does protection, which another referrer may know nothing of.
        """
        return msgspec.structs.replace(
            newer,
            email=newer.email or self.email,
            phone=newer.phone or self.phone,
            is_protected=newer.is_protected or self.is_protected,
            born=newer.born or self.born,
            has_guardian=self.has_guardian if newer.has_guardian is None else newer.has_guardian,
        )

    def age_on(self, day: date) -> int | None:
        """Full years of age; None where the date of birth is not known."""
        if self.born is None:
            return None
        had_birthday = (day.month, day.day) >= (self.born.month, self.born.day)
        return day.year - self.born.year - (not had_birthday)

    def meeting_point(self, reference: Reference) -> str | None:
        """The address at which a helper may meet the citizen, with its town where that is known.

        None where it is protected or unknown.
        """
        if self.is_protected or self.address is None:
            return None
        known = reference.postcodes.get(self.address.postcode)  # it may be newer than the data
        town = f"{self.address.postcode} {known.label}" if known else self.address.postcode
        return f"{self.address.line}, {town}"
