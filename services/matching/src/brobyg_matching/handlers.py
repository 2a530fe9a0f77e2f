"""The whole service on one screen: what is done on which event, and what is emitted.

How events are carried out in batches is in `use_cases/event_processing.py`.
"""

from brobyg_contracts import (
    AttentionClaimed,
    AttentionRaised,
    AttentionSettled,
    CitizenErased,
    CitizenRecorded,
    CitizenRestricted,
    CitizenUnrestricted,
    ConsentGiven,
    ConsentWithdrawn,
    DepartmentRecorded,
    ErasureAcknowledged,
    HelperActivated,
    HelperErased,
    HelperPaused,
    HelperRegistered,
    HelperRestricted,
    HelperUnrestricted,
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    NeedDecided,
    NeedOpened,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    PoolRecorded,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_kit.event import EventData
from brobyg_kit.handling import Handler

from brobyg_matching.use_cases import events
from brobyg_matching.use_cases.event_processing import Function, Loads

_NEED, _CITIZEN = Loads.NEED, Loads.CITIZEN

HANDLERS: tuple[Handler[Function, Loads], ...] = (
    Handler(NeedOpened, events.need_opened, _NEED, searches=True),
    Handler(NeedChanged, events.need_opened, _NEED, searches=True),
    Handler(NeedClosed, events.need_closed, _NEED),
    Handler(CitizenRecorded, events.citizen_recorded, _CITIZEN, searches=True),
    Handler(ConsentGiven, events.consent_given, _CITIZEN, searches=True),
    Handler(ConsentWithdrawn, events.consent_withdrawn, _CITIZEN),
    Handler(CitizenErased, events.citizen_erased, _CITIZEN),
    Handler(CitizenRestricted, events.citizen_restricted, _CITIZEN),
    Handler(CitizenUnrestricted, events.citizen_unrestricted, _CITIZEN),
    Handler(
        ErasureAcknowledged, events.erasure_acknowledged, Loads.NOTHING, sources=("notification",)
    ),
    Handler(DepartmentRecorded, events.department_recorded, Loads.NOTHING),
    Handler(PoolRecorded, events.pool_recorded, Loads.NOTHING),
)
EMITS: tuple[type[EventData], ...] = (
    OfferMade, OfferAccepted, OfferDeclined, OfferExpired, OfferWithdrawn, VolunteerMatched,
    StaffMatched, MatchReleased, MatchEscalated, NeedDecided, HelperRegistered, HelperActivated,
    HelperPaused, HelperRestricted, HelperUnrestricted, HelperErased, AttentionRaised,
    AttentionClaimed, AttentionSettled, ErasureAcknowledged,
)  # fmt: skip
