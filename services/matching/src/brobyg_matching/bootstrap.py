"""Puts matching together."""

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.matches import PostgresMatches
from brobyg_matching.adapters.queries import Queries
from brobyg_matching.adapters.tables import metadata
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.match import PROMISED, WAVE
from brobyg_matching.entrypoints.matches import matches_router
from brobyg_matching.entrypoints.offers import answers_router, offers_router
from brobyg_matching.entrypoints.volunteers import volunteers_router
from brobyg_matching.handlers import EMITS, HANDLERS
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.settings import MatchingSettings, strong
from brobyg_matching.use_cases.event_processing import EventProcessing
from brobyg_matching.use_cases.offer_responses import OfferResponses
from brobyg_matching.use_cases.registration import Registration
from brobyg_matching.use_cases.restrictions import Restrictions
from brobyg_matching.use_cases.timers import MatchingTimers


def build(resources: Resources) -> Parts:
    """The service's parts. Raises TypeError for foreign settings, and WeakKey."""
    settings = resources.settings
    if not isinstance(settings, MatchingSettings):
        raise TypeError("matching needs MatchingSettings")
    link_keys = strong("matching_link_keys", settings.matching_link_keys)
    registration_keys = strong("matching_registration_keys", settings.matching_registration_keys)
    database, clock = resources.database, resources.clock
    store, metrics = PostgresMatches(), MatchingMetrics(resources.metrics)
    queries, volunteers = Queries(database), PostgresVolunteers(database)
    responses = OfferResponses(database, store, volunteers, metrics)
    registration = Registration(database, volunteers, registration_keys)
    restrictions = Restrictions(database, store, volunteers, metrics)
    timers = MatchingTimers(store, metrics)
    return Parts(
        routers=(
            volunteers_router(clock, volunteers, registration, restrictions),
            # Before the offers' own routes: GET /offers/{id}/answer-link is the more specific.
            answers_router(queries, responses, Links(link_keys), volunteers, clock),
            offers_router(queries, responses, clock),
            matches_router(queries, responses),
        ),
        handle=EventProcessing(HANDLERS, store, metrics).handle,
        timers={WAVE: timers.waves_over, PROMISED: timers.promises_made},
    )


SERVICE = Service(
    name="matching",
    package="brobyg_matching",
    asyncapi=part_of,
    settings=MatchingSettings,
    build=build,
    metadata=metadata,
    handlers=HANDLERS,
    emits=EMITS,
    max_batch=1_000,
)
