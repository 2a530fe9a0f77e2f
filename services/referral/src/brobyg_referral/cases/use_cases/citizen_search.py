"""A coordinator looks for a citizen whose CPR number is not at hand."""

from dataclasses import dataclass
from datetime import date

from brobyg_kit import access_log
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction

from brobyg_referral.cases.ports import ReferenceSource
from brobyg_referral.cases.use_cases.access import own_departments
from brobyg_referral.errors import RequestRefused
from brobyg_referral.people.domain.names import SHORTEST_ALONE, SHORTEST_WORD, wanted
from brobyg_referral.people.ports import CitizenStore, FoundCitizen, NameIndex

#: Words beyond these are passed over: nobody is told apart by more.
MOST_PARTS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the citizen; each part that is given must fit."""

    name: str
    phone: str | None
    born: date | None
    limit: int


@dataclass(frozen=True, slots=True)
class FoundCitizens:
    """Who fits, the best first, and whether there are more than were asked for."""

    citizens: list[FoundCitizen]
    more: bool


class CitizenSearch:
    """Finds citizens by what names them, without opening any identity."""

    def __init__(
        self, index: NameIndex, citizens: CitizenStore, reference: ReferenceSource
    ) -> None:
        """No state of its own."""
        self._index, self._citizens, self._reference = index, citizens, reference

    async def find(self, tx: Transaction, caller: Caller, asked: Asked) -> FoundCitizens:
        """Citizens that the caller's department has referred; each is recorded as looked up.

        A coordinator of head office and the data protection officer find those of all. Raises
        RequestRefused when there is nothing to look for.
        """
        parts = wanted(asked.name, asked.phone, asked.born)[-MOST_PARTS:]
        if not parts:
            raise RequestRefused(
                "/name",
                f"expected the first {SHORTEST_ALONE} letters of a name, a whole name of"
                f" {SHORTEST_WORD} at least, a phone or a date of birth",
            )
        departments = await own_departments(self._reference, "search-citizens", tx, caller)
        found = await self._index.find(tx, parts, departments, asked.limit + 1)
        told = found[: asked.limit]
        await access_log.record(tx, caller, [one.citizen_id for one in told], access_log.SEARCH)
        return FoundCitizens(told, more=len(found) > len(told))
