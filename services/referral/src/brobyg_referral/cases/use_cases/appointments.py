"""Appointments that a coordinator or a referrer enters, before or instead of the hospital.

They are changed and called off here as long as no hospital has sent them.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.ids import new_id

from brobyg_referral.cases.domain.appointment import (
    Announced,
    AppointmentMessage,
    AppointmentStatus,
    Content,
    PlannedVisit,
    apart,
    booked_by_hand,
    receive,
)
from brobyg_referral.cases.domain.need import pathways_about
from brobyg_referral.cases.domain.referral import Referral
from brobyg_referral.cases.ports import (
    ActiveReferral,
    AppointmentStore,
    ReferenceSource,
    ReferralStore,
    StoredAppointment,
)
from brobyg_referral.cases.use_cases.access import check_unrestricted, reaches, sender_of, visible
from brobyg_referral.cases.use_cases.events import tell_of_appointment
from brobyg_referral.cases.use_cases.repeats import Keyed, Repeats
from brobyg_referral.cases.use_cases.visits import check_visit, known_reference
from brobyg_referral.errors import (
    AppointmentFixed,
    NoSuchAppointment,
    ReferralInactive,
    RequestRefused,
)


@dataclass(frozen=True, slots=True)
class NewAppointment:
    """What somebody enters."""

    referral_id: str
    visit: PlannedVisit
    keyed: Keyed


@dataclass(frozen=True, slots=True)
class AppointmentUpdate:
    """What somebody asks of an appointment that was entered."""

    appointment_id: str
    #: When and where it is from now on; None to call it off.
    visit: PlannedVisit | None
    keyed: Keyed


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of it."""

    stored: StoredAppointment
    #: False: it was there already.
    is_new: bool


class Appointments:
    """What can be done with appointments by hand. Every method is one transaction's work."""

    def __init__(
        self,
        referrals: ReferralStore,
        appointments: AppointmentStore,
        repeats: Repeats,
        reference: ReferenceSource,
    ) -> None:
        """No state of its own."""
        self._referrals, self._appointments = referrals, appointments
        self._repeats, self._reference = repeats, reference

    async def enter(self, tx: Transaction, caller: Caller, asked: NewAppointment) -> Entered:
        """A new appointment under a referral that the caller may see, booked at once.

        A booked one of the referral at the same place and about the same time is the same
        appointment, whoever entered or sent it, and so is what the hospital sends later. So is one
        that the hospital has told only tentatively: it is booked from then on. A repeat by
        Idempotency-Key gets the first one.

        Raises NoSuchReferral, ReferralInactive without consent, CitizenRestricted, RequestRefused
        for a place or time that can't be or a pathway without appointments, ReferenceMissing,
        IdempotencyKeyReused.
        """
        reference = await known_reference(self._reference, tx)
        locked = await self._referrals.lock(tx, asked.referral_id)
        referral = visible(caller, "enter-appointment", locked, reference)
        made_id = await self._repeats.made_by(tx, sender_of(caller), asked.keyed)
        if referral.status != "active":
            raise ReferralInactive("the citizen has withdrawn consent")
        await check_unrestricted(tx, referral.citizen_id)
        if referral.pathway not in pathways_about("appointment"):
            raise RequestRefused(
                "/referral_id", "expected a referral to a pathway that goes along to appointments"
            )
        known = await self._appointments.of_referral(tx, referral.referral_id)
        for one in known:
            if one.appointment_id == made_id:
                return Entered(one, is_new=False)
        check_visit(asked.visit, reference, tx.now)
        same = _same(known, asked.visit)
        stored = same or _entered(referral, asked.visit, tx)
        if stored.state.announced is not Announced.BOOKED:
            state = booked_by_hand(stored.state, asked.visit)
            stored = replace(stored, state=state, is_entered=True)
        if stored is not same:
            await self._appointments.save(tx, [stored], ())
            tell_of_appointment(tx, "booked", stored, reference)
        if made_id is None:
            await self._repeats.remember(tx, sender_of(caller), asked.keyed, stored.appointment_id)
        return Entered(stored, is_new=same is None)

    async def change(
        self, tx: Transaction, caller: Caller, asked: AppointmentUpdate
    ) -> StoredAppointment:
        """Move an entered appointment, or call it off. No effect when it is so already.

        A repeat by Idempotency-Key has no effect, whatever has become of it since.

        Raises NoSuchAppointment where there is none or the caller may not see its referral,
        AppointmentFixed when the hospital's system has sent it, when it was called off or is over,
        and when another of the referral is at that place and time; CitizenRestricted,
        RequestRefused for a place or time that can't be, ReferenceMissing, IdempotencyKeyReused.
        """
        reference = await known_reference(self._reference, tx)
        known = await self._lock(tx, caller, asked.appointment_id, reference)
        stored = next((o for o in known if o.appointment_id == asked.appointment_id), None)
        if stored is None:  # consent was withdrawn meanwhile
            raise NoSuchAppointment
        sender = sender_of(caller)
        if await self._repeats.made_by(tx, sender, asked.keyed):
            return stored
        await check_unrestricted(tx, stored.referral.citizen_id)
        _check_changeable(stored, asked.visit, tx.now)
        content = stored.state.content
        if asked.visit is None:
            content = replace(content, status=AppointmentStatus.CANCELLED)
        elif asked.visit != content.plan:
            check_visit(asked.visit, reference, tx.now)
            _check_alone(known, stored, asked.visit)
            content = replace(content, plan=asked.visit)
        transition = receive(stored.state, AppointmentMessage(content, tx.now, has_own_time=False))
        if transition.change:
            stored = replace(stored, state=transition.appointment)
            await self._appointments.save(tx, [stored], ())
            tell_of_appointment(tx, transition.change, stored, reference)
        await self._repeats.remember(tx, sender, asked.keyed, stored.appointment_id)
        return stored

    async def _lock(
        self, tx: Transaction, caller: Caller, appointment_id: str, reference: Reference
    ) -> list[StoredAppointment]:
        """All appointments of the referral that it belongs to, which is locked."""
        referral_id = await self._appointments.referral_of(tx, appointment_id)
        referral = await self._referrals.lock(tx, referral_id) if referral_id else None
        if referral is None or not reaches(caller, "enter-appointment", [referral], reference):
            raise NoSuchAppointment
        return await self._appointments.of_referral(tx, referral.referral_id)


