"""Puts the referral service together."""

from functools import partial
from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_contracts.attention import ATTENTION_OUTCOMES
from brobyg_kit.attention_api import attention_router
from brobyg_kit.database import Database
from brobyg_kit.erasure_api import erasure_router
from brobyg_kit.erasure_proof import ErasureProof
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.retention import Carrier
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.sign_in_api import sign_in_router
from fastapi import APIRouter

from brobyg_referral.cases.adapters.appointments import PostgresAppointments
from brobyg_referral.cases.adapters.attention import PostgresOpenItems
from brobyg_referral.cases.adapters.consents import PostgresConsents
from brobyg_referral.cases.adapters.referrals import PostgresReferrals, helped, referred_by
from brobyg_referral.cases.adapters.requests import PostgresRequests
from brobyg_referral.cases.adapters.retention import DELETED as CASES_DELETED
from brobyg_referral.cases.adapters.retention import PostgresCourses
from brobyg_referral.cases.adapters.sessions import PostgresSessions
from brobyg_referral.cases.adapters.withheld import PostgresWithheldItems
from brobyg_referral.cases.entrypoints import accesses, api, citizen_search, export, restriction
from brobyg_referral.cases.entrypoints import consents as consents_api
from brobyg_referral.cases.entrypoints import guardians as guardians_api
from brobyg_referral.cases.entrypoints.problems import ReferralRoute
from brobyg_referral.cases.use_cases.access import own_departments
from brobyg_referral.cases.use_cases.appointments import Appointments
from brobyg_referral.cases.use_cases.attention import ATTENTION, AppointmentsOver
from brobyg_referral.cases.use_cases.citizen_search import CitizenSearch
from brobyg_referral.cases.use_cases.consents import Consents
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.erasure import ERASURES, Erasing
from brobyg_referral.cases.use_cases.guardians import Guardians
from brobyg_referral.cases.use_cases.referrals import Referrals
from brobyg_referral.cases.use_cases.repeats import Repeats
from brobyg_referral.cases.use_cases.restriction import Restricting
from brobyg_referral.cases.use_cases.retention import CitizensOver
from brobyg_referral.cases.use_cases.sessions import Sessions
from brobyg_referral.cases.use_cases.timers import APPOINTMENT_OVER, OWN_CONSENT, SESSION_OVER
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
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.reference.adapters.entries import CurrentReference, PostgresEntries
from brobyg_referral.reference.entrypoints import api as reference_api
from brobyg_referral.reference.use_cases.records import ReferenceRecords
from brobyg_referral.settings import ReferralSettings


class _Stores:
    """What is in the database, and the keys to it."""

    def __init__(self, settings: ReferralSettings) -> None:
        self.hasher = Hasher(settings.cpr_key())
        self.keys = PersonKeys(person_key, settings.vault())
        self.citizens = PostgresCitizens(self.keys, self.hasher)
        self.names = PostgresNameIndex(self.hasher, referred_by, helped)
        self.referrals, self.consents = PostgresReferrals(), PostgresConsents()
        self.appointments, self.sessions = PostgresAppointments(), PostgresSessions()
        self.courses, self.requests = PostgresCourses(), PostgresRequests()
        self.items, self.withheld = PostgresOpenItems(), PostgresWithheldItems()
        self.counts, self.entries = PostgresIntakeCounts(), PostgresEntries()
        self.reference = CurrentReference(self.entries)


