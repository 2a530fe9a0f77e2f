"""Appointments that a coordinator or a referrer enters, before or instead of the hospital."""

from dataclasses import dataclass

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
from brobyg_referral.cases.use_cases.access import sender_of, visible
from brobyg_referral.cases.use_cases.events import tell_of_appointment
from brobyg_referral.cases.use_cases.repeats import Keyed, Repeats
from brobyg_referral.cases.use_cases.visits import check_visit, known_reference
from brobyg_referral.errors import ReferralInactive, RequestRefused


@dataclass(frozen=True, slots=True)
class NewAppointment:
    """What somebody enters."""

    referral_id: str
    visit: PlannedVisit
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
        appointment, whoever entered or sent it, and so is what the hospital sends later. A repeat
        by Idempotency-Key gets the first one.

        Raises NoSuchReferral, ReferralInactive without consent, RequestRefused for a place or time
        that can't be or a pathway without appointments, ReferenceMissing, IdempotencyKeyReused.
        """
        reference = await known_reference(self._reference, tx)
        locked = await self._referrals.lock(tx, asked.referral_id)
        referral = visible(caller, locked, reference)
        made_id = await self._repeats.made_by(tx, sender_of(caller), asked.keyed)
        if referral.status != "active":
            raise ReferralInactive("the citizen has withdrawn consent")
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
        stored = same or await self._add(tx, referral, asked.visit)
        if same is None:
            tell_of_appointment(tx, "booked", stored, reference)
        if made_id is None:
            await self._repeats.remember(tx, sender_of(caller), asked.keyed, stored.appointment_id)
        return Entered(stored, is_new=same is None)

    async def _add(
        self, tx: Transaction, referral: Referral, visit: PlannedVisit
    ) -> StoredAppointment:
        said = AppointmentMessage(
            Content(AppointmentStatus.BOOKED, visit), tx.now, has_own_time=False
        )
        stored = StoredAppointment(
            appointment_id=new_id(tx.clock),
            organisation=None,
            identifiers=(),
            referral=ActiveReferral(
                referral.referral_id, referral.citizen_id, referral.pathway, referral.department
            ),
            state=receive(None, said).appointment,
        )
        await self._appointments.save(tx, [stored], ())
        return stored


def _same(known: list[StoredAppointment], visit: PlannedVisit) -> StoredAppointment | None:
    """The booked one that this is, the nearest in time."""
    near = [
        (between, one.appointment_id, one)
        for one in known
        if one.state.announced is Announced.BOOKED
        and (between := apart(one.state.content.plan, visit)) is not None
    ]
    return min(near)[2] if near else None
