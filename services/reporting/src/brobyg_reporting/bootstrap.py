"""Puts reporting together."""

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_reporting.adapters.tables import metadata
from brobyg_reporting.entrypoints.api import router
from brobyg_reporting.handlers import CONSUMES, EMITS, Live, read_logged
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.settings import ReportingSettings


def build(resources: Resources) -> Parts:
    """The parts of the running service."""
    live = Live(ReportingMetrics(resources.metrics))
    return Parts(
        routers=[router(resources.database)],
        handle=live.handle,
        decoders=dict.fromkeys(CONSUMES, read_logged),
    )


SERVICE = Service(
    name="reporting",
    package="brobyg_reporting",
    asyncapi=part_of,
    settings=ReportingSettings,
    build=build,
    metadata=metadata,
    consumes=CONSUMES,
    emits=EMITS,
    inbox=False,  # the event log has the event's id as its key
    max_batch=5_000,
)
