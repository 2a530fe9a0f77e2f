"""The one way in for the hospital's appointments, whichever door they come through.

Any number of messages is one transaction and a handful of statements: who of these citizens has an active referral (locked), what is known of these
appointments, then decisions in memory in the order received, then one write, one count and the events. A message about somebody without an active,
consented referral ends here: it is counted and nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import new_id

from brobyg_referral.adapters.secrets import Hasher
from brobyg_referral.domain.appointment import (
    Appointment,
    Change,
    Message,
    Status,
    Step,
    is_ahead,
    is_beyond,
    is_out_of_date,
    is_too_long,
    receive,
)
from brobyg_referral.fhir.bundle import Asked
from brobyg_referral.fhir.outcome import Issue, Refused, refused
from brobyg_referral.fhir.reading import MAX_IDENTIFIERS, BusinessIdentifier, HospitalAppointment
from brobyg_referral.handlers import event_of
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.ports import ActiveReferral, AppointmentStore, Door, IntakeOutcome, Kept


@dataclass(frozen=True, slots=True)
class Command:
    """One message, what is asked to be done with it, and the event it came by, where it came by one."""

    asked: Asked
    cause: Event | None = None

    @property
    def appointment(self) -> HospitalAppointment:
        """What the message says."""
        return self.asked.appointment


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together; `atomic`: all or none of them."""

    commands: Sequence[Command]
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one command. `kept` is the appointment after it, `refusal` why it was refused; neither when it was dropped without consent.
    `warning`: it was taken in, and this of it can't be acted on.
    """

    outcome: IntakeOutcome
    kept: Kept | None = None
    created: bool = False
    refusal: Refused | None = None
    warning: Issue | None = None


@dataclass(frozen=True, slots=True)
class _Emission:
    change: Change
    kept: Kept
    cause: Event | None


class Intake:
    """Takes hospital messages in."""

    def __init__(self, store: AppointmentStore, hasher: Hasher, metrics: ReferralMetrics) -> None:
        """No state of its own."""
        self._store, self._hasher, self._metrics = store, hasher, metrics

    async def take(
        self,
        tx: Transaction,
        door: Door,
        organisation: str,
        groups: Sequence[Group],
        rejected: int = 0,
    ) -> list[list[Result]]:
        """Do what the groups ask, in order, and return a result for each command; `rejected` more were refused before they got here, and are counted.

        Nothing is raised for a refused command: it is in its result. Raises database errors.
        """
        commands = [command for group in groups for command in group.commands]
        desk = await self._desk(tx, door, organisation, commands) if commands else None
        results = [desk.attempt(group) for group in groups] if desk else [[] for _ in groups]
        if desk:
            await self._store.save(tx, desk.touched(), desk.new_names())
            for emission in desk.emissions:
                tx.emit(
                    event_of(emission.change, emission.kept),
                    subject=emission.kept.referral.referral_id,
                    cause=emission.cause,
                )
        counts: Counter[IntakeOutcome] = Counter(
            result.outcome for group in results for result in group
        )
        counts["rejected"] += rejected
        await self.count(tx, door, counts)
        return results

    async def count(self, tx: Transaction, door: Door, counts: Counter[IntakeOutcome]) -> None:
        """Add to the durable totals (with the transaction) and to the process's counters."""
        present = {outcome: number for outcome, number in counts.items() if number}
        await self._store.count(tx, door, present)
        for outcome, number in present.items():
            self._metrics.appointments.labels(door, outcome).inc(number)

    async def _desk(
        self, tx: Transaction, door: Door, organisation: str, commands: Sequence[Command]
    ) -> "_Desk":
        hashes = {
            command.appointment.cpr: self._hasher.cpr(command.appointment.cpr)
            for command in commands
        }
        referrals = await self._store.lock_active_referrals(tx, set(hashes.values()))
        # Read after the lock was got: what others committed meanwhile is seen.
        identifiers = {one for command in commands for one in command.appointment.identifiers}
        identifiers |= {
            command.asked.if_none_exist for command in commands if command.asked.if_none_exist
        }
        known = await self._store.by_identifier(tx, organisation, identifiers)
        ids = {command.asked.appointment_id for command in commands if command.asked.appointment_id}
        if ids:
            known += await self._store.by_id(tx, organisation, ids)
        by_cpr = {
            cpr: referral for cpr, digest in hashes.items() if (referral := referrals.get(digest))
        }
        return _Desk(tx, door, organisation, by_cpr, known)


