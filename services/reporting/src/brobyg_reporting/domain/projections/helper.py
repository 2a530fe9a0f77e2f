"""Each helper: pools, departments and whether they can be asked.

Their hours are summed over matches in a view.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import HelperActivated, HelperPaused, HelperRegistered
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class HelperRow(msgspec.Struct, gc=False):
    """One helper, all of it from brobyg.matching.v1 (key helper_id)."""

    helper_id: Annotated[str, Doc("Opaque id.")]
    pools: Annotated[Sequence[str], Doc("Pools they belong to.")] = ()
    departments: Annotated[Sequence[str], Doc("Departments they serve.")] = ()
    municipality_code: Annotated[str | None, Doc("Municipality they live in.")] = None
    status: Annotated[
        Literal["applied", "active", "paused"] | None, Doc("applied, active or paused.")
    ] = None
    registered_at: Annotated[datetime | None, Doc("Latest registration, UTC.")] = None
    activated_at: Annotated[datetime | None, Doc("Latest activation, UTC.")] = None
    paused_at: Annotated[datetime | None, Doc("Latest pause, UTC.")] = None


HELPER = Projection("helper", HelperRow)


@HELPER.on(HelperRegistered)
def _registered(row: HelperRow, event: HelperRegistered, time: datetime) -> None:
    row.pools, row.departments = event.pools, event.departments
    row.municipality_code = event.municipality_code
    row.status, row.registered_at = "applied", time


@HELPER.on(HelperActivated)
def _activated(row: HelperRow, event: HelperActivated, time: datetime) -> None:
    row.status, row.activated_at = "active", time


@HELPER.on(HelperPaused)
def _paused(row: HelperRow, event: HelperPaused, time: datetime) -> None:
    row.status, row.paused_at = "paused", time
