"""Puts the referral service together."""

from functools import partial
from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_contracts.attention import ATTENTION_OUTCOMES
from brobyg_kit.attention_api import attention_router
from brobyg_kit.erasure_api import erasure_router
from brobyg_kit.erasure_proof import ErasureProof
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.retention import Carrier
from brobyg_kit.service import Parts, Resources, Service

from brobyg_referral.cases.adapters.appointments import PostgresAppointments
from brobyg_referral.cases.adapters.attention import PostgresOpenItems
from brobyg_referral.cases.adapters.consents import PostgresConsents
from brobyg_referral.cases.adapters.referrals import PostgresReferrals, referred_by
from brobyg_referral.cases.adapters.requests import PostgresRequests
from brobyg_referral.cases.adapters.retention import DELETED as CASES_DELETED
from brobyg_referral.cases.adapters.retention import PostgresCourses
from brobyg_referral.cases.adapters.sessions import PostgresSessions
from brobyg_referral.cases.adapters.withheld import PostgresWithheldItems
from brobyg_referral.cases.entrypoints import api, citizen_search, export, restriction
from brobyg_referral.cases.entrypoints import consents as consents_api
from brobyg_referral.cases.entrypoints import guardians as guardians_api
from brobyg_referral.cases.use_cases.access import own_departments
from brobyg_referral.cases.use_cases.appointments import Appointments
from brobyg_referral.cases.use_cases.attention import ATTENTION, OVER, AppointmentsOver
from brobyg_referral.cases.use_cases.citizen_search import CitizenSearch
from brobyg_referral.cases.use_cases.consents import Consents
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.erasure import ERASURES, Erasing
from brobyg_referral.cases.use_cases.guardians import OWN_CONSENT, Guardians
from brobyg_referral.cases.use_cases.referrals import Referrals
from brobyg_referral.cases.use_cases.repeats import Repeats
from brobyg_referral.cases.use_cases.restriction import Restricting
from brobyg_referral.cases.use_cases.retention import CitizensOver
from brobyg_referral.cases.use_cases.sessions import OVER as SESSION_OVER
from brobyg_referral.cases.use_cases.sessions import Sessions
from brobyg_referral.handlers import EMITS, HANDLERS, Reactions, handle_with
from brobyg_referral.holdings import holdings
from brobyg_referral.hospital.adapters.counts import PostgresIntakeCounts
from brobyg_referral.hospital.entrypoints import counts as counts_api
from brobyg_referral.hospital.entrypoints import fhir
from brobyg_referral.hospital.entrypoints.fhir_rendering import render
from brobyg_referral.hospital.entrypoints.hospital_requests import HospitalRequests
from brobyg_referral.hospital.use_cases.hospital_records import HOSPITAL_TOPIC, HospitalRecords
from brobyg_referral.hospital.use_cases.intake import Intake
from brobyg_referral.metadata import metadata
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.name_index import PostgresNameIndex
from brobyg_referral.people.adapters.name_rebuild import NameRebuild
from brobyg_referral.people.adapters.retention import DELETED as PEOPLE_DELETED
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.reference.adapters.entries import CurrentReference, PostgresEntries
from brobyg_referral.reference.entrypoints import api as reference_api
from brobyg_referral.reference.use_cases.records import ReferenceRecords
from brobyg_referral.settings import ReferralSettings


def build(resources: Resources) -> Parts:
    """The service's parts. Connects nothing."""
    settings = cast("ReferralSettings", resources.settings)
    database, metrics = resources.database, ReferralMetrics(resources.metrics)
    entries = PostgresEntries()
    reference = CurrentReference(entries)
    hasher, appointments = Hasher(settings.cpr_key()), PostgresAppointments()
    keys, counts = PersonKeys(person_key, settings.vault()), PostgresIntakeCounts()
    resources.health.checks["keys"] = partial(keys.check, database)
    citizens, index = PostgresCitizens(keys, hasher), PostgresNameIndex(hasher, referred_by)
    referral_store, consent_store = PostgresReferrals(), PostgresConsents()
    requests = PostgresRequests()
    repeats = Repeats(requests, hasher)
    ending = Ending(referral_store, consent_store, appointments, metrics)
    consents = Consents(citizens, referral_store, consent_store, ending, reference)
    referrals = Referrals(citizens, referral_store, consents, repeats, reference, hasher, metrics)
    courses, withheld, items = PostgresCourses(), PostgresWithheldItems(), PostgresOpenItems()
    erasing = Erasing(citizens, referral_store, requests, courses, reference, ending)
    restricting = Restricting(citizens, referral_store, appointments, withheld, courses, reference)
    guardians = Guardians(citizens, referral_store, consent_store, items, reference)
    over = CitizensOver(courses, citizens, referral_store, reference, erasing)
    entered = Appointments(referral_store, appointments, repeats, reference)
    sessions = Sessions(PostgresSessions(), repeats, reference)
    rising = settings.rising_versions()
    intake = Intake(citizens, appointments, counts, withheld, hasher, metrics, rising)
    records = HospitalRecords(intake, reference, hasher, settings.referral_kafka_organisation)
    return Parts(
        routers=[
            api.create_router(database, referrals, erasing, entered, sessions),
            citizen_search.create_router(database, CitizenSearch(index, citizens, reference)),
            consents_api.create_router(database, consents),
            guardians_api.create_router(database, guardians),
            restriction.create_router(database, restricting),
            export.create_router(database, holdings(citizens), citizens, erasing),
            counts_api.create_router(database, counts),
            fhir.create_router(HospitalRequests(database, intake, appointments, reference)),
            attention_router(
                database,
                ATTENTION,
                roles=["coordinator"],
                outcomes=ATTENTION_OUTCOMES,
                departments_of=partial(own_departments, reference),
            ),
            erasure_router(database, act="erase-citizen", may_see=erasing.may_see),
            reference_api.create_router(database, ReferenceRecords(entries)),
        ],
        renderers={"/fhir": render},
        handle=handle_with(Reactions(records, erasing)),
        erase=erasing.again,
        workers={
            "erasure_proof": ErasureProof(database, resources.address).run,
            "name_rebuild": NameRebuild(database, citizens, hasher).run,
        },
        decoders={HOSPITAL_TOPIC: records.decode},
        timers={
            OVER: AppointmentsOver(appointments, items).fire,
            OWN_CONSENT: guardians.fire,
            SESSION_OVER: sessions.close_over,
        },
        retention={
            "citizen_ended": Carrier(over.ended, batch=1),
            "citizen_silent": Carrier(over.silent, batch=1, warn=over.tell_of_silent),
            **CASES_DELETED,
            **PEOPLE_DELETED,
        },
    )


SERVICE = Service(
    name="referral",
    package="brobyg_referral",
    asyncapi=part_of,
    settings=ReferralSettings,
    handlers=HANDLERS,
    emits=EMITS,
    build=build,
    metadata=metadata,
    erasures=ERASURES,
)
