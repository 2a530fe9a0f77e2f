"""Puts the service together."""

from typing import cast

from brobyg_contracts.asyncapi import part_of
from brobyg_kit.service import Parts, Resources, Service

from brobyg_notification import readiness
from brobyg_notification.adapters.database import NoticeStore
from brobyg_notification.adapters.http import HttpPeople
from brobyg_notification.adapters.smtp import SmtpPostbox
from brobyg_notification.adapters.tables import metadata
from brobyg_notification.entrypoints import api
from brobyg_notification.handlers import CONSUMES, EMITS, handle_with
from brobyg_notification.metrics import NotificationMetrics
from brobyg_notification.sending import Sending
from brobyg_notification.settings import NotificationSettings
from brobyg_notification.worker import Sender


def build(resources: Resources) -> Parts:
    """The parts of one process of this service. Connects nothing."""
    settings = cast("NotificationSettings", resources.settings)
    metrics = NotificationMetrics(resources.metrics)
    referral, matching = (
        resources.internal(settings.referral_url),
        resources.internal(settings.matching_url),
    )
    postbox = SmtpPostbox(
        settings.notification_smtp.get_secret_value(), connections=settings.notification_concurrency
    )
    sending = Sending(
        people=HttpPeople(referral, matching),
        postbox=postbox,
        clock=resources.clock,
        sender=settings.notification_sender,
        portal_url=settings.portal_url.rstrip("/"),
        coordinators=settings.coordinators,
        coordinator_language=settings.notification_coordinator_language,
    )
    store = NoticeStore(resources.database)
    resources.health.checks["mail"] = readiness.mail_goes_out(store)
    resources.health.checks["coordinators"] = readiness.departments_have_addresses(
        settings.coordinators
    )
    sender = Sender(
        store,
        sending,
        resources.clock,
        metrics,
        resources.health,
        concurrency=settings.notification_concurrency,
    )
    return Parts(
        routers=[api.router(resources.database)],
        handle=handle_with(metrics),
        workers={"sender": sender.run},
        closers=[postbox.close, referral.aclose, matching.aclose],
    )


SERVICE = Service(
    name="notification",
    package="brobyg_notification",
    asyncapi=part_of,
    settings=NotificationSettings,
    build=build,
    metadata=metadata,
    consumes=CONSUMES,
    emits=EMITS,
)