class _Desk:
    """The decisions of one transaction, in memory."""

    def __init__(
        self,
        tx: Transaction,
        door: Door,
        organisation: str,
        referrals: dict[str, ActiveReferral],
        known: Sequence[Kept],
    ) -> None:
        self._clock, self._now, self._door, self._organisation = (
            tx.clock,
            tx.clock.now(),
            door,
            organisation,
        )
        self._referrals = referrals
        self._known = {one.appointment_id: one for one in known}
        self._names = {name: one.appointment_id for one in known for name in one.identifiers}
        self._stored_names = frozenset(self._names)
        self._touched: set[str] = set()
        self.emissions: list[_Emission] = []

    def touched(self) -> list[Kept]:
        """What is new or changed, in the order of ids so that no two transactions wait for each other."""
        return [self._known[appointment_id] for appointment_id in sorted(self._touched)]

    def new_names(self) -> list[tuple[BusinessIdentifier, Kept]]:
        """Identifiers that are not stored yet and whose they are, in one order for the same reason."""
        new = sorted(self._names.keys() - self._stored_names, key=lambda name: name.token)
        return [(name, self._known[self._names[name]]) for name in new]

    def attempt(self, group: Group) -> list[Result]:
        """Carry out a group; of an atomic one with a refusal nothing remains, and all its results are rejections."""
        before = (
            (dict(self._known), dict(self._names), set(self._touched), list(self.emissions))
            if group.atomic
            else None
        )
        results = [self._attempt(command) for command in group.commands]
        if group.atomic:
            results = _without_overlap(results)
        if before and any(result.refusal for result in results):
            self._known, self._names, self._touched, self.emissions = before
            return [
                replace(result, outcome="rejected", kept=None, created=False) for result in results
            ]
        return results

    def _attempt(self, command: Command) -> Result:
        try:
            return self._decide(command)
        except Refused as refusal:
            return Result("rejected", refusal=refusal)

    def _decide(self, command: Command) -> Result:
        referral = self._referrals.get(command.appointment.cpr)
        # A refusal by Kafka is kept on a topic, so there is none of these for somebody without consent (only one that names an appointment of somebody with
        # consent is refused below, and concerns that one). One over HTTP is kept nowhere, and is the same for everybody:
        # were it not, a booking that can't be kept would tell who has a referral and leave no trace of the asking.
        if referral is not None or self._door == "http":
            _check_time(command.appointment.last_updated, self._now)
            _check_horizon(command.appointment.message(self._now), self._now)
        known = self._find(command)
        if known is not None and (
            referral is None or referral.citizen_id != known.referral.citizen_id
        ):
            raise refused(
                422, "business-rule", "The patient of an appointment can't be changed: send this one as entered-in-error and book another.",
                "Appointment.participant",
            )  # fmt: skip
        if referral is None:
            return Result("dropped_without_consent")
        _check_version(command, known)
        if command.asked.mode == "update" and known is None:
            raise refused(404, "not-found", "There is no such appointment.")
        if command.asked.mode == "create" and known is not None:
            return self._repeated(command, known)
        unknown_place = command.appointment.unknown_place
        if known is None and unknown_place and command.appointment.status is Status.BOOKED:
            raise Refused(422, [unknown_place])
        return self._receive(command, referral, known)

    def _find(self, command: Command) -> Kept | None:
        named = self._named(command.appointment.identifiers)
        if command.asked.mode == "update":
            known = self._known.get(command.asked.appointment_id or "")
            if known is not None and known is not named:
                raise refused(
                    422,
                    "business-rule",
                    "The business identifier of an appointment can't be changed.",
                    "Appointment.identifier",
                )
            return known
        return self._meeting_the_condition(command) or named

    def _named(self, identifiers: Sequence[BusinessIdentifier]) -> Kept | None:
        """The known appointment that these name, whichever of them it is known by."""
        found = {self._names[one] for one in identifiers if one in self._names}
        known = self._known[found.pop()] if len(found) == 1 else None
        if found or (known and _contradict(known.identifiers, identifiers)):
            raise refused(
                409, "conflict",
                "These identifiers belong to different appointments: within one system an appointment keeps its own, and it shares none with another.",
                "Appointment.identifier",
            )  # fmt: skip
        return known

    def _meeting_the_condition(self, command: Command) -> Kept | None:
        """What If-None-Exist found."""
        appointment_id = (
            self._names.get(command.asked.if_none_exist) if command.asked.if_none_exist else None
        )
        return self._known[appointment_id] if appointment_id else None

    def _repeated(self, command: Command, known: Kept) -> Result:
        """A create of what exists: a repeat has no second effect, another content must not be told it was kept."""
        message, state = command.appointment.message(self._now), known.state
        if self._meeting_the_condition(command) is known:
            return Result(
                "unchanged", known
            )  # FHIR R4, http.html#ccreate: what was sent is passed over
        same = (message.status, message.plan) == (state.status, state.plan)
        if same and message.has_own_time:
            return self._receive(
                command, known.referral, known
            )  # nothing new but its time, which is remembered
        if same or is_out_of_date(state, message):
            return Result(
                "unchanged",
                self._remember(_also_named(known, command.appointment.identifiers), known),
            )
        # Without a time, what made the appointment coming late can't be told from the same plan made anew: whoever sent it knows.
        raise refused(
            409, "duplicate",
            f"There is an appointment with this identifier already, and it says something else now: its status is {state.status}, and it stays as it is. "
            "A late repeat of what made it needs nothing more; anything new is sent with PUT Appointment?identifier=system|value.",
            "Appointment.identifier",
        )  # fmt: skip

    def _remember(self, kept: Kept, known: Kept | None) -> Kept:
        """What is new about it is written at the end."""
        if kept != known:
            self._known[kept.appointment_id] = kept
            self._names |= dict.fromkeys(kept.identifiers, kept.appointment_id)
            self._touched.add(kept.appointment_id)
        return kept

    def _receive(self, command: Command, referral: ActiveReferral, known: Kept | None) -> Result:
        step = receive(known.state if known else None, command.appointment.message(self._now))
        if known is None:
            kept = self._new(command, referral, step.appointment)
        else:
            kept = _also_named(
                replace(known, state=step.appointment), command.appointment.identifiers
            )
        self._remember(kept, known)
        self._tell(step, kept, command.cause)
        warning = None if step.out_of_date else _nobody_comes_along(command.appointment, self._now)
        return Result(
            "kept" if step.changed else "unchanged", kept, created=known is None, warning=warning
        )

    def _new(self, command: Command, referral: ActiveReferral, state: Appointment) -> Kept:
        return Kept(
            new_id(self._clock),
            self._organisation,
            command.appointment.identifiers,
            referral,
            state,
        )

    def _tell(self, step: Step, kept: Kept, cause: Event | None) -> None:
        if step.change:
            self.emissions.append(_Emission(step.change, kept, cause))


