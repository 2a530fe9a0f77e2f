"""What the routes of restrictions read and write."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from brobyg_kit.problems import Problem
from brobyg_kit.restriction import Restriction


class RestrictionIn(BaseModel):
    """That nothing is to be done with a person's data."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    reason: Annotated[
        str,
        Field(
            pattern=r"^(accuracy_contested|unlawful|legal_claim|objection)$",
            description="accuracy_contested, unlawful, legal_claim or objection (GDPR art. 18(1)).",
        ),
    ]


class RestrictionOut(BaseModel):
    """It as it stands."""

    model_config = ConfigDict(from_attributes=True)

    person_id: str
    reason: str
    actor: str
    restricted_at: datetime

    @classmethod
    def of(cls, found: Restriction, asked: str) -> "RestrictionOut":
        """As answered. Raises Problem where it stands for another reason than was asked for."""
        if found.reason != asked:
            raise Problem(
                409,
                "Restricted for another reason already",
                f"since {found.restricted_at:%Y-%m-%d}, for {found.reason}, which stays: nothing is"
                " done with the data already. If another reason holds in its place, lift the"
                f" restriction (DELETE), which goes on with the person, and restrict for {asked}",
            )
        return cls.model_validate(found)
