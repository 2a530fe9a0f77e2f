"""What names a citizen and how to reach them.

It is stored encrypted, and shown only to those who may see it.
"""

from datetime import date, datetime

import msgspec
from brobyg_contracts.reference import Reference


class Address(msgspec.Struct, frozen=True):
    """Where the citizen lives."""

    line: str
    postcode: str


class GuardianRecord(msgspec.Struct, frozen=True):
    """That somebody else has the right to decide for the citizen, or no longer; who recorded it."""

    has_guardian: bool
    recorded_at: datetime
    #: A pseudonym.
    recorded_by: str
    recorded_role: str


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
    #: Each time that was recorded, the first one first; none from before this was kept.
    guardian_records: tuple[GuardianRecord, ...] = ()

    def renewed(self, newer: "Contact") -> "Contact":
        """What is known after another referrer has told `newer`.

        What `newer` does not give of e-mail address, phone number and birth stays. So does
        protection, which another referrer may know nothing of, and a guardian once it was said:
        see `recorded`.
        """
        said = newer if self.has_guardian is None else self
        return msgspec.structs.replace(
            newer,
            email=newer.email or self.email,
            phone=newer.phone or self.phone,
            is_protected=newer.is_protected or self.is_protected,
            born=newer.born or self.born,
            has_guardian=said.has_guardian,
            guardian_records=said.guardian_records,
        )

    def recorded(self, record: GuardianRecord) -> "Contact":
        """The same, with what was recorded of a guardian."""
        return msgspec.structs.replace(
            self,
            has_guardian=record.has_guardian,
            guardian_records=(*self.guardian_records, record),
        )

    @property
    def guarded_since(self) -> datetime | None:
        """When the last guardian was recorded, who may be there no longer; None for none."""
        times = [one.recorded_at for one in self.guardian_records if one.has_guardian]
        return times[-1] if times else None

    @property
    def guarded_until(self) -> datetime | None:
        """When it was recorded that there is no guardian any more; None where that is not so."""
        last = self.guardian_records[-1] if self.guardian_records else None
        return last.recorded_at if last and not last.has_guardian else None

    def birthday(self, age: int) -> date | None:
        """The first day of this age; None where the date of birth is not known."""
        if self.born is None:
            return None
        try:
            return self.born.replace(year=self.born.year + age)
        except ValueError:  # 29 February: the day after the 28th, as `age_on` has it
            return date(self.born.year + age, 3, 1)

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
