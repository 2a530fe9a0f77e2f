"""Puts the service together."""

from collections.abc import Sequence
from functools import partial
from typing import cast

from brobyg_contracts import reference
from brobyg_contracts.access import listed_departments
from brobyg_contracts.asyncapi import part_of
from brobyg_contracts.attention import ATTENTION_OUTCOMES
from brobyg_contracts.reference import Reference
from brobyg_kit.attention_api import attention_router
from brobyg_kit.auth import Caller
from brobyg_kit.catalogues import languages
from brobyg_kit.clock import WallClock
from brobyg_kit.database import Transaction
from brobyg_kit.export_api import export_router
from brobyg_kit.replica import Copy
from brobyg_kit.service import Parts, Resources, Service

from brobyg_notification import readiness
from brobyg_notification.adapters.delivery_queue import PostgresDeliveryQueue
from brobyg_notification.adapters.holdings import HOLDINGS
from brobyg_notification.adapters.mail import compose
from brobyg_notification.adapters.notices import ERASURES, PostgresNotices
from brobyg_notification.adapters.people import HttpPeople
from brobyg_notification.adapters.retention import RETENTION
from brobyg_notification.adapters.smtp import SmtpTransport
from brobyg_notification.adapters.tables import metadata
from brobyg_notification.domain.attention import ATTENTION
from brobyg_notification.entrypoints import api, sign_in_links
from brobyg_notification.handlers import EMITS, HANDLERS
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.settings import NotificationSettings
from brobyg_notification.texts import FOLDER
from brobyg_notification.use_cases.delivery import Delivery
from brobyg_notification.use_cases.delivery_worker import DeliveryWorker
from brobyg_notification.use_cases.planning import handle_with
from brobyg_notification.use_cases.sign_in_links import SignInLinks

#: The service's copy of the reference data.
REFERENCE = Copy(reference.TOPIC, reference.KINDS, Reference)


def build(resources: Resources) -> Parts:
    """The parts of one process of this service. Connects nothing."""
    settings = cast("NotificationSettings", resources.settings)
    clock, health = resources.clock, resources.health
    metrics = NotificationMetrics(resources.metrics)
    replica = resources.replica(REFERENCE)
    referral = resources.internal(settings.referral_url)
    matching = resources.internal(settings.matching_url)
    transport = SmtpTransport(
        settings.notification_smtp.get_secret_value(), connections=settings.notification_concurrency
    )
    delivery = Delivery(
        people=HttpPeople(referral, matching),
        compose=partial(compose, settings.notification_sender),
        transport=transport,
        clock=clock,
        metrics=metrics,
        reference=lambda: replica.latest,
        portal_url=settings.portal_url.rstrip("/"),
        coordinators=settings.notification_coordinators,
        languages=languages(FOLDER),
        default_language=settings.default_language,
    )
    links = SignInLinks(
        delivery.people,
        delivery.compose,
        transport,
        WallClock(),
        metrics,
        portal_url=delivery.portal_url,
        languages=delivery.languages,
        default_language=delivery.default_language,
    )
    queue = PostgresDeliveryQueue(resources.database)
    health.checks["mail"] = readiness.mail_goes_out(queue)
    health.checks["coordinators"] = readiness.departments_have_addresses(
        delivery.reference, settings.notification_coordinators
    )
    worker = DeliveryWorker(
        queue, delivery, clock, metrics, health, concurrency=settings.notification_concurrency
    )

    handle = handle_with(PostgresNotices(), metrics)

    async def departments_of(
        act: str, transaction: Transaction, caller: Caller
    ) -> Sequence[str] | None:
        """All ids that what the caller has of it in a list may be stored by; None for all."""
        return listed_departments(caller, act, await replica.get(transaction))

    return Parts(
        routers=[
            api.router(resources.database, partial(departments_of, "read-notifications")),
            sign_in_links.router(links),
            export_router(
                resources.database,
                "notification",
                HOLDINGS,
                acts=dict.fromkeys(HOLDINGS.sections, "collect-export"),
            ),
            attention_router(
                resources.database,
                ATTENTION,
                act="work-on-attention",
                outcomes=ATTENTION_OUTCOMES,
                departments_of=partial(departments_of, "work-on-attention"),
            ),
        ],
        handle=handle,
        erase=lambda transaction, event: handle(transaction, [event]),
        workers={"delivery": worker.run},
        retention=RETENTION,
        closers=[links.close, transport.close, referral.aclose, matching.aclose],
    )


SERVICE = Service(
    name="notification",
    package="brobyg_notification",
    asyncapi=part_of,
    settings=NotificationSettings,
    build=build,
    metadata=metadata,
    helps={
        "mail": "brobyg local start mail",
        "delivery": "brobyg local start mail",
        "coordinators": "brobyg config",
    },
    handlers=HANDLERS,
    emits=EMITS,
    copies=(REFERENCE,),
    erasures=ERASURES,
)
