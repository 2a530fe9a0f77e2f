"""Puts reporting together."""

from collections.abc import Sequence
from functools import partial

from brobyg_contracts import reference
from brobyg_contracts.asyncapi import part_of
from brobyg_contracts.reference import Reference
from brobyg_kit.export_api import export_router
from brobyg_kit.replica import Copy
from brobyg_kit.service import Parts, Resources, Service

from brobyg_reporting.adapters.grants import GRANTS
from brobyg_reporting.adapters.holdings import HOLDINGS
from brobyg_reporting.adapters.processes import BuildProcess
from brobyg_reporting.adapters.queries import Queries
from brobyg_reporting.adapters.retention import RETENTION
from brobyg_reporting.adapters.status import projections, readiness
from brobyg_reporting.adapters.tables import metadata
from brobyg_reporting.adapters.versions import pooled, within
from brobyg_reporting.entrypoints.api import routers
from brobyg_reporting.handlers import EMITS, HANDLERS, TOPICS, read
from brobyg_reporting.metrics import ReportingMetrics
from brobyg_reporting.settings import ReportingSettings
from brobyg_reporting.use_cases.live import Live
from brobyg_reporting.use_cases.upgrade import Upgrade, create_first
from brobyg_reporting.use_cases.worklist import count_open

#: Names of places and departments, as they are now.
REFERENCE = Copy(reference.TOPIC, reference.KINDS, Reference)


def build(resources: Resources) -> Parts:
    """The parts of the running service."""
    database = resources.database
    metrics = ReportingMetrics(resources.metrics)
    live = Live(within, HANDLERS, metrics)
    builder = BuildProcess(resources.settings.kafka, database.url)
    connect = partial(pooled, database)
    check = partial(readiness, database)
    resources.health.checks["projections"] = check

    async def upgrade() -> None:
        running = Upgrade(connect, builder, resources.health.heartbeat("version"))
        resources.health.checks["projections"] = partial(check, lambda: running.note)
        await running.run()

    async def open_items() -> Sequence[tuple[str, str, int]]:
        async with connect() as versions:
            shown = await versions.live()
        return await Queries(database).open_items() if shown else ()

    return Parts(
        routers=[
            *routers(database, resources.replica(REFERENCE)),
            export_router(
                database,
                "reporting",
                HOLDINGS,
                acts=dict.fromkeys(HOLDINGS.sections, "collect-export"),
            ),
        ],
        handle=live.handle,
        figures={"projections": partial(projections, database)},
        retention=RETENTION,
        decoders=dict.fromkeys(TOPICS, read),
        starts={"first version": partial(create_first, connect)},
        workers={"version": upgrade, "worklist": partial(count_open, open_items, metrics)},
    )


SERVICE = Service(
    name="reporting",
    package="brobyg_reporting",
    settings=ReportingSettings,
    build=build,
    metadata=metadata,
    helps={"projections": "brobyg reporting status", "version": "brobyg reporting status"},
    grants=GRANTS,
    handlers=HANDLERS,
    emits=EMITS,
    copies=(REFERENCE,),
    asyncapi=part_of,
    inbox=False,  # the event log has the event's id as its key
    max_batch=5_000,
    gather=0.2,
)
