"""Planning, changing and calling off sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from brobyg_contracts import pathways
from brobyg_contracts.access import reaching_role
from brobyg_contracts.events import SeatWanted
from brobyg_contracts.reference import Reference
from brobyg_kit.auth import Caller
from brobyg_kit.database import Transaction
from brobyg_kit.ids import new_id
from brobyg_kit.timers import DueTimer

from brobyg_referral.cases.domain import departments
from brobyg_referral.cases.domain.appointment import PlannedVisit
from brobyg_referral.cases.domain.need import pathways_about
from brobyg_referral.cases.domain.session import Session
from brobyg_referral.cases.ports import ReferenceSource, SessionStore
from brobyg_referral.cases.use_cases.access import sender_of
from brobyg_referral.cases.use_cases.repeats import Keyed, Repeats
from brobyg_referral.cases.use_cases.timers import AGAIN, SESSION_OVER
from brobyg_referral.cases.use_cases.visits import check_visit, known_reference
from brobyg_referral.errors import (
    DepartmentDiffers,
    NoSuchSession,
    RequestRefused,
    SessionOver,
    SessionWithdrawn,
)


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """When and where a session is, and who is wanted for it."""

    location_id: str
    #: Zone-aware UTC.
    starts_at: datetime
    ends_at: datetime
    #: Where they differ from the policy's.
    seats: tuple[SeatWanted, ...] = ()


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a coordinator plans."""

    pathway: str
    department: str
    plan: SessionPlan
    keyed: Keyed


