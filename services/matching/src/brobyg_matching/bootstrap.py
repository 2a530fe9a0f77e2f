"""Puts matching together."""

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_matching.adapters.database import PostgresStore
from brobyg_matching.adapters.reads import Reads
from brobyg_matching.adapters.tables import metadata
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.answering import Answering, Links
from brobyg_matching.domain.match import PROMISED, WAVE
from brobyg_matching.entrypoints.matches import matches_router
from brobyg_matching.entrypoints.offers import answers_router, offers_router
from brobyg_matching.entrypoints.volunteers import volunteers_router
from brobyg_matching.handlers import CONSUMES, EMITS
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.parting import Parting
from brobyg_matching.registering import Registering
from brobyg_matching.running import Running
from brobyg_matching.settings import MatchingSettings


def build(resources: Resources) -> Parts:
    """The service's parts. Raises TypeError or ValueError when its settings don't do."""
    settings = resources.settings
    if not isinstance(settings, MatchingSettings):
        raise TypeError("matching needs MatchingSettings")
    database, clock = resources.database, resources.clock
    store, metrics = PostgresStore(), MatchingMetrics(resources.metrics)
    reads, volunteers = Reads(database), PostgresVolunteers(database)
    answering = Answering(database, store, metrics)
    secret = settings.matching_link_key.get_secret_value()
    links, registering = Links(secret), Registering(database, volunteers, secret)
    running = Running(store, metrics)
    return Parts(
        routers=(
            volunteers_router(database, volunteers, registering, Parting(database, store, metrics)),
            # Before the offers' own routes: /offers/{id}/answer-link is a GET, and clearer first.
            answers_router(reads, answering, links, volunteers, clock),
            offers_router(reads, answering, clock),
            matches_router(reads, answering),
        ),
        handle=running.handle,
        timers={WAVE: running.waves_over, PROMISED: running.promises_made},
    )


SERVICE = Service(
    name="matching",
    package="brobyg_matching",
    asyncapi=part_of,
    settings=MatchingSettings,
    build=build,
    metadata=metadata,
    consumes=tuple(CONSUMES),
    emits=EMITS,
    max_batch=1_000,
)
