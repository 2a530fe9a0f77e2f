"""What the routes of restrictions read and write."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


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
