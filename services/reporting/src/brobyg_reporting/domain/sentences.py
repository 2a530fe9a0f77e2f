"""Each event as a plain sentence in Danish and English. Names nobody, and no id."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from brobyg_contracts import EVENTS, events
from brobyg_contracts.errors import UnknownReference
from brobyg_contracts.reference import Reference
from brobyg_kit.event import EventData
from brobyg_kit.wording import date_and_time

from brobyg_reporting.domain.projection import given
from brobyg_reporting.domain.words import (
    ABOUT,
    ATTENTION,
    DECISIONS,
    DONE,
    LANGUAGES,
    OUTCOMES,
    REASONS,
    REFERRERS,
    RIGHTS,
    ROLES,
    SCOPES,
    URGENCIES,
    WAYS,
    Wording,
    told,
)


def sentence(kind: str, data: bytes, reference: Reference) -> Wording:
    """The event as a sentence, with places and departments named by `reference`.

    An unknown type, or data that breaks its schema, are named by the type alone.
    """
    known = EVENTS.get(kind)
    if known is None or known not in _SENTENCES:
        return Wording(f"Event of type {kind}.", f"Hændelse af typen {kind}.")
    try:
        event = msgspec.json.decode(data, type=known)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return Wording(
            f"Event of type {kind}, not readable.", f"Hændelse af typen {kind}, kan ikke læses."
        )
    said = _SENTENCES[known]
    return said if isinstance(said, Wording) else said(event, reference)


def place_name(location_id: str, reference: Reference) -> str:
    """The place's label; its id when it is unknown."""
    place = reference.places.get(location_id)
    return place.label if place else location_id


def department_name(department: str, reference: Reference) -> str:
    """The department's label, also of a former one's successor; its id when it is unknown."""
    try:
        return reference.department(department).label
    except UnknownReference:
        return department


def when(time: datetime) -> Wording:
    """Date and time, local."""
    return Wording(*(date_and_time(time, language) for language in LANGUAGES))


def _planned(
    event: events.AppointmentBooked | events.AppointmentRescheduled, reference: Reference
) -> tuple[Wording, str]:
    return when(event.starts_at), place_name(event.location_id, reference)


def _booked(event: events.AppointmentBooked, reference: Reference) -> Wording:
    (en, da), where = _planned(event, reference)
    return Wording(
        f"An appointment was booked: {en}, {where}.", f"En aftale blev booket: {da}, {where}."
    )


def _rescheduled(event: events.AppointmentRescheduled, reference: Reference) -> Wording:
    (en, da), where = _planned(event, reference)
    return Wording(
        f"The appointment was moved to {en}, {where}.",
        f"Aftalen blev flyttet til {da}, {where}.",
    )


def _created(event: events.ReferralCreated, reference: Reference) -> Wording:
    en, da = told(REFERRERS, event.referrer_kind)
    name = department_name(event.department, reference)
    return Wording(
        f"The referral was created by {en} for the department {name}.",
        f"Henvisningen blev oprettet af {da} til afdelingen {name}.",
    )


def _need(event: events.NeedOpened | events.NeedChanged, reference: Reference) -> Wording:
    """What the need is: pathway, what it is about, when and where, by which version."""
    en, da = told(ABOUT, event.about_kind)
    if starts_at := given(event.starts_at):
        begins = when(starts_at)
        en, da = f"{en}, {begins.en}", f"{da}, {begins.da}"
    if location_id := given(event.location_id):
        where = place_name(location_id, reference)
        en, da = f"{en}, {where}", f"{da}, {where}"
    policy = f"{event.pathway}, version {event.policy_version}"
    return Wording(f"{en} ({policy})", f"{da} ({policy})")


def _opened(event: events.NeedOpened, reference: Reference) -> Wording:
    en, da = _need(event, reference)
    return Wording(f"Helpers are needed for {en}.", f"Der er brug for hjælpere til {da}.")


def _changed(event: events.NeedChanged, reference: Reference) -> Wording:
    en, da = _need(event, reference)
    return Wording(f"The helpers are now needed for {en}.", f"Behovet gælder nu {da}.")


