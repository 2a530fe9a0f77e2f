"""`POST /citizens/search`: what names a citizen is in the body, never in a URL."""

from typing import Annotated

from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from brobyg_kit.fields import Day, Phone
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints

from brobyg_referral.cases.entrypoints.consent_models import Strict
from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.citizen_search import Asked, CitizenSearch, FoundCitizens
from brobyg_referral.people.domain.names import SHORTEST_ALONE, SHORTEST_WORD, How, Kind
from brobyg_referral.transactions import in_transaction


class SearchIn(Strict):
    """What is known of the citizen; each part that is given must fit."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = Field(
        "",
        description="Words of the given and family name in any order, as they are written, as they"
        f" sound, or their first letters: {SHORTEST_ALONE} at least. Words of {SHORTEST_WORD} alone"
        " are looked for as whole names; beside a longer one, a phone or a date of birth as first"
        " letters too.",
    )
    phone: Phone | None = Field(None, description="Its last eight digits are compared.")
    birth_date: Day | None = Field(None, strict=False, description="As 1960-01-31.")
    limit: int = Field(20, ge=1, le=50, description="Citizens at the most.")

    def asked(self) -> Asked:
        """As the use case takes it."""
        return Asked(self.name, self.phone, self.birth_date, self.limit)


class FoundOut(BaseModel):
    """A citizen, by id alone, and by what they were found."""

    citizen_id: str
    matched: dict[Kind, How]


class SearchOut(BaseModel):
    """Who fits, the best first."""

    citizens: list[FoundOut]
    more: bool = Field(description="There are more: ask for more of the name.")

    @classmethod
    def of(cls, found: FoundCitizens) -> "SearchOut":
        """As answered."""
        return cls(
            citizens=[
                FoundOut(citizen_id=one.citizen_id, matched=dict(one.matched))
                for one in found.citizens
            ],
            more=found.more,
        )


def create_router(database: Database, search: CitizenSearch) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=ReferralRoute)

    @router.post(
        "/citizens/search",
        tags=["citizens"],
        summary="Find citizens of your department by name, phone or date of birth; recorded",
    )
    async def find(
        body: SearchIn, caller: Annotated[Caller, Depends(requires_act("search-citizens"))]
    ) -> SearchOut:
        asked = body.asked()
        return SearchOut.of(
            await in_transaction(database, lambda tx: search.find(tx, caller, asked))
        )

    return router
