"""The JSON API: referrals, contact, erasure, appointments that are entered, sessions."""

from typing import Annotated, Any
from uuid import UUID

from brobyg_contracts import CitizenErased
from brobyg_contracts.words import pattern_of
from brobyg_kit.access_log_api import EmergencyIn, Purpose
from brobyg_kit.auth import Caller, requires_act
from brobyg_kit.database import Database
from brobyg_kit.erasure_api import ErasureOut
from brobyg_kit.problems import Problem
from fastapi import APIRouter, Depends, Header, Query, Response

from brobyg_referral.cases.entrypoints.models import (
    AppointmentIn,
    AppointmentOut,
    AppointmentPlanIn,
    ContactOut,
    ReferralIn,
    ReferralOut,
    SessionIn,
    SessionOut,
    SessionPlanIn,
    appointment_update,
)
from brobyg_referral.cases.entrypoints.problems import FIELDS_WRONG, ReferralRoute
from brobyg_referral.cases.use_cases.appointments import Appointments
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.cases.use_cases.referrals import Referrals, Use
from brobyg_referral.cases.use_cases.sessions import Sessions
from brobyg_referral.transactions import in_transaction

Refers = Annotated[Caller, Depends(requires_act("refer"))]
ReadsReferral = Annotated[Caller, Depends(requires_act("read-referral"))]
Enters = Annotated[Caller, Depends(requires_act("enter-appointment"))]
Plans = Annotated[Caller, Depends(requires_act("plan-session"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="Repeats with the same key have no second effect.",
    ),
]

_FIXED: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "It can't be changed here, and `detail` says why: the hospital's system has"
        " sent it and owns it now, it was called off or is over, or another is at that time."
    }
}


def create_router(
    database: Database,
    referrals: Referrals,
    erasing: Erasing,
    appointments: Appointments,
    sessions: Sessions,
) -> APIRouter:
    """All of the JSON API."""
    router = APIRouter(route_class=ReferralRoute)
    _add_referrals(router, database, referrals)
    _add_citizens(router, database, referrals, erasing)
    _add_appointments(router, database, appointments)
    _add_sessions(router, database, sessions)
    return router


def _add_referrals(router: APIRouter, database: Database, referrals: Referrals) -> None:
    @router.post(
        "/referrals",
        status_code=201,
        tags=["referrals"],
        summary="Refer a citizen who has consented",
    )
    async def create_referral(
        body: ReferralIn,
        caller: Refers,
        idempotency_key: IdempotencyKey = None,
    ) -> ReferralOut:
        """The citizen is kept sealed, and found again by the CPR number.

        409 while the citizen has an active referral of the same pathway.
        """
        if error := body.meeting_problem():
            raise Problem(422, FIELDS_WRONG, errors=[error])
        asked = body.asked(idempotency_key)
        return ReferralOut.of(
            await in_transaction(database, lambda tx: referrals.create(tx, caller, asked))
        )

    @router.get(
        "/referrals/{referral_id}",
        tags=["referrals"],
        summary="A referral of your organisation or department",
    )
    async def get_referral(referral_id: UUID, caller: ReadsReferral) -> ReferralOut:
        """404 also for one that is another organisation's or department's."""
        return ReferralOut.of(
            await in_transaction(database, lambda tx: referrals.get(tx, caller, str(referral_id)))
        )


def _add_citizens(
    router: APIRouter, database: Database, referrals: Referrals, erasing: Erasing
) -> None:
    @router.get(
        "/citizens/{citizen_id}/contact",
        tags=["citizens"],
        summary="How to reach a citizen; recorded with its purpose",
    )
    async def contact(
        citizen_id: UUID,
        purpose: Purpose,
        caller: Annotated[Caller, Depends(requires_act("open-citizen-identity", "reach-citizen"))],
        use: Annotated[
            Use,
            Query(
                description="For services. `write`: to write to the citizen, who has agreed to"
                " messages. `meet`: to tell a helper whom to meet; without e-mail and phone."
            ),
        ] = "write",
    ) -> ContactOut:
        """A service is told what messages need; a coordinator the full name and the phone too."""
        found = await in_transaction(
            database, lambda tx: referrals.contact(tx, caller, str(citizen_id), purpose, use)
        )
        return ContactOut.of(str(citizen_id), found, to_service=not found.whole)

    @router.post(
        "/citizens/{citizen_id}/contact",
        tags=["citizens"],
        summary="How to reach a citizen of another department, in an emergency",
    )
    async def contact_in_emergency(
        citizen_id: UUID,
        body: EmergencyIn,
        caller: Annotated[Caller, Depends(requires_act("open-citizen-identity-in-emergency"))],
    ) -> ContactOut:
        """Recorded with the reason; each department of the citizen's has it on its worklist."""
        found = await in_transaction(
            database,
            lambda tx: referrals.contact(
                tx, caller, str(citizen_id), body.purpose, "write", body.emergency
            ),
        )
        return ContactOut.of(str(citizen_id), found, to_service=not found.whole)

    @router.delete(
        "/citizens/{citizen_id}",
        status_code=202,
        tags=["citizens"],
        summary="Erase a citizen: end all that is done for them, destroy all that finds them",
    )
    async def erase(
        citizen_id: UUID,
        reason: Annotated[
            str,
            Query(
                pattern=pattern_of(CitizenErased, "reason"),
                description="requested, consent_withdrawn, retention_over or entered_by_mistake.",
            ),
        ],
        caller: Annotated[Caller, Depends(requires_act("erase-citizen"))],
        response: Response,
    ) -> ErasureOut:
        found = await in_transaction(
            database, lambda tx: erasing.erase(tx, caller, str(citizen_id), reason)
        )
        response.headers["Location"] = f"/erasures/{citizen_id}"
        return ErasureOut.of(found)


