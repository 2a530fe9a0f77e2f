"""What reporting consumes: every event of the history. It emits none.

A row's event is a whole topic: what is done is the same for each event, and the projections say how
they fold it. `loads` are the projections whose rows the topic's events change. The reference data
is copied beside (`bootstrap.REFERENCE`), as names are no history.
"""

from collections.abc import Sequence

from brobyg_kit.event import Event, EventData
from brobyg_kit.handling import Handler
from brobyg_kit.parking import Origin

from brobyg_reporting.domain.log import read_logged
from brobyg_reporting.domain.projection import AnyProjection
from brobyg_reporting.domain.projections import (
    APPOINTMENT,
    ATTENTION,
    CITIZEN,
    ERASURE,
    HELPER,
    MATCH,
    NEED,
    NOTIFICATION,
    OFFER,
    REFERRAL,
)
from brobyg_reporting.use_cases.live import Write, log_and_fold

HANDLERS: tuple[Handler[Write, tuple[AnyProjection, ...]], ...] = (
    Handler("brobyg.matching.v1", log_and_fold, (NEED, OFFER, MATCH, HELPER, ATTENTION, ERASURE)),
    Handler("brobyg.notification.v1", log_and_fold, (NEED, NOTIFICATION, ATTENTION, ERASURE)),
    Handler("brobyg.referral.v1", log_and_fold, (REFERRAL, APPOINTMENT, NEED, ATTENTION, CITIZEN)),
)
EMITS: tuple[type[EventData], ...] = ()

#: The topics, by name.
TOPICS = tuple(str(handler.event) for handler in HANDLERS)


def read(origin: Origin, key: bytes | None, value: bytes) -> Sequence[Event]:
    """A record of these topics as events with their place. Raises UndecodableEvent."""
    return read_logged(origin.topic, origin.partition, origin.offset, value)
