"""What helpers must know of a citizen, which stands in no event of the history."""

from collections.abc import Sequence
from statistics import fmean

import msgspec
from brobyg_contracts.events import CitizenRecorded, Gender, Meeting, Mobility
from brobyg_contracts.reference import Postcode, Reference, distance_metres


class CitizenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What helpers must know of a citizen."""

    #: Languages the citizen speaks (ISO 639-1).
    languages: tuple[str, ...]
    #: Gender of the helper the citizen asks for; None: either.
    gender_wish: Gender | None
    mobility: Mobility
    meeting: Meeting
    #: Of the citizen's home.
    postcode: str

    def shielded(self, reference: Reference) -> "CitizenRecord":
        """What may be told of a citizen whose address is protected.

        They meet at the place of care, and the postcode is one and the same for all of the home's
        municipality: no way from the home is planned, and the postcode of few homes says much of
        where somebody lives. Raises UnknownReference for an unknown postcode.
        """
        code = reference.postcode(self.postcode).municipality_code
        of_municipality = [
            one
            for one in reference.postcodes.values()
            if one.municipality_code == code and not one.withdrawn
        ]
        stand_in = _most_central(of_municipality).id if of_municipality else self.postcode
        return msgspec.structs.replace(self, meeting="at_location", postcode=stand_in)

    def event(self, citizen_id: str) -> CitizenRecorded:
        """As it is published."""
        return CitizenRecorded(
            citizen_id=citizen_id,
            languages=self.languages,
            gender_wish=self.gender_wish,
            mobility=self.mobility,
            meeting=self.meeting,
            postcode=self.postcode,
        )


def _most_central(postcodes: Sequence[Postcode]) -> Postcode:
    """The one nearest to the middle of them all; of equally near ones the lowest."""
    middle = msgspec.structs.replace(
        postcodes[0],
        latitude=fmean(one.latitude for one in postcodes),
        longitude=fmean(one.longitude for one in postcodes),
    )
    return min(postcodes, key=lambda one: (distance_metres(one, middle), one.id))
