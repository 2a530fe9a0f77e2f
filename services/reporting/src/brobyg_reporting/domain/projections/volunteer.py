"""Each volunteer: pool, department and whether they can be asked. Their hours are summed over appointments in a view."""

from datetime import datetime
from typing import Literal

import msgspec
from brobyg_contracts import VolunteerActivated, VolunteerPaused, VolunteerRegistered

from brobyg_reporting.domain.projection import Projection


class VolunteerRow(msgspec.Struct, gc=False):
    """One volunteer, all of it from brobyg.matching.v1 (key volunteer_id)."""

    volunteer_id: str
    pool: str | None = None
    department: str | None = None
    municipality_code: str | None = None
    status: Literal["applied", "active", "paused"] | None = None
    registered_at: datetime | None = None
    activated_at: datetime | None = None
    paused_at: datetime | None = None


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
