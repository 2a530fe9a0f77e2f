"""Each helper: pools, departments and whether they can be asked.

Their hours are summed over matches in a view.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from brobyg_contracts import (
    HelperActivated,
    HelperErased,
    HelperPaused,
    HelperRegistered,
    HelperRestricted,
    HelperUnrestricted,
)
from typing_extensions import Doc

from brobyg_reporting.domain.projection import Projection


class HelperRow(msgspec.Struct, gc=False):
    """One helper, all of it from brobyg.matching.v1 (key helper_id)."""

    helper_id: Annotated[str, Doc("Opaque id.")]
    pools: Annotated[Sequence[str], Doc("Pools they belong to.")] = ()
    departments: Annotated[Sequence[str], Doc("Departments they serve.")] = ()
    municipality_code: Annotated[str | None, Doc("Municipality they live in.")] = None
    status: Annotated[
        Literal["applied", "active", "paused", "erased"] | None,
        Doc("applied, active, paused or erased."),
    ] = None
    registered_at: Annotated[datetime | None, Doc("Latest registration, UTC.")] = None
    activated_at: Annotated[datetime | None, Doc("Latest activation, UTC.")] = None
    paused_at: Annotated[datetime | None, Doc("Latest pause, UTC.")] = None
    restricted_at: Annotated[
        datetime | None, Doc("Since when processing is restricted, UTC; null when it is not.")
    ] = None
    restriction_reason: Annotated[str | None, Doc("Why it was restricted last.")] = None
    erased_at: Annotated[datetime | None, Doc("When they were first erased, UTC.")] = None
    erasure_reason: Annotated[str | None, Doc("Why they were erased first.")] = None


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


@HELPER.on(HelperRestricted)
def _restricted(row: HelperRow, event: HelperRestricted, time: datetime) -> None:
    row.restricted_at, row.restriction_reason = time, event.reason


@HELPER.on(HelperUnrestricted)
def _unrestricted(row: HelperRow, event: HelperUnrestricted, time: datetime) -> None:
    row.restricted_at = None


@HELPER.on(HelperErased)
def _erased(row: HelperRow, event: HelperErased, time: datetime) -> None:
    row.status = "erased"
    if row.erased_at is None:
        row.erased_at, row.erasure_reason = time, event.reason
