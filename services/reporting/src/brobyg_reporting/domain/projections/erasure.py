"""Each service's word that it has erased what it had of a person."""

from datetime import datetime
from typing import Annotated

import msgspec
from brobyg_contracts import ErasureAcknowledged
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class ErasureRow(msgspec.Struct, gc=False):
    """One acknowledgement, all of it from the topic of the service that gave it."""

    acknowledgement_id: Annotated[str, Doc("The person's id, a slash, and the service.")]
    person_id: Annotated[str | None, Doc("Opaque id of the citizen or helper.")] = None
    service: Annotated[str | None, Doc("The service that erased.")] = None
    acknowledged_at: Annotated[datetime | None, Doc("When it first said so, UTC.")] = None
    times: Annotated[int, Doc("Times it said so: an erasure may be asked for again.")] = 0


def _key(event: ErasureAcknowledged) -> str:
    return f"{event.person_id}/{event.service}"


ERASURE = Projection("erasure_acknowledgement", ErasureRow, _key)


@ERASURE.on(ErasureAcknowledged)
def _acknowledged(row: ErasureRow, event: ErasureAcknowledged, time: datetime) -> None:
    row.person_id, row.service = event.person_id, event.service
    row.acknowledged_at = row.acknowledged_at or time
    row.times += 1
