"""Puts matching together."""

from functools import partial

from brobyg_contracts import CitizenRecorded, HelperErased, reference
from brobyg_contracts.asyncapi import part_of
from brobyg_contracts.attention import ATTENTION_OUTCOMES
from brobyg_contracts.reference import Reference
from brobyg_kit.attention_api import attention_router
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.replica import Copy
from brobyg_kit.retention import Carrier
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.sign_in_api import sign_in_router

from brobyg_matching.adapters.contacts import Lookups, SealedContacts
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.links import Links
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.adapters.queries import Queries
from brobyg_matching.adapters.retention import RETENTION
from brobyg_matching.adapters.rosters import ResidentRosters
from brobyg_matching.adapters.saving import ATTENTION, ERASURES
from brobyg_matching.adapters.tables import metadata, person_key
from brobyg_matching.domain.need import CAPACITY, ENDED, RECHECK, SEARCH
from brobyg_matching.entrypoints.answer_links import answers_router
from brobyg_matching.entrypoints.helpers import helpers_router
from brobyg_matching.entrypoints.needs import needs_router
from brobyg_matching.entrypoints.offers import offers_router
from brobyg_matching.entrypoints.rights import (
    accesses_of_helpers,
    erasures_router,
    exports_router,
    rights_router,
)
from brobyg_matching.entrypoints.scope import Scope
from brobyg_matching.handlers import EMITS, HANDLERS
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.settings import MatchingSettings, strong
from brobyg_matching.use_cases.answers import Answers
from brobyg_matching.use_cases.boards import Boards
from brobyg_matching.use_cases.event_processing import EventProcessing, citizen_of
from brobyg_matching.use_cases.registration import Registration
from brobyg_matching.use_cases.rights import HelperRights
from brobyg_matching.use_cases.timers import MatchingTimers

#: Places, departments, pools, postcodes and calendars.
REFERENCE = Copy(reference.TOPIC, reference.KINDS, Reference)


def build(resources: Resources) -> Parts:
    """The service's parts. Raises TypeError for foreign settings, and WeakKey."""
    settings = resources.settings
    if not isinstance(settings, MatchingSettings):
        raise TypeError("matching needs MatchingSettings")
    link_keys = strong("matching_link_keys", settings.matching_link_keys)
    registration_keys = strong("matching_registration_keys", settings.matching_registration_keys)
    database, clock, replica = resources.database, resources.clock, resources.replica(REFERENCE)
    keys = PersonKeys(person_key, settings.vault())
    resources.health.checks["keys"] = partial(keys.check, database)
    contacts = SealedContacts(keys, Lookups(settings.lookup_key()))
    metrics, helpers = MatchingMetrics(resources.metrics), PostgresHelpers(database, contacts)
    boards = Boards(PostgresNeeds(), helpers, ResidentRosters(), replica, metrics)
    queries, scope = Queries(database, replica), Scope(replica)
    answers = Answers(database, boards, metrics)
    registration = Registration(database, boards, registration_keys)
    rights = HelperRights(database, boards, ERASURES)
    timers, processing = MatchingTimers(boards), EventProcessing(HANDLERS, boards)

    async def erase_again(tx: Transaction, event: Event) -> None:
        own = event.type == HelperErased.EVENT_TYPE
        await (rights.again if own else processing.handle_one)(tx, event)

    return Parts(
        routers=(
            helpers_router(clock, helpers, registration, answers, scope),
            rights_router(rights, scope),
            erasures_router(database, rights, scope),
            exports_router(database, helpers, scope),
            accesses_of_helpers(database, helpers, scope),
            sign_in_router(
                database,
                "volunteers",
                contacts.sign_in_ids,
                contacts.may_sign_in,
                act="find-who-signs-in",
            ),
            # Before the offers' own routes: GET /offers/{id}/answer-link is the more specific.
            answers_router(queries, answers, Links(link_keys), helpers, clock, scope),
            offers_router(queries, answers, clock, scope),
            needs_router(queries, answers, scope),
            attention_router(
                database,
                ATTENTION,
                act="work-on-attention",
                outcomes=ATTENTION_OUTCOMES,
                departments_of=partial(scope.stored_departments, "work-on-attention"),
            ),
        ),
        handle=processing.handle,
        erase=erase_again,
        timers={
            SEARCH: timers.searches_due,
            RECHECK: timers.helpers_changed,
            ENDED: timers.helpers_ended,
            CAPACITY: timers.capacity_free,
        },
        retention={"helper_left": Carrier(rights.over, batch=20), **RETENTION},
    )


SERVICE = Service(
    name="matching",
    package="brobyg_matching",
    asyncapi=part_of,
    settings=MatchingSettings,
    build=build,
    metadata=metadata,
    helps={"keys": "brobyg matching keys status"},
    handlers=HANDLERS,
    emits=EMITS,
    copies=(REFERENCE,),
    compacted=(CitizenRecorded.TOPIC,),
    erasures=ERASURES,
    locked_by=citizen_of,
)