def _contradict(known: Sequence[BusinessIdentifier], told: Sequence[BusinessIdentifier]) -> bool:
    """Whether the two name different things within one system, such as another number of the same booking system."""
    systems = {one.system for one in known} & {one.system for one in told}
    return systems != {one.system for one in set(known) & set(told)}


def _also_named(kept: Kept, identifiers: Sequence[BusinessIdentifier]) -> Kept:
    """With the identifiers that are new, as far as there is room. They are shown, so they make a version of their own."""
    new = [one for one in identifiers if one not in kept.identifiers][
        : MAX_IDENTIFIERS - len(kept.identifiers)
    ]
    if not new:
        return kept
    state = replace(kept.state, version=kept.state.version + 1)
    return replace(kept, identifiers=(*kept.identifiers, *new), state=state)


def _without_overlap(results: Sequence[Result]) -> list[Result]:
    """FHIR R4, http.html#trules: a transaction whose resources overlap fails."""
    seen: set[str] = set()
    checked = []
    for result in results:
        if result.kept and result.kept.appointment_id in seen:
            text = "No two entries of a transaction may be about the same appointment."
            result = replace(result, refusal=refused(400, "conflict", text))
        elif result.kept:
            seen.add(result.kept.appointment_id)
        checked.append(result)
    return checked


def _nobody_comes_along(appointment: HospitalAppointment, now: datetime) -> Issue | None:
    """What the hospital is told when what is now booked is at a place that is none of ours, or over; None where that matters to nobody."""
    if appointment.status is not Status.BOOKED:
        return None
    if appointment.unknown_place is None:
        ends_at = appointment.plan.ends_at
        text = (
            "Taken in, but its end has passed, so nobody is asked to come along: is the date right?"
        )
        return (
            Issue("value", text, "Appointment.end", severity="warning")
            if ends_at and ends_at <= now
            else None
        )
    text = f"Taken in, but nobody comes along to this place, and who would have come along is told so. {appointment.unknown_place.diagnostics}"
    return replace(appointment.unknown_place, severity="warning", diagnostics=text)


def _check_time(last_updated: datetime | None, now: datetime) -> None:
    if last_updated is not None and is_ahead(last_updated, now):
        raise refused(
            422, "value", "meta.lastUpdated is expected to be at most a day ahead of now: the true messages after it would count as out of date.",
            "Appointment.meta.lastUpdated",
        )  # fmt: skip


def _check_horizon(message: Message, now: datetime) -> None:
    starts_at = message.plan.starts_at
    if message.status is not Status.BOOKED or starts_at is None:
        return
    if is_beyond(starts_at, now):
        raise refused(
            422, "value", "The start is expected within two years of now: is the year right? Volunteers would be asked for it.", "Appointment.start"
        )  # fmt: skip
    if is_too_long(message.plan):
        raise refused(
            422, "value", "The end is expected within 31 days of the start: is the date right? Volunteers would be asked for it.", "Appointment.end"
        )  # fmt: skip


def _check_version(command: Command, known: Kept | None) -> None:
    wanted = command.asked.if_match
    if wanted is not None and (known is None or wanted not in ("*", known.state.version)):
        raise refused(
            412,
            "conflict",
            "If-Match names another version than the current one: read the appointment again.",
        )
