"""What names a citizen and how to reach them. Lives sealed in the database and in the answer to the one who may ask."""

import msgspec
from brobyg_contracts.places import POSTCODES


class Address(msgspec.Struct, frozen=True):
    """Where the citizen lives."""

    line: str
    postcode: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The citizen by name. `is_protected`: name and address protection, the address is told to nobody."""

    given_name: str
    family_name: str
    language: str
    email: str | None = None
    phone: str | None = None
    address: Address | None = None
    is_protected: bool = False

    def renewed(self, newer: "Contact") -> "Contact":
        """What is known once somebody else has told `newer`: a way to reach the citizen that they did not give stays, and so does protection, which
        another referrer may know nothing of.
        """
        return msgspec.structs.replace(
            newer,
            email=newer.email or self.email,
            phone=newer.phone or self.phone,
            is_protected=newer.is_protected or self.is_protected,
        )

    @property
    def meeting_point(self) -> str | None:
        """The address where a volunteer may come to the door, with its town where that is known; None where it is protected or unknown."""
        if self.is_protected or self.address is None:
            return None
        place = POSTCODES.get(self.address.postcode)  # the citizen may live outside the area
        town = f"{self.address.postcode} {place.name}" if place else self.address.postcode
        return f"{self.address.line}, {town}"