class Sessions:
    """What can be done with sessions. Every method is one transaction's work.

    Coordinators plan, see and change their own department's; head office all.
    """

    def __init__(
        self, sessions: SessionStore, repeats: Repeats, reference: ReferenceSource
    ) -> None:
        """No state of its own."""
        self._sessions, self._repeats, self._reference = sessions, repeats, reference

    async def plan(self, tx: Transaction, caller: Caller, asked: NewSession) -> Session:
        """A new session, for which helpers are wanted at once.

        A repeat by Idempotency-Key gets the first one. Raises DepartmentDiffers, RequestRefused for
        what the reference data or the policy don't have and for a time that can't be,
        ReferenceMissing, IdempotencyKeyReused.
        """
        reference = await known_reference(self._reference, tx)
        if made_id := await self._repeats.made_by(tx, sender_of(caller), asked.keyed):
            return self._visible(caller, await self._sessions.get(tx, made_id), reference)
        _check_plan(asked.pathway, asked.plan, reference, tx.now)
        department = departments.named(reference, asked.department, asked.pathway)
        if department is None:
            running = ", ".join(departments.running(reference, asked.pathway))
            raise RequestRefused(
                "/department", f"expected a department that runs this pathway: {running}"
            )
        if not _reaches(caller, department.id, reference):
            raise DepartmentDiffers("plan sessions of your own department")
        session = Session(
            session_id=new_id(tx.clock),
            pathway=asked.pathway,
            department=department.id,
            location_id=asked.plan.location_id,
            starts_at=asked.plan.starts_at,
            ends_at=asked.plan.ends_at,
            seats=asked.plan.seats,
            created_at=tx.now,
        )
        await self._sessions.insert(tx, session)
        await self._repeats.remember(tx, sender_of(caller), asked.keyed, session.session_id)
        tx.emit(session.need.opened(), subject=session.session_id)
        tx.schedule(SESSION_OVER, session.session_id, session.ends_at)
        return session

    async def get(self, tx: Transaction, caller: Caller, session_id: str) -> Session:
        """One that the caller may see. Else raises NoSuchSession, whether or not it exists."""
        reference = await self._reference.get(tx)
        return self._visible(caller, await self._sessions.get(tx, session_id), reference)

    async def change(
        self, tx: Transaction, caller: Caller, session_id: str, plan: SessionPlan
    ) -> Session:
        """Move it, or want others for it. No effect when it is so already.

        Raises NoSuchSession, SessionWithdrawn, SessionOver, and what `plan` raises.
        """
        reference = await known_reference(self._reference, tx)
        found = await self._sessions.get(tx, session_id, lock=True)
        session = self._visible(caller, found, reference)
        if session.withdrawn_at is not None:
            raise SessionWithdrawn("plan another one")
        _check_to_come(session, tx)
        changed = replace(
            session,
            location_id=plan.location_id,
            starts_at=plan.starts_at,
            ends_at=plan.ends_at,
            seats=plan.seats,
        )
        if changed == session:
            return session
        _check_plan(session.pathway, plan, reference, tx.now)
        await self._sessions.save(tx, changed)
        tx.emit(changed.need.changed(), subject=session_id)
        tx.schedule(SESSION_OVER, session_id, changed.ends_at)
        return changed

    async def withdraw(self, tx: Transaction, caller: Caller, session_id: str) -> None:
        """Call it off. Again has no further effect. Raises NoSuchSession, SessionOver."""
        reference = await self._reference.get(tx)
        found = await self._sessions.get(tx, session_id, lock=True)
        session = self._visible(caller, found, reference)
        if session.withdrawn_at is not None:
            return
        _check_to_come(session, tx)
        await self._sessions.save(tx, replace(session, withdrawn_at=tx.now))
        tx.emit(session.need.closed("withdrawn"), subject=session_id)
        tx.unschedule(SESSION_OVER, session_id)

    async def close_over(self, tx: Transaction, due: Sequence[DueTimer]) -> None:
        """The end of these has come, unless they were moved meanwhile. Raises database errors.

        It waits for nobody: whoever has a session may wait for its timer, which is claimed here.
        """
        ids = {one.subject for one in due}
        free = await self._sessions.lock_free(tx, ids)
        for session in free:
            if session.withdrawn_at is not None:
                continue
            if session.ends_at > tx.now:
                tx.schedule(SESSION_OVER, session.session_id, session.ends_at)
            else:
                tx.emit(session.need.closed("completed"), subject=session.session_id)
        for session_id in ids - {session.session_id for session in free}:
            tx.schedule(SESSION_OVER, session_id, tx.now + AGAIN)

    @staticmethod
    def _visible(caller: Caller, session: Session | None, reference: Reference) -> Session:
        """The session, as one of the department that has it now."""
        if session is None or not _reaches(caller, session.department, reference):
            raise NoSuchSession
        return replace(session, department=reference.present_department(session.department))


def _reaches(caller: Caller, department: str, reference: Reference) -> bool:
    """Whether the caller plans sessions of this department."""
    role = reaching_role(caller, "plan-session", departments=[department], reference=reference)
    return role is not None


def _check_to_come(session: Session, tx: Transaction) -> None:
    """Raise SessionOver for one that is over by now, with its lock held."""
    if session.ends_at <= tx.clock.now():
        raise SessionOver("what has taken place stays as it was")


def _check_plan(pathway: str, plan: SessionPlan, reference: Reference, now: datetime) -> None:
    """Raise RequestRefused for a pathway, place, time or seats that can't be."""
    known = pathways_about("session")
    if pathway not in known:
        expected = f"one of {', '.join(known)}" if known else "none: no pathway has sessions here"
        raise RequestRefused("/pathway", f"expected {expected}")
    check_visit(PlannedVisit(plan.starts_at, plan.ends_at, plan.location_id), reference, now)
    roles = [seat.role for seat in pathways.load_pathway(pathway).seats]
    asked = [seat.role for seat in plan.seats]
    for index, seat in enumerate(plan.seats):
        if seat.role not in roles or seat.role in asked[:index]:
            raise RequestRefused(
                f"/seats/{index}/role", f"expected each once, of {', '.join(roles)}"
            )
        if seat.least > seat.wanted:
            raise RequestRefused(f"/seats/{index}/least", "expected at most what is wanted")
