"""Puts the referral service together."""

from functools import partial
from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_referral.adapters.appointments import PostgresAppointments
from brobyg_referral.adapters.citizens import PostgresCitizens
from brobyg_referral.adapters.referrals import PostgresReferrals
from brobyg_referral.adapters.secrets import Vault
from brobyg_referral.adapters.tables import metadata
from brobyg_referral.domain.hashing import Hasher
from brobyg_referral.entrypoints import api, fhir
from brobyg_referral.entrypoints.fhir_rendering import render
from brobyg_referral.entrypoints.hospital_requests import HospitalRequests
from brobyg_referral.handlers import EMITS, HANDLERS
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.reference.adapters.entries import PostgresEntries
from brobyg_referral.reference.entrypoints import api as reference_api
from brobyg_referral.reference.use_cases.records import ReferenceRecords
from brobyg_referral.settings import ReferralSettings
from brobyg_referral.use_cases.hospital_records import HOSPITAL_TOPIC, HospitalRecords
from brobyg_referral.use_cases.intake import Intake
from brobyg_referral.use_cases.referrals import Referrals


def build(resources: Resources) -> Parts:
    """The service's parts. Connects nothing."""
    settings = cast("ReferralSettings", resources.settings)
    database, metrics = resources.database, ReferralMetrics(resources.metrics)
    hasher, appointments = Hasher(settings.cpr_key()), PostgresAppointments()
    citizens = PostgresCitizens(Vault(settings.encryption_keys()))
    referrals = Referrals(citizens, PostgresReferrals(), appointments, hasher, metrics)
    intake = Intake(appointments, hasher, metrics, settings.rising_versions())
    records = HospitalRecords(intake, hasher, settings.referral_kafka_organisation)
    (on_record,) = HANDLERS
    return Parts(
        routers=[
            api.create_router(database, referrals, appointments),
            fhir.create_router(HospitalRequests(database, intake, appointments)),
            reference_api.create_router(database, ReferenceRecords(PostgresEntries())),
        ],
        renderers={"/fhir": render},
        handle=partial(on_record.function, records),
        decoders={HOSPITAL_TOPIC: records.decode},
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
)