class _UseCases:
    """What can be done."""

    def __init__(self, of: _Stores, settings: ReferralSettings, metrics: ReferralMetrics) -> None:
        citizens, referrals, reference = of.citizens, of.referrals, of.reference
        repeats = Repeats(of.requests, of.hasher)
        ending = Ending(referrals, of.consents, of.appointments, metrics)
        self.consents = Consents(citizens, referrals, of.consents, ending, reference)
        self.referrals = Referrals(
            citizens, referrals, self.consents, repeats, reference, of.hasher, metrics
        )
        self.erasing = Erasing(
            citizens, referrals, of.requests, of.courses, of.items, reference, ending
        )
        self.restricting = Restricting(
            citizens, referrals, of.appointments, of.withheld, of.items, of.courses, reference
        )
        self.guardians = Guardians(citizens, referrals, of.consents, of.items, reference)
        self.over = CitizensOver(of.courses, citizens, referrals, reference, self.erasing)
        self.entered = Appointments(referrals, of.appointments, repeats, reference)
        self.appointments_over = AppointmentsOver(of.appointments, of.items)
        self.sessions = Sessions(of.sessions, repeats, reference)
        self.search = CitizenSearch(of.names, citizens, reference)
        rising = settings.rising_versions()
        self.intake = Intake(
            citizens, of.appointments, of.counts, of.withheld, of.hasher, metrics, rising
        )
        sender = settings.referral_kafka_organisation
        self.records = HospitalRecords(self.intake, reference, of.hasher, sender)


def build(resources: Resources) -> Parts:
    """The service's parts. Connects nothing."""
    settings = cast("ReferralSettings", resources.settings)
    database, of = resources.database, _Stores(settings)
    resources.health.checks["keys"] = partial(of.keys.check, database)
    does = _UseCases(of, settings, ReferralMetrics(resources.metrics))
    return Parts(
        routers=_routers(database, of, does),
        renderers={"/fhir": render},
        figures={"rejections": partial(_rejections, database, of.counts)},
        handle=handle_with(Reactions(does.records, does.erasing)),
        erase=does.erasing.again,
        workers={
            "erasure_proof": ErasureProof(database, resources.address).run,
            "name_rebuild": NameRebuild(database, of.citizens, of.hasher).run,
        },
        decoders={HOSPITAL_TOPIC: does.records.decode},
        timers={
            APPOINTMENT_OVER: does.appointments_over.fire,
            OWN_CONSENT: does.guardians.fire,
            SESSION_OVER: does.sessions.close_over,
        },
        retention={
            "citizen_ended": Carrier(does.over.ended, batch=1),
            "citizen_silent": Carrier(does.over.silent, batch=1, warn=does.over.tell_of_silent),
            **CASES_DELETED,
        },
    )


async def _rejections(database: Database, counts: PostgresIntakeCounts) -> int:
    """How many of the hospital's messages were refused as broken, since the beginning."""
    async with database.transaction() as tx:
        return (await counts.totals(tx)).get("rejected", 0)


def _routers(database: Database, of: _Stores, does: _UseCases) -> list[APIRouter]:
    requests = HospitalRequests(database, does.intake, of.appointments, of.reference)
    erasing = does.erasing
    return [
        api.create_router(database, does.referrals, erasing, does.entered, does.sessions),
        citizen_search.create_router(database, does.search),
        consents_api.create_router(database, does.consents),
        guardians_api.create_router(database, does.guardians),
        restriction.create_router(database, does.restricting),
        accesses.create_router(database, erasing),
        sign_in_router(
            database,
            "citizens",
            of.names.of_address,
            of.citizens.is_kept,
            act="find-who-signs-in",
            route_class=ReferralRoute,
        ),
        export.create_router(database, holdings(of.citizens), of.citizens, erasing),
        counts_api.create_router(database, of.counts),
        fhir.create_router(requests),
        attention_router(
            database,
            ATTENTION,
            act="work-on-attention",
            outcomes=ATTENTION_OUTCOMES,
            departments_of=partial(own_departments, of.reference, "work-on-attention"),
        ),
        erasure_router(database, act="erase-citizen", may_see=erasing.may_see),
        reference_api.create_router(database, ReferenceRecords(of.entries)),
    ]


SERVICE = Service(
    name="referral",
    package="brobyg_referral",
    asyncapi=part_of,
    settings=ReferralSettings,
    handlers=HANDLERS,
    emits=EMITS,
    build=build,
    metadata=metadata,
    helps={"keys": "brobyg referral keys status"},
    erasures=ERASURES,
)
