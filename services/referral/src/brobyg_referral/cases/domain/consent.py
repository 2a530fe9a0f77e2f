"""What a citizen has consented to, and whether it may be recorded."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from brobyg_contracts.consent import Catalogue, Form, Scope, Text
from brobyg_contracts.domain import LOCAL_ZONE
from brobyg_contracts.events import ConsentGiven, ConsentWithdrawn
from msgspec import UNSET

from brobyg_referral.errors import RequestRefused
from brobyg_referral.people.domain.contact import Contact


@dataclass(frozen=True, slots=True)
class Actor:
    """Who records something."""

    #: A pseudonym.
    subject: str
    role: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent as it is recorded. It stands until it is withdrawn or given in another text."""

    citizen_id: str
    referral_id: str
    scope: str
    given_at: datetime
    by_guardian: bool
    text_id: str | None = None
    text_version: int | None = None
    how: str | None = None
    taken_by: str | None = None
    taken_role: str | None = None
    replaced_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_role: str | None = None

    @property
    def stands(self) -> bool:
        """Whether what it allows may be done."""
        return self.withdrawn_at is None and self.replaced_at is None

    def withdrawn(self, at: datetime, by: Actor | None) -> "Consent":
        """The same, withdrawn; nobody's doing where `by` is None."""
        who, role = (by.subject, by.role) if by else (None, None)
        return replace(self, withdrawn_at=at, withdrawn_by=who, withdrawn_role=role)

    def given_event(self) -> ConsentGiven:
        """The event that tells of it."""
        return ConsentGiven(
            referral_id=self.referral_id,
            citizen_id=self.citizen_id,
            scope=self.scope,
            text_id=self.text_id or UNSET,
            text_version=self.text_version or UNSET,
            how=self.how or UNSET,
            by_guardian=self.by_guardian,
        )

    def withdrawn_event(self) -> ConsentWithdrawn:
        """The event that tells of its end."""
        return ConsentWithdrawn(
            referral_id=self.referral_id, citizen_id=self.citizen_id, scope=self.scope
        )


@dataclass(frozen=True, slots=True)
class TakenConsent:
    """Consent as somebody asks to have it recorded."""

    scope: str
    given_at: datetime
    by_guardian: bool
    text_id: str | None = None
    text_version: int | None = None
    how: Form | None = None
    #: Where it stands in the request: a JSON pointer, and one to the scope.
    pointer: str = ""
    scope_pointer: str = "path/scope"
    #: Whether nobody named the scope: it is given with another only where it never was before.
    implied: bool = False

    def renews(self, standing: Consent) -> bool:
        """Whether the same is given later: in another text or form, or by the citizen themself.

        Who agreed by word of mouth and signs later is asked for the paper.
        """
        text = (self.text_id, self.text_version)
        other = self.text_id is not None and text != (standing.text_id, standing.text_version)
        other = other or (self.how is not None and self.how != standing.how)
        own = standing.by_guardian and not self.by_guardian
        return (other or own) and self.given_at > standing.given_at


def scope_named(name: str, pointer: str, catalogue: Catalogue) -> Scope:
    """The scope of this name. Raises RequestRefused."""
    if name not in catalogue.scopes:
        raise RequestRefused(pointer, f"expected one of {', '.join(catalogue.scopes)}")
    return catalogue.scopes[name]


def of_scope(known: Iterable[Consent], scope: Scope, referral_id: str) -> list[Consent]:
    """What of `known` counts for this scope at this referral, the oldest record first."""
    return [
        one
        for one in known
        if one.scope == scope.id
        and (scope.holds_for == "citizen" or one.referral_id == referral_id)
    ]


def standing(consents: Iterable[Consent]) -> Consent | None:
    """The one that stands; None without."""
    return next((one for one in consents if one.stands), None)


def check_text(taken: TakenConsent, catalogue: Catalogue, pathway: str, day: date) -> None:
    """Raise RequestRefused unless the text was in use on the day, for the scope and the pathway.

    A pathway that has a text of its own is consented to in no other. Consent that names no text is
    taken where none is asked for.
    """
    if taken.text_id is None and taken.text_version is None:
        return
    fitting = {
        one.id: one
        for one in catalogue.texts.values()
        if one.scope == taken.scope and one.pathway in (None, pathway)
    }
    fitting = {name: one for name, one in fitting.items() if one.pathway} or fitting
    text: Text | None = fitting.get(taken.text_id or "")
    if text is None:
        raise RequestRefused(
            f"{taken.pointer}/text_id", f"expected one of {', '.join(sorted(fitting))}"
        )
    version = text.in_use(day)
    if version is None or version.version != taken.text_version:
        in_use = f"version {version.version}" if version else "no version"
        raise RequestRefused(
            f"{taken.pointer}/text_version",
            f"expected the version in use when consent was given: {in_use} was",
        )


def own_from(consent: Consent, scope: Scope, contact: Contact) -> date | None:
    """The day from which the citizen decides themself on what a guardian has consented to.

    Who was too young to give it decides from `minimum_age`, everybody from `guardian_below`. None
    where a guardian is recorded, or it is not known how old they are.
    """
    if not consent.by_guardian or contact.has_guardian:
        return None
    age = contact.age_on(consent.given_at.astimezone(LOCAL_ZONE).date())
    if age is None:
        return None
    return contact.birthday(scope.minimum_age if age < scope.minimum_age else scope.guardian_below)


def check_own(taken: TakenConsent, stands: Consent, contact: Contact) -> None:
    """Raise RequestRefused for a citizen's own word from before they decided themself.

    What a guardian has consented to, which stands, is not replaced by it.
    """
    if not stands.by_guardian or taken.by_guardian or taken.implied:
        return
    since = max(stands.given_at, contact.guarded_until or stands.given_at)
    if taken.given_at <= since:
        raise RequestRefused(
            f"{taken.pointer}/given_at",
            "expected a time after the guardian consented and after it was recorded that there is"
            f" no guardian any more, {since.astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M:%S}: the citizen"
            " must have consented since",
        )


def check_guardian(taken: TakenConsent, scope: Scope, contact: Contact, day: date) -> None:
    """Raise RequestRefused unless the one has given it who decides."""
    wanted = scope.guardian(contact.age_on(day), has_guardian=bool(contact.has_guardian))
    pointer = f"{taken.pointer}/by_guardian"
    if wanted == "must" and not taken.by_guardian:
        raise RequestRefused(
            pointer,
            f"expected true: a guardian gives this below {scope.minimum_age} years, and for whom"
            f" one is recorded ({scope.why})",
        )
    if wanted == "never" and taken.by_guardian:
        raise RequestRefused(
            pointer,
            f"expected false: from {scope.guardian_below} years on the citizen alone gives this,"
            f" unless a guardian is recorded ({scope.why})",
        )
