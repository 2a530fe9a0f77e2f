"""The coded words of the events, as people read them. A word that is not here is shown as it is."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from brobyg_contracts import events
from brobyg_kit.event import EventData


class Wording(NamedTuple):
    """The same text in each language there is."""

    en: str
    da: str


#: The languages, in the order of a `Wording`.
LANGUAGES = Wording._fields
Words: TypeAlias = Mapping[str, Wording]

#: Why something ended, was given up, or needs a human.
REASONS: Words = {
    "taken": Wording("another helper took it", "en anden hjælper tog den"),
    "appointment_cancelled": Wording("the appointment was cancelled", "aftalen blev aflyst"),
    "appointment_rescheduled": Wording("the appointment was moved", "aftalen blev flyttet"),
    "consent_withdrawn": Wording("consent was withdrawn", "samtykket blev trukket tilbage"),
    "withdrawn": Wording("it was withdrawn", "det blev trukket tilbage"),
    "completed": Wording("it took place", "det blev gennemført"),
    "missed": Wording("the citizen did not come", "borgeren udeblev"),
    "escalated": Wording("the coordinator took over", "koordinatoren tog over"),
    "appointment_over": Wording("the appointment is over", "aftalen er overstået"),
    "blocked": Wording("the two are not to be brought together", "de to skal ikke bringes sammen"),
    "helper_paused": Wording("the helper is paused", "hjælperen holder pause"),
    "helper_promised": Wording(
        "the helper is booked elsewhere", "hjælperen er optaget et andet sted"
    ),
    "helper_withdrew": Wording("the helper can't come after all", "hjælperen kan alligevel ikke"),
    "coordinator_released": Wording(
        "the coordinator took the helper off it", "koordinatoren tog hjælperen af opgaven"
    ),
    "citizen_changed": Wording(
        "what is known of the citizen has changed", "det, vi ved om borgeren, er ændret"
    ),
    "citizen_erased": Wording(
        "what is known of the citizen was erased", "det, vi ved om borgeren, er slettet"
    ),
    "helper_erased": Wording(
        "what is known of the helper was erased", "det, vi ved om hjælperen, er slettet"
    ),
    "helper_restricted": Wording(
        "the helper's information may only be kept", "hjælperens oplysninger må kun opbevares"
    ),
    "restricted": Wording(
        "the person's information may only be kept", "personens oplysninger må kun opbevares"
    ),
    "contact_not_consented": Wording(
        "the citizen did not agree to messages", "borgeren har ikke sagt ja til beskeder"
    ),
    "held": Wording("the coordinator stopped the asking", "koordinatoren stoppede spørgsmålene"),
    "clash": Wording("the citizen is elsewhere then", "borgeren er et andet sted på det tidspunkt"),
    "part_of_way": Wording(
        "whoever has the citizen's other appointment on the same way does not have this one",
        "den, der har borgerens anden aftale på samme vej, har ikke denne",
    ),
    "reassigned": Wording("another helper was chosen", "en anden hjælper blev valgt"),
    "nobody_available": Wording("no helper was available", "ingen hjælpere kunne"),
    "nobody_answered": Wording("nobody accepted in time", "ingen sagde ja i tide"),
    "too_late": Wording("it was known too late", "det blev kendt for sent"),
    "no_room": Wording("no room was free", "intet lokale var ledigt"),
    "no_address": Wording("there is no address", "der er ingen adresse"),
    "recipient_erased": Wording("the recipient has been erased", "modtageren er slettet"),
    "refused": Wording("the receiving server refused it", "modtagerens server afviste den"),
}
ROLES: Words = {
    "helper": Wording("the helper", "hjælperen"),
    "citizen": Wording("the citizen", "borgeren"),
    "coordinator": Wording("the coordinator", "koordinatoren"),
}
REFERRERS: Words = {
    "gp": Wording("a general practitioner", "en praktiserende læge"),
    "hospital": Wording("a hospital", "et hospital"),
    "municipality": Wording("the municipality", "kommunen"),
    "citizen": Wording("the citizen", "borgeren selv"),
}
ABOUT: Words = {
    "appointment": Wording("an appointment", "en aftale"),
    "referral": Wording("a referral", "en henvisning"),
    "call": Wording("a call", "et opkald"),
    "session": Wording("a session", "en session"),
}
WAYS: Words = {
    "offer": Wording("said yes to an offer", "sagde ja til et tilbud"),
    "assigned": Wording("was assigned", "blev tildelt"),
    "claimed": Wording("took the seat", "tog pladsen"),
    "by_hand": Wording("was chosen by the coordinator", "blev valgt af koordinatoren"),
    "same_way": Wording(
        "has the citizen's other appointment on the same way",
        "har borgerens anden aftale på samme vej",
    ),
}
DECISIONS: Words = {
    "asked": Wording("helpers were asked", "hjælpere blev spurgt"),
    "assigned": Wording("a helper got the seat", "en hjælper fik pladsen"),
    "waits": Wording("it waits for somebody to be free", "det venter på, at nogen bliver ledig"),
    "nobody_available": Wording("nobody could be asked", "ingen kunne spørges"),
    "nobody_answered": REASONS["nobody_answered"],
    "too_late": Wording("it was too late to ask anybody", "det var for sent at spørge nogen"),
    "no_room": REASONS["no_room"],
    "clash": REASONS["clash"],
    "part_of_way": REASONS["part_of_way"],
    "same_way": Wording(
        "who has the citizen's other appointment on the same way has this one too",
        "den, der har borgerens anden aftale på samme vej, har også denne",
    ),
}
#: Decisions that somebody made by hand, as what they did.
DONE: Words = {
    "by_hand": Wording("chose the helper", "valgte hjælperen"),
    "claimed": Wording("took the seat", "tog pladsen"),
    "accepted": Wording("said yes for the helper", "sagde ja for hjælperen"),
    "declined": Wording("said no for the helper", "sagde nej for hjælperen"),
    "released": Wording("took the helper off it", "tog hjælperen af opgaven"),
    "signed_off": Wording("can't come after all", "kan alligevel ikke"),
    "held": Wording("stopped the asking", "stoppede spørgsmålene"),
    "resumed": Wording("let the asking go on", "lod spørgsmålene gå videre"),
    "reopened": Wording("had it searched once more", "lod der lede en gang til"),
}
#: Hard rules, as what holds for somebody whom they rule out.
RULES: Words = {
    "active": Wording("not active", "ikke aktive"),
    "pool": Wording("not in a pool that may be asked", "ikke i en pulje, der må spørges"),
    "paper": Wording("a paper is missing", "mangler et papir"),
    "not_suitable": Wording("not suitable", "ikke egnede"),
    "competence": Wording("a competence is missing", "mangler en kompetence"),
    "range": Wording("too far away", "for langt væk"),
    "blocked": Wording("not to be brought together", "skal ikke bringes sammen"),
    "elsewhere": Wording("elsewhere at the time", "et andet sted på det tidspunkt"),
    "weekly_limit": Wording("enough this week", "har nok i denne uge"),
    "caseload": Wording("no room for another case", "har ikke plads til en sag mere"),
    "availability": Wording("not available then", "kan ikke på det tidspunkt"),
    "notice": Wording("too short notice", "for kort varsel"),
}
#: Soft rules, as what speaks for somebody.
POINTS: Words = {
    "former": Wording("had it before", "havde den før"),
    "known": Wording("known", "kendt"),
    "fair": Wording("little to do lately", "lidt at lave for tiden"),
}
ATTENTION: Words = {
    "nobody_found": Wording("nobody was found", "ingen blev fundet"),
    "late_cancellation": Wording("a helper cancelled late", "en hjælper meldte sent fra"),
    "clash": Wording("two appointments clash", "to aftaler falder sammen"),
    "mail_refused": Wording("a mail was refused", "en mail blev afvist"),
    "no_coordinator_address": Wording(
        "the coordinator has no address", "koordinatoren har ingen adresse"
    ),
    "patient_declined": Wording("the citizen declined", "borgeren sagde nej"),
    "cancelled_for_another": Wording(
        "cancelled by another patient's number", "aflyst med en anden patients nummer"
    ),
    "refused_for_another": Wording(
        "a change by another patient's number was refused",
        "en ændring med en anden patients nummer blev afvist",
    ),
    "entered_appointment_changed": Wording(
        "the hospital changed an appointment that was entered here",
        "hospitalet ændrede en aftale, der var indtastet her",
    ),
    "citizen_silent": Wording(
        "nothing is heard of the citizen, who is erased soon",
        "der høres intet til borgeren, som snart slettes",
    ),
    "own_consent_due": Wording(
        "the citizen decides on consent now", "borgeren bestemmer nu selv over samtykket"
    ),
    "identity_opened": Wording(
        "somebody else opened in an emergency who the citizen is",
        "en anden afdeling har i en nødsituation set, hvem borgeren er",
    ),
}
OUTCOMES: Words = {
    "solved_by_phone": Wording("solved by phone", "løst pr. telefon"),
    "helper_found": Wording("a helper was found", "en hjælper blev fundet"),
    "called_off": Wording("called off", "aflyst"),
    "company_not_needed": Wording("company is not needed", "følgeskab er ikke nødvendigt"),
    "both_kept": Wording(
        "both appointments are kept, and somebody helps", "begge aftaler holdes, og der er hjælp"
    ),
    "no_longer_so": Wording("no longer so", "gælder ikke længere"),
    "duplicate": Wording("a duplicate", "en dublet"),
    "other": Wording("other", "andet"),
}
#: What a consent is to.
SCOPES: Words = {
    "processing": Wording("the help", "hjælpen"),
    "contact": Wording("messages", "beskeder"),
    "research": Wording("research", "forskning"),
    "gp_sharing": Wording(
        "telling the general practitioner", "at den praktiserende læge får besked"
    ),
}
#: Why a person was erased, or their processing restricted (GDPR art. 17 and 18).
RIGHTS: Words = {
    "requested": Wording("they asked for it", "de bad om det"),
    "consent_withdrawn": REASONS["consent_withdrawn"],
    "retention_over": Wording("it is kept no longer", "det opbevares ikke længere"),
    "entered_by_mistake": Wording("it was entered by mistake", "det var indtastet ved en fejl"),
    "accuracy_contested": Wording("they say it is wrong", "de siger, at det er forkert"),
    "unlawful": Wording("it should not have been used", "det burde ikke have været brugt"),
    "legal_claim": Wording("they need it for a claim", "de har brug for det til et krav"),
    "objection": Wording("they object to it", "de gør indsigelse"),
}
URGENCIES: Words = {
    "now": Wording("at once", "med det samme"),
    "today": Wording("today", "i dag"),
    "later": Wording("when there is time", "når der er tid"),
}

#: The words whose texts are known, by event type and property.
CODED: Mapping[type[EventData], Mapping[str, Words]] = {
    events.ReferralCreated: {"referrer_kind": REFERRERS},
    events.CitizenErased: {"reason": RIGHTS},
    events.CitizenRestricted: {"reason": RIGHTS},
    events.HelperErased: {"reason": RIGHTS},
    events.HelperRestricted: {"reason": RIGHTS},
    events.NeedOpened: {"about_kind": ABOUT},
    events.NeedChanged: {"about_kind": ABOUT},
    events.NeedClosed: {"about_kind": ABOUT, "reason": REASONS},
    events.NeedDecided: {"outcome": {**DECISIONS, **DONE}},
    events.OfferWithdrawn: {"reason": REASONS},
    events.VolunteerMatched: {"way": WAYS},
    events.StaffMatched: {"way": WAYS},
    events.MatchReleased: {"reason": REASONS},
    events.MatchEscalated: {"reason": REASONS},
    events.NotificationSent: {"recipient_role": ROLES},
    events.NotificationFailed: {"recipient_role": ROLES, "reason": REASONS},
    events.AttentionRaised: {"kind": ATTENTION, "urgency": URGENCIES},
    events.AttentionSettled: {"outcome": OUTCOMES},
}


def told(words: Words, word: str) -> Wording:
    """The word's text; the word itself when it is unknown."""
    return words.get(word) or Wording(word, word)
