"""What is decided about the hospital's messages of one transaction, in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import new_id

from brobyg_referral.cases.domain.appointment import (
    Announced,
    AppointmentChange,
    AppointmentMessage,
    AppointmentStatus,
    BusinessIdentifier,
    is_out_of_date,
    receive,
)
from brobyg_referral.cases.ports import ActiveReferral, StoredAppointment
from brobyg_referral.cases.use_cases.attention import AttentionChange, AttentionReason
from brobyg_referral.cases.use_cases.entered import called_off, entered_alike, is_for
from brobyg_referral.hospital.errors import (
    AppointmentExists,
    IdentifierConflict,
    Malformed,
    MessageRefused,
    NoSuchAppointment,
    RuleBroken,
)
from brobyg_referral.hospital.fhir.bundle import AppointmentRequest, in_entry, issue_in_entry
from brobyg_referral.hospital.fhir.outcome import Issue
from brobyg_referral.hospital.ports import IntakeChannel, IntakeOutcome
from brobyg_referral.hospital.use_cases.checks import (
    check_times,
    check_version,
    unaccompanied_warning,
)
from brobyg_referral.hospital.use_cases.naming import also_named, contradict


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that belong together, and refusals of what could not be read as one."""

    entries: Sequence[AppointmentRequest | MessageRefused]
    #: All or none of them.
    atomic: bool = False
    #: Whether they are a Bundle's entries, so that results say which entry they are about.
    is_bundle: bool = False
    #: The event they came by, where they came by one.
    cause: Event | None = None

    @property
    def requests(self) -> list[AppointmentRequest]:
        """What is to be decided on."""
        return [one for one in self.entries if isinstance(one, AppointmentRequest)]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one request."""

    outcome: IntakeOutcome
    #: The appointment after it; None when it was refused, or dropped without consent.
    stored: StoredAppointment | None = None
    created: bool = False
    #: Why it was refused.
    refusal: MessageRefused | None = None
    #: What of it can't be acted on, though it was taken in.
    warning: Issue | None = None

    def in_entry(self, index: int) -> "Result":
        """The same, with what is wrong placed in this entry of a Bundle."""
        return replace(
            self,
            refusal=self.refusal and in_entry(self.refusal, index),
            warning=self.warning and issue_in_entry(self.warning, index),
        )


class Decisions:
    """Decides on groups of requests in order, each on the state after those before it."""

    def __init__(
        self,
        tx: Transaction,
        channel: IntakeChannel,
        organisation: str,
        *,
        versions_rise: bool,
        referrals: dict[str, ActiveReferral],
        known: Sequence[StoredAppointment],
        restricted: Collection[str] = (),
    ) -> None:
        """`referrals` by CPR number: what is new is booked under them.

        The referrals of all that is `known` are locked. What is said of the citizens who are
        `restricted` is kept and told to nobody.
        """
        self._clock, self._now = tx.clock, tx.now
        self._channel, self._organisation = channel, organisation
        self._versions_rise = versions_rise
        self._referrals, self.restricted = referrals, restricted
        self._known = {one.appointment_id: one for one in known}
        self._ids = {name: one.appointment_id for one in known for name in one.identifiers}
        self._stored_identifiers = frozenset(self._ids)
        self._changed: set[str] = set()
        self._entered = [one.appointment_id for one in known if one.organisation is None]
        #: What is to be published, of which appointment, and the event that caused it.
        self.changes: list[tuple[AppointmentChange, StoredAppointment, Event | None]] = []
        #: What a coordinator must look at, and what no longer; told of nobody who is restricted.
        self.attention: list[AttentionChange] = []

    def changed(self) -> list[StoredAppointment]:
        """What is new or changed, by id: the order in which all transactions lock."""
        return [self._known[appointment_id] for appointment_id in sorted(self._changed)]

    def new_identifiers(self) -> list[tuple[BusinessIdentifier, StoredAppointment]]:
        """Identifiers that are not stored yet and whose they are, in one order for all."""
        new = sorted(self._ids.keys() - self._stored_identifiers, key=lambda name: name.token)
        return [(name, self._known[self._ids[name]]) for name in new]

    def attempt(self, group: Group) -> list[Result]:
        """Carry out a group; a result for each of its entries.

        Of an atomic one with a refusal nothing remains, and all its results are rejections. That a
        change was refused for another patient stands: a coordinator is still told.
        """
        before = dict(self._known), dict(self._ids), set(self._changed)
        lengths = len(self.changes), len(self.attention)
        results = [self._attempt(entry, group.cause) for entry in group.entries]
        if group.atomic:
            results = _without_overlap(results)
        if group.atomic and any(result.refusal for result in results):
            self._known, self._ids, self._changed = before
            del self.changes[lengths[0] :]
            self.attention[lengths[1] :] = [
                replace(one, stored=self._known[one.stored.appointment_id])
                for one in self.attention[lengths[1] :]
                if one.kind == "refused_for_another"
                and one.needed
                and one.stored.appointment_id in self._known
            ]
            results = [
                replace(one, outcome="rejected", stored=None, created=False) for one in results
            ]
        if group.is_bundle:
            return [result.in_entry(index) for index, result in enumerate(results)]
        return results

    def _attempt(self, entry: AppointmentRequest | MessageRefused, cause: Event | None) -> Result:
        if isinstance(entry, MessageRefused):
            return Result("rejected", refusal=entry)
        try:
            return self._decide(entry, cause)
        except MessageRefused as refusal:
            return Result("rejected", refusal=refusal)

    def _decide(self, request: AppointmentRequest, cause: Event | None) -> Result:
        message = request.appointment.message(self._now, versions_rise=self._versions_rise)
        referral = self._referrals.get(request.appointment.cpr)
        # A refusal over Kafka stays on a topic, so there is none of these for a patient without
        # consent. One over HTTP is stored nowhere and must be the same for everybody: otherwise a
        # booking with a wrong time would reveal who has a referral, and leave no trace.
        if referral is not None or self._channel == "http":
            check_times(message, self._now)
        known = self._find(request)
        if known is not None and not is_for(referral, known):
            check_times(message, self._now)
            self._check_patient(message, known, cause)
            referral = known.referral
        if referral is None:
            return Result("dropped_without_consent")
        check_version(request, known)
        if request.mode == "update" and known is None:
            raise NoSuchAppointment.of("not-found", "There is no such appointment.")
        if request.mode == "create" and known is not None:
            return self._repeated(request, message, known, cause)
        known = known or self._entered_alike(message, referral)
        place_issue = request.appointment.place_issue
        if known is None and place_issue and message.content.status is AppointmentStatus.BOOKED:
            raise RuleBroken(place_issue)
        return self._receive(request, message, referral, known, cause)

    def _entered_alike(
        self, message: AppointmentMessage, referral: ActiveReferral
    ) -> StoredAppointment | None:
        entered = (self._known[one] for one in self._entered)
        return entered_alike(entered, message.content.plan, referral)

    def _check_patient(
        self, message: AppointmentMessage, known: StoredAppointment, cause: Event | None
    ) -> None:
        """Raise RuleBroken unless the message cancels an appointment of another patient's.

        For that the hospital's own number of the appointment is enough: a patient may be named by
        a CPR number once and by a replacement number later.
        """
        if message.content.is_cancelled:
            return
        self._note("refused_for_another", known, cause)
        raise RuleBroken.of(
            "business-rule",
            "The patient of an appointment can't be changed: cancel it by its identifier (status"
            " cancelled or entered-in-error, with any patient), then book another with an"
            " identifier of its own.",
            "Appointment.participant",
        )

    def _find(self, request: AppointmentRequest) -> StoredAppointment | None:
        named = self._named(request.appointment.identifiers)
        if request.mode != "update":
            return self._meeting_the_condition(request) or named
        known = self._known.get(request.appointment_id or "")
        if known is not None and known is not named:
            raise RuleBroken.of(
                "business-rule",
                "The business identifier of an appointment can't be changed.",
                "Appointment.identifier",
            )
        return known

    def _named(self, identifiers: Sequence[BusinessIdentifier]) -> StoredAppointment | None:
        """The known appointment that these name, whichever of them it is known by."""
        found = {self._ids[one] for one in identifiers if one in self._ids}
        known = self._known[found.pop()] if len(found) == 1 else None
        if found or (known and contradict(known.identifiers, identifiers)):
            raise IdentifierConflict.of(
                "conflict",
                "These identifiers belong to different appointments: within one system an"
                " appointment keeps its own, and it shares none with another.",
                "Appointment.identifier",
            )
        return known

    def _meeting_the_condition(self, request: AppointmentRequest) -> StoredAppointment | None:
        """What If-None-Exist found."""
        wanted = request.if_none_exist
        return self._known[self._ids[wanted]] if wanted and wanted in self._ids else None

    def _repeated(
        self,
        request: AppointmentRequest,
        message: AppointmentMessage,
        known: StoredAppointment,
        cause: Event | None,
    ) -> Result:
        """A create of what exists.

        A repeat has no second effect; another content must not be told that it was kept.
        """
        if self._meeting_the_condition(request) is known:
            # FHIR R4, http.html#ccreate: what was sent is passed over.
            return Result("unchanged", known)
        same = message.content == known.state.content
        if same and message.has_own_time:
            # Nothing new but its time, which is remembered.
            return self._receive(request, message, known.referral, known, cause)
        if same or is_out_of_date(known.state, message):
            named = also_named(known, request.appointment.identifiers)
            return Result("unchanged", self._remember(named, known))
        # Without a time, a late copy of what made the appointment can't be told from the same plan
        # made again: whoever sent it knows.
        raise AppointmentExists.of(
            "duplicate",
            "There is an appointment with this identifier already, and it says something else now:"
            f" its status is {known.state.content.status}, and it stays as it is. A late repeat of"
            " what made it needs nothing more; anything new is sent with PUT"
            " Appointment?identifier=system|value.",
            "Appointment.identifier",
        )

    def _remember(
        self, stored: StoredAppointment, known: StoredAppointment | None
    ) -> StoredAppointment:
        """What is new about it is written at the end."""
        if stored != known:
            self._known[stored.appointment_id] = stored
            self._ids |= dict.fromkeys(stored.identifiers, stored.appointment_id)
            self._changed.add(stored.appointment_id)
        return stored

    def _receive(
        self,
        request: AppointmentRequest,
        message: AppointmentMessage,
        referral: ActiveReferral,
        known: StoredAppointment | None,
        cause: Event | None,
    ) -> Result:
        told = referral.citizen_id not in self.restricted
        transition = receive(known.state if known else None, message, told=told)
        identifiers = request.appointment.identifiers
        if known is None:
            new = new_id(self._clock)
            stored = StoredAppointment(
                new, self._organisation, identifiers, referral, transition.appointment
            )
        else:
            stored = replace(known, organisation=self._organisation, state=transition.appointment)
            stored = also_named(stored, identifiers)
            if known.organisation and transition.change in ("booked", "rescheduled"):
                stored = self._instead_of_entered(stored, message, cause)
        self._remember(stored, known)
        if transition.change:
            self.changes.append((transition.change, stored, cause))
        if transition.changed:
            self._note_attention(request, stored, known, cause)
            withheld = known is not None and known.state.announced is Announced.WITHHELD
            change = "rescheduled" if withheld else transition.change
            self._note_entered(change, stored, cause)
        # What was entered here becomes the hospital's: it is kept, and nothing new is created.
        is_new = known is None or known.organisation is None
        out_of_date = transition.out_of_date
        return Result(
            "kept" if transition.changed or is_new else "unchanged",
            stored,
            created=known is None,
            warning=None if out_of_date else unaccompanied_warning(request.appointment, self._now),
        )

    def _instead_of_entered(
        self, booked: StoredAppointment, message: AppointmentMessage, cause: Event | None
    ) -> StoredAppointment:
        """Call off what was entered of it while it was known otherwise: one need is enough."""
        entered = self._entered_alike(message, booked.referral)
        if entered is None or entered.state.announced is not Announced.BOOKED:
            return booked
        ended = self._remember(called_off(entered, self._now), entered)
        self.changes.append(("cancelled", ended, cause))
        return replace(booked, is_entered=True)

    def _note_attention(
        self,
        request: AppointmentRequest,
        stored: StoredAppointment,
        known: StoredAppointment | None,
        cause: Event | None,
    ) -> None:
        """Note what a coordinator must look at by what has changed, and what no longer."""
        content, before = stored.state.content, known.state.content if known else None
        if content.is_declined != (before is not None and before.is_declined):
            self._note("patient_declined", stored, cause, needed=content.is_declined)
        if not is_for(self._referrals.get(request.appointment.cpr), stored):
            self._note("cancelled_for_another", stored, cause)
        elif before is not None and before.is_cancelled:
            self._note("cancelled_for_another", stored, cause, needed=False)
        if content.is_over and before is not None:
            self._note("refused_for_another", stored, cause, needed=False)

    def _note_entered(
        self, change: AppointmentChange | None, stored: StoredAppointment, cause: Event | None
    ) -> None:
        """Note that the hospital has made it other than it was entered here.

        Whoever entered it has agreed the time with the citizen. That the patient declined is an
        item of its own.
        """
        if not stored.is_entered or change is None or stored.state.content.is_declined:
            return
        self._note(
            "entered_appointment_changed",
            stored,
            cause,
            needed=change in ("booked", "rescheduled", "cancelled"),
            reasons=(f"appointment_{change}",),
        )

    def _note(
        self,
        kind: AttentionReason,
        stored: StoredAppointment,
        cause: Event | None,
        *,
        needed: bool = True,
        reasons: tuple[str, ...] = (),
    ) -> None:
        self.attention.append(AttentionChange(kind, stored, needed, cause, reasons))


def _without_overlap(results: Sequence[Result]) -> list[Result]:
    """FHIR R4, http.html#trules: a transaction whose resources overlap fails."""
    seen: set[str] = set()
    checked = []
    for result in results:
        if result.stored and result.stored.appointment_id in seen:
            refusal = Malformed.of(
                "conflict", "No two entries of a transaction may be about the same appointment."
            )
            result = replace(result, refusal=refusal)
        elif result.stored:
            seen.add(result.stored.appointment_id)
        checked.append(result)
    return checked
