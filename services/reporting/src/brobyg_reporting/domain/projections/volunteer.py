"""Each volunteer: pool, department and whether they can be asked.

Their hours are summed over appointments in a view.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import VolunteerActivated, VolunteerPaused, VolunteerRegistered
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class VolunteerRow(msgspec.Struct, gc=False):
    """One volunteer, all of it from brobyg.matching.v1 (key volunteer_id)."""

    volunteer_id: Annotated[str, Doc("Opaque id.")]
    pool: Annotated[str | None, Doc("student or retired_professional.")] = None
    department: Annotated[str | None, Doc("Department they belong to.")] = None
    municipality_code: Annotated[str | None, Doc("Municipality they live in.")] = None
    status: Annotated[
        Literal["applied", "active", "paused"] | None, Doc("applied, active or paused.")
    ] = None
    registered_at: Annotated[datetime | None, Doc("Latest registration, UTC.")] = None
    activated_at: Annotated[datetime | None, Doc("Latest activation, UTC.")] = None
    paused_at: Annotated[datetime | None, Doc("Latest pause, UTC.")] = None


VOLUNTEER = Projection("volunteer", VolunteerRow)


@VOLUNTEER.on(VolunteerRegistered)
def _registered(row: VolunteerRow, event: VolunteerRegistered, time: datetime) -> None:
    row.pool, row.department, row.municipality_code = (
        event.pool,
        event.department,
        event.municipality_code,
    )
    row.status, row.registered_at = "applied", time


@VOLUNTEER.on(VolunteerActivated)
def _activated(row: VolunteerRow, event: VolunteerActivated, time: datetime) -> None:
    row.status, row.activated_at = "active", time


@VOLUNTEER.on(VolunteerPaused)
def _paused(row: VolunteerRow, event: VolunteerPaused, time: datetime) -> None:
    row.status, row.paused_at = "paused", time
