"""Each event as a plain sentence in Danish and English, for a referral's timeline. Names nobody."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from brobyg_contracts import events
from brobyg_contracts.places import location_name
from brobyg_kit.event import EventData
from brobyg_kit.wording import date_and_time, distance

#: (English, Danish)
Sentence = tuple[str, str]

_REASONS: dict[str, Sentence] = {
    "taken": ("another volunteer took it", "en anden frivillig tog den"),
    "appointment_cancelled": ("the appointment was cancelled", "aftalen blev aflyst"),
    "appointment_rescheduled": ("the appointment was moved", "aftalen blev flyttet"),
    "consent_withdrawn": ("consent was withdrawn", "samtykket blev trukket tilbage"),
    "escalated": ("the coordinator took over", "koordinatoren tog over"),
    "appointment_over": ("the appointment is over", "aftalen er overstået"),
    "blocked": ("the two are not to be brought together", "de to skal ikke bringes sammen"),
    "volunteer_paused": ("the volunteer is paused", "den frivillige holder pause"),
    "volunteer_promised": (
        "the volunteer goes along elsewhere",
        "den frivillige følger med et andet sted",
    ),
    "volunteer_withdrew": (
        "the volunteer can't come after all",
        "den frivillige kan alligevel ikke",
    ),
    "nobody_available": ("no volunteer was available", "ingen frivillige kunne"),
    "nobody_answered": ("nobody accepted in time", "ingen sagde ja i tide"),
    "too_late": ("it was known too late", "den blev kendt for sent"),
    "no_address": ("there is no address", "der er ingen adresse"),
    "recipient_erased": ("the recipient has been erased", "modtageren er slettet"),
    "refused": ("the receiving server refused it", "modtagerens server afviste den"),
}
_ROLES: dict[str, Sentence] = {
    "volunteer": ("the volunteer", "den frivillige"),
    "citizen": ("the citizen", "borgeren"),
    "coordinator": ("the coordinator", "koordinatoren"),
}
_REFERRERS: dict[str, Sentence] = {
    "gp": ("a general practitioner", "en praktiserende læge"),
    "hospital": ("a hospital", "et hospital"),
    "municipality": ("the municipality", "kommunen"),
    "citizen": ("the citizen", "borgeren selv"),
}


def sentence(kind: str, data: bytes) -> Sentence:
    """The event as (English, Danish).

    An unknown type, or data with an unknown word, are named by the type alone.
    """
    if kind not in _BY_TYPE:
        return (f"Event of type {kind}.", f"Hændelse af typen {kind}.")
    known, told = _BY_TYPE[kind]
    try:
        event = msgspec.json.decode(data, type=known)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return (
            f"Event of type {kind}, not readable.",
            f"Hændelse af typen {kind}, kan ikke læses.",
        )
    return told(event) if callable(told) else told


def _when(time: datetime) -> Sentence:
    return (date_and_time(time, "en"), date_and_time(time, "da"))


def _booked(event: events.AppointmentBooked) -> Sentence:
    (en, da), where = _when(event.starts_at), location_name(event.location_id)
    return (f"An appointment was booked: {en}, {where}.", f"En aftale blev booket: {da}, {where}.")


def _rescheduled(event: events.AppointmentRescheduled) -> Sentence:
    (en, da), where = _when(event.starts_at), location_name(event.location_id)
    return (
        f"The appointment was moved to {en}, {where}.",
        f"Aftalen blev flyttet til {da}, {where}.",
    )


def _created(event: events.ReferralCreated) -> Sentence:
    en, da = _REFERRERS[event.referrer_kind]
    return (
        f"The referral was created by {en} for the department {event.department}.",
        f"Henvisningen blev oprettet af {da} til afdelingen {event.department}.",
    )


def _offered(event: events.OfferMade) -> Sentence:
    far, langt = distance(event.distance_metres, "en"), distance(event.distance_metres, "da")
    known, kendt = (
        (", who knows the citizen,", ", som kender borgeren,")
        if event.known_to_citizen
        else ("", "")
    )
    return (
        (
            f"A volunteer {far} away{known} was asked"
            f" (wave {event.wave}, number {event.rank} in order)."
        ),
        (
            f"En frivillig {langt} væk{kendt} blev spurgt"
            f" (runde {event.wave}, nummer {event.rank} i rækken)."
        ),
    )


def _withdrawn(event: events.OfferWithdrawn) -> Sentence:
    en, da = _REASONS[event.reason]
    return (f"An offer was taken back: {en}.", f"Et tilbud blev trukket tilbage: {da}.")


def _matched(event: events.VolunteerMatched) -> Sentence:
    en, da = _when(event.meet_at)
    return (
        (
            f"A volunteer was found. They meet {en};"
            f" it takes {event.minutes} minutes of the volunteer's time."
        ),
        (
            f"En frivillig blev fundet. De mødes {da};"
            f" det tager {event.minutes} minutter af den frivilliges tid."
        ),
    )


def _released(event: events.MatchReleased) -> Sentence:
    en, da = _REASONS[event.reason]
    return (f"The volunteer was released: {en}.", f"Den frivillige blev fritstillet: {da}.")


def _escalated(event: events.MatchEscalated) -> Sentence:
    en, da = _REASONS[event.reason]
    return (
        f"The coordinator was asked to find somebody: {en} ({event.asked} had been asked).",
        f"Koordinatoren blev bedt om at finde en: {da} ({event.asked} var blevet spurgt).",
    )


def _sent(event: events.NotificationSent) -> Sentence:
    en, da = _ROLES[event.recipient_role]
    return (
        f"A message ({event.template}) was sent to {en}.",
        f"En besked ({event.template}) blev sendt til {da}.",
    )


def _failed(event: events.NotificationFailed) -> Sentence:
    (en, da), (why, hvorfor) = _ROLES[event.recipient_role], _REASONS[event.reason]
    return (
        f"A message ({event.template}) to {en} was given up: {why}.",
        f"En besked ({event.template}) til {da} blev opgivet: {hvorfor}.",
    )


#: What each type says: always the same, or made from the event of that type.
_SENTENCES: dict[type[EventData], Sentence | Callable[[Any], Sentence]] = {
    events.ReferralCreated: _created,
    events.ConsentGiven: ("The citizen gave consent.", "Borgeren gav samtykke."),
    events.ConsentWithdrawn: (
        "The citizen withdrew consent.",
        "Borgeren trak sit samtykke tilbage.",
    ),
    events.AppointmentBooked: _booked,
    events.AppointmentRescheduled: _rescheduled,
    events.AppointmentCancelled: ("The appointment was cancelled.", "Aftalen blev aflyst."),
    events.AppointmentCompleted: ("The appointment took place.", "Aftalen blev gennemført."),
    events.AppointmentMissed: (
        "The citizen did not come to the appointment.",
        "Borgeren udeblev fra aftalen.",
    ),
    events.OfferMade: _offered,
    events.OfferAccepted: ("A volunteer said yes.", "En frivillig sagde ja."),
    events.OfferDeclined: ("A volunteer said no.", "En frivillig sagde nej."),
    events.OfferExpired: (
        "A volunteer did not answer in time.",
        "En frivillig svarede ikke i tide.",
    ),
    events.OfferWithdrawn: _withdrawn,
    events.VolunteerMatched: _matched,
    events.MatchReleased: _released,
    events.MatchEscalated: _escalated,
    events.VolunteerRegistered: ("A volunteer was registered.", "En frivillig blev registreret."),
    events.VolunteerActivated: ("The volunteer can be asked.", "Den frivillige kan spørges."),
    events.VolunteerPaused: ("The volunteer takes a pause.", "Den frivillige holder pause."),
    events.NotificationSent: _sent,
    events.NotificationFailed: _failed,
}
_BY_TYPE = {kind.EVENT_TYPE: (kind, told) for kind, told in _SENTENCES.items()}
