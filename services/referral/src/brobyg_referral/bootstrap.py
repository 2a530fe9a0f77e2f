"""Puts the referral service together."""

from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_referral.adapters.appointments import PostgresAppointments
from brobyg_referral.adapters.citizens import Citizens, Referrals
from brobyg_referral.adapters.secrets import Hasher, Vault
from brobyg_referral.adapters.tables import metadata
from brobyg_referral.entrypoints import api, fhir
from brobyg_referral.entrypoints.door import Door
from brobyg_referral.fhir.rendering import render
from brobyg_referral.handlers import CONSUMES, EMITS, HOSPITAL_TOPIC
from brobyg_referral.intake import Intake
from brobyg_referral.kafka_door import KafkaDoor
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.referrals import ReferralDesk
from brobyg_referral.settings import ReferralSettings


def build(resources: Resources) -> Parts:
    """The service's parts. Connects nothing."""
    settings = cast("ReferralSettings", resources.settings)
    metrics = ReferralMetrics(resources.metrics)
    hasher, store = Hasher(settings.cpr_key()), PostgresAppointments()
    intake = Intake(store, hasher, metrics)
    kafka_door = KafkaDoor(intake, hasher, settings.referral_kafka_organisation)
    desk = ReferralDesk(Citizens(Vault(settings.encryption_keys())), Referrals(), hasher, metrics)
    return Parts(
        routers=[
            api.create_router(resources.database, desk),
            fhir.create_router(Door(resources.database, intake, store)),
        ],
        renderers={"/fhir": render},
        handle=kafka_door.handle,
        decoders={HOSPITAL_TOPIC: kafka_door.decoder()},
    )


SERVICE = Service(
    name="referral",
    package="brobyg_referral",
    asyncapi=part_of,
    settings=ReferralSettings,
    consumes=CONSUMES,
    emits=EMITS,
    build=build,
    metadata=metadata,
)