def _entered(referral: Referral, visit: PlannedVisit, tx: Transaction) -> StoredAppointment:
    """A new one."""
    said = AppointmentMessage(Content(AppointmentStatus.BOOKED, visit), tx.now, has_own_time=False)
    return StoredAppointment(
        appointment_id=new_id(tx.clock),
        organisation=None,
        identifiers=(),
        referral=ActiveReferral(
            referral.referral_id, referral.citizen_id, referral.pathway, referral.department
        ),
        state=receive(None, said).appointment,
        is_entered=True,
    )


def _same(known: list[StoredAppointment], visit: PlannedVisit) -> StoredAppointment | None:
    """The one that this is: a booked one before a tentative one, then the nearest in time.

    A tentative one may be at a place that is not known yet.
    """
    near = []
    for one in known:
        state = one.state
        is_booked = state.announced is Announced.BOOKED
        if not is_booked and (one.organisation is None or state.content.is_over):
            continue
        plan = state.announced_plan if is_booked and state.announced_plan else state.content.plan
        placed = replace(plan, location_id=plan.location_id or visit.location_id)
        between = apart(placed, visit)
        if between is not None:
            near.append((not is_booked, between, one.appointment_id, one))
    return min(near)[3] if near else None


def _check_changeable(stored: StoredAppointment, visit: PlannedVisit | None, now: datetime) -> None:
    """Raise AppointmentFixed unless it is entered here alone and is still to come.

    What was called off may be called off again.
    """
    if stored.organisation is not None:
        raise AppointmentFixed(
            "the hospital's system has sent it and owns it now: have it moved or cancelled there"
        )
    if stored.state.announced is not Announced.BOOKED:
        if visit is not None:
            raise AppointmentFixed("it was called off: enter another one")
    elif (ends_at := stored.state.content.plan.ends_at) is not None and ends_at <= now:
        raise AppointmentFixed("it is over")


def _check_alone(
    known: list[StoredAppointment], stored: StoredAppointment, visit: PlannedVisit
) -> None:
    """Raise AppointmentFixed when it would be the same as another one of the referral."""
    same = _same([one for one in known if one is not stored], visit)
    if same is not None:
        raise AppointmentFixed(
            f"appointment {same.appointment_id} is at that place and time: call this one off"
        )