def _closed(event: events.NeedClosed, reference: Reference) -> Wording:
    en, da = told(REASONS, event.reason)
    return Wording(
        f"Helpers are no longer needed: {en}.", f"Der er ikke længere brug for hjælpere: {da}."
    )


def _decided(event: events.NeedDecided, reference: Reference) -> Wording:
    if role := given(event.actor_role):
        return _done(event, role)
    en, da = told(DECISIONS, event.outcome)
    out = sum(one.count for one in event.excluded)
    counts = Wording("", "")  # nobody is looked at where, for example, a coordinator chooses
    if event.could or out:
        counts = Wording(
            f" {event.could} could, {out} could not, {event.asked} asked.",
            f" {event.could} kunne, {out} kunne ikke, {event.asked} spurgt.",
        )
    return Wording(
        (
            f"Decided for seat {event.seat} (round {event.round}, wave {event.wave}) by version"
            f" {event.policy_version} of the policy {event.pathway}: {en}.{counts.en}"
        ),
        (
            f"Afgjort for plads {event.seat} (omgang {event.round}, runde {event.wave}) efter"
            f" version {event.policy_version} af reglerne for {event.pathway}: {da}.{counts.da}"
        ),
    )


def _done(event: events.NeedDecided, role: str) -> Wording:
    """What somebody did by hand, as what. Who it was, the reader of the story adds."""
    who, hvem = told(ROLES, role)
    en, da = told(DONE, event.outcome)
    return Wording(
        f"By hand for seat {event.seat}: {who} {en}.",
        f"Manuelt for plads {event.seat}: {hvem} {da}.",
    )


def _offered(event: events.OfferMade, reference: Reference) -> Wording:
    known, kendt = (
        (", who knows the citizen,", ", som kender borgeren,")
        if event.known_to_citizen
        else ("", "")
    )
    return Wording(
        f"A helper{known} was asked (wave {event.wave}, number {event.rank} in order).",
        f"En hjælper{kendt} blev spurgt (runde {event.wave}, nummer {event.rank} i rækken).",
    )


def _withdrawn(event: events.OfferWithdrawn, reference: Reference) -> Wording:
    en, da = told(REASONS, event.reason)
    return Wording(f"An offer was withdrawn: {en}.", f"Et tilbud blev trukket tilbage: {da}.")


def _matched(event: events.VolunteerMatched | events.StaffMatched, reference: Reference) -> Wording:
    english, dansk = told(WAYS, event.way)
    en, da = f"A helper was found, who {english}.", f"En hjælper blev fundet, som {dansk}."
    return Wording(en, da)


def _released(event: events.MatchReleased, reference: Reference) -> Wording:
    en, da = told(REASONS, event.reason)
    return Wording(f"The helper was released: {en}.", f"Hjælperen blev fritstillet: {da}.")


def _escalated(event: events.MatchEscalated, reference: Reference) -> Wording:
    en, da = told(REASONS, event.reason)
    return Wording(
        f"The coordinator was asked to find somebody: {en} ({event.asked} had been asked).",
        f"Koordinatoren blev bedt om at finde en: {da} ({event.asked} var blevet spurgt).",
    )


def _sent(event: events.NotificationSent, reference: Reference) -> Wording:
    en, da = told(ROLES, event.recipient_role)
    return Wording(
        f"A message ({event.template}) was sent to {en}.",
        f"En besked ({event.template}) blev sendt til {da}.",
    )


def _failed(event: events.NotificationFailed, reference: Reference) -> Wording:
    en, da = told(ROLES, event.recipient_role)
    why, hvorfor = told(REASONS, event.reason)
    return Wording(
        f"A message ({event.template}) to {en} was given up: {why}.",
        f"En besked ({event.template}) til {da} blev opgivet: {hvorfor}.",
    )


def _raised(event: events.AttentionRaised, reference: Reference) -> Wording:
    en, da = told(ATTENTION, event.kind)
    soon, snart = told(URGENCIES, event.urgency)
    return Wording(
        f"A human is to look at it {soon}: {en}.", f"Et menneske skal se på det {snart}: {da}."
    )