def _add_appointments(router: APIRouter, database: Database, appointments: Appointments) -> None:
    @router.post(
        "/appointments",
        status_code=201,
        tags=["appointments"],
        summary="Enter an appointment of a referral; the hospital's later word on it counts",
        responses={200: {"description": "It was there already", "model": AppointmentOut}},
    )
    async def enter_appointment(
        body: AppointmentIn,
        caller: Enters,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> AppointmentOut:
        """200 when it was here already: entered before, or sent by the hospital."""
        asked = body.asked(idempotency_key)
        entered = await in_transaction(database, lambda tx: appointments.enter(tx, caller, asked))
        response.status_code = 201 if entered.is_new else 200
        return AppointmentOut.of(entered.stored)

    @router.put(
        "/appointments/{appointment_id}",
        tags=["appointments"],
        summary="Move an entered appointment, as long as no hospital has sent it",
        responses=_FIXED,
    )
    async def change_appointment(
        appointment_id: UUID,
        body: AppointmentPlanIn,
        caller: Enters,
        idempotency_key: IdempotencyKey = None,
    ) -> AppointmentOut:
        """The need that it has opened changes with it."""
        asked = appointment_update(appointment_id, body, idempotency_key)
        return AppointmentOut.of(
            await in_transaction(database, lambda tx: appointments.change(tx, caller, asked))
        )

    @router.delete(
        "/appointments/{appointment_id}",
        status_code=204,
        tags=["appointments"],
        summary="Call an entered appointment off, as long as no hospital has sent it",
        responses=_FIXED,
    )
    async def call_appointment_off(
        appointment_id: UUID, caller: Enters, idempotency_key: IdempotencyKey = None
    ) -> None:
        """Safe to repeat. Whoever has a seat is told."""
        asked = appointment_update(appointment_id, None, idempotency_key)
        await in_transaction(database, lambda tx: appointments.change(tx, caller, asked))


def _add_sessions(router: APIRouter, database: Database, sessions: Sessions) -> None:
    @router.post(
        "/sessions", status_code=201, tags=["sessions"], summary="Plan a session of your department"
    )
    async def plan_session(
        body: SessionIn, caller: Plans, idempotency_key: IdempotencyKey = None
    ) -> SessionOut:
        """Its need is opened in the same transaction."""
        asked = body.asked(idempotency_key)
        return SessionOut.of(
            await in_transaction(database, lambda tx: sessions.plan(tx, caller, asked))
        )

    @router.get("/sessions/{session_id}", tags=["sessions"], summary="A session as it is now")
    async def get_session(session_id: UUID, caller: Plans) -> SessionOut:
        """404 also for one of another department."""
        return SessionOut.of(
            await in_transaction(database, lambda tx: sessions.get(tx, caller, str(session_id)))
        )

    @router.put("/sessions/{session_id}", tags=["sessions"], summary="Move it or change its seats")
    async def change_session(session_id: UUID, body: SessionPlanIn, caller: Plans) -> SessionOut:
        """409 once it was called off or is over."""
        plan = body.plan()
        return SessionOut.of(
            await in_transaction(
                database, lambda tx: sessions.change(tx, caller, str(session_id), plan)
            )
        )

    @router.delete(
        "/sessions/{session_id}", status_code=204, tags=["sessions"], summary="Call it off"
    )
    async def withdraw_session(session_id: UUID, caller: Plans) -> None:
        """Safe to repeat; 409 once it is over."""
        await in_transaction(database, lambda tx: sessions.withdraw(tx, caller, str(session_id)))
