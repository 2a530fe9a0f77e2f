"""Each citizen whose processing was restricted or who was erased; about nobody else is kept."""

from datetime import datetime
from typing import Annotated

import msgspec
from brobyg_contracts import CitizenErased, CitizenRestricted, CitizenUnrestricted
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class CitizenRow(msgspec.Struct, gc=False):
    """One citizen, all of it from brobyg.referral.v1 (key citizen_id)."""

    citizen_id: Annotated[str, Doc("Opaque id of the citizen.")]
    restricted_at: Annotated[
        datetime | None, Doc("Since when processing is restricted, UTC; null when it is not.")
    ] = None
    restriction_reason: Annotated[str | None, Doc("Why it was restricted last.")] = None
    unrestricted_at: Annotated[datetime | None, Doc("When that was lifted last, UTC.")] = None
    erased_at: Annotated[datetime | None, Doc("When they were first erased, UTC.")] = None
    erasure_reason: Annotated[str | None, Doc("Why they were erased first.")] = None


CITIZEN = Projection("citizen", CitizenRow)


@CITIZEN.on(CitizenRestricted)
def _restricted(row: CitizenRow, event: CitizenRestricted, time: datetime) -> None:
    row.restricted_at, row.restriction_reason = time, event.reason


@CITIZEN.on(CitizenUnrestricted)
def _unrestricted(row: CitizenRow, event: CitizenUnrestricted, time: datetime) -> None:
    row.restricted_at, row.unrestricted_at = None, time


@CITIZEN.on(CitizenErased)
def _erased(row: CitizenRow, event: CitizenErased, time: datetime) -> None:
    if row.erased_at is None:
        row.erased_at, row.erasure_reason = time, event.reason