def _settled(event: events.AttentionSettled, reference: Reference) -> Wording:
    en, da = told(OUTCOMES, event.outcome)
    return Wording(f"What needed a human is settled: {en}.", f"Sagen er afgjort: {da}.")


def _consent(event: events.ConsentGiven, reference: Reference) -> Wording:
    en, da = told(SCOPES, given(event.scope) or "processing")
    return Wording(f"The citizen gave consent to {en}.", f"Borgeren gav samtykke til {da}.")


def _no_consent(event: events.ConsentWithdrawn, reference: Reference) -> Wording:
    en, da = told(SCOPES, given(event.scope) or "processing")
    return Wording(
        f"The citizen withdrew consent to {en}.", f"Borgeren trak sit samtykke til {da} tilbage."
    )


def _erased(event: events.CitizenErased | events.HelperErased, reference: Reference) -> Wording:
    en, da = told(RIGHTS, event.reason)
    return Wording(f"The person was erased: {en}.", f"Personen blev slettet: {da}.")


def _restricted(
    event: events.CitizenRestricted | events.HelperRestricted, reference: Reference
) -> Wording:
    en, da = told(RIGHTS, event.reason)
    return Wording(
        f"The person's information may only be kept: {en}.",
        f"Personens oplysninger må kun opbevares: {da}.",
    )


def _acknowledged(event: events.ErasureAcknowledged, reference: Reference) -> Wording:
    return Wording(
        f"The service {event.service} has erased what it had of the person.",
        f"Tjenesten {event.service} har slettet, hvad den havde om personen.",
    )


_LIFTED = Wording(
    "The person's information may be used again.", "Personens oplysninger må bruges igen."
)
#: What each type says: always the same, or made from the event of that type.
_SENTENCES: dict[type[EventData], Wording | Callable[[Any, Reference], Wording]] = {
    events.ReferralCreated: _created,
    events.ConsentGiven: _consent,
    events.ConsentWithdrawn: _no_consent,
    events.CitizenErased: _erased,
    events.CitizenRestricted: _restricted,
    events.CitizenUnrestricted: _LIFTED,
    events.HelperErased: _erased,
    events.HelperRestricted: _restricted,
    events.HelperUnrestricted: _LIFTED,
    events.ErasureAcknowledged: _acknowledged,
    events.AppointmentBooked: _booked,
    events.AppointmentRescheduled: _rescheduled,
    events.AppointmentCancelled: Wording("The appointment was cancelled.", "Aftalen blev aflyst."),
    events.AppointmentCompleted: Wording("The appointment took place.", "Aftalen blev gennemført."),
    events.AppointmentMissed: Wording(
        "The citizen did not come to the appointment.", "Borgeren udeblev fra aftalen."
    ),
    events.NeedOpened: _opened,
    events.NeedChanged: _changed,
    events.NeedClosed: _closed,
    events.NeedDecided: _decided,
    events.OfferMade: _offered,
    events.OfferAccepted: Wording("A helper said yes.", "En hjælper sagde ja."),
    events.OfferDeclined: Wording("A helper said no.", "En hjælper sagde nej."),
    events.OfferExpired: Wording(
        "A helper did not answer in time.", "En hjælper svarede ikke i tide."
    ),
    events.OfferWithdrawn: _withdrawn,
    events.VolunteerMatched: _matched,
    events.StaffMatched: _matched,
    events.MatchReleased: _released,
    events.MatchEscalated: _escalated,
    events.HelperRegistered: Wording("A helper was registered.", "En hjælper blev registreret."),
    events.HelperActivated: Wording("The helper can be asked.", "Hjælperen kan spørges."),
    events.HelperPaused: Wording("The helper takes a break.", "Hjælperen holder pause."),
    events.NotificationSent: _sent,
    events.NotificationFailed: _failed,
    events.AttentionRaised: _raised,
    events.AttentionClaimed: Wording("Somebody looks at it.", "Nogen ser på det."),
    events.AttentionSettled: _settled,
}
