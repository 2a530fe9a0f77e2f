"""Volunteers, referrals and appointments for the tests.

Ids are derived from words, so that a failure reads well.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any

import msgspec
from brobyg_contracts import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentRescheduled,
    ConsentWithdrawn,
    Needs,
    ReferralCreated,
)
from brobyg_kit.database import Database
from brobyg_kit.event import Event, EventData, encode_data
from brobyg_kit.ids import derived_id
from brobyg_matching.domain.local_time import Window
from brobyg_matching.domain.match import Context
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.roster import Roster
from brobyg_matching.domain.snapshot import Commitment, Snapshot
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.volunteer import Volunteer
from sqlalchemy import text

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # a Monday, 09:00 in Denmark
POLICY = policy_of("escort")
ALL_WEEK = tuple(Window(day, 0, 1440) for day in range(1, 8))


def an_id(word: str) -> str:
    """The id that this word stands for."""
    return derived_id("test", word)


def a_volunteer(word: str, **changes: object) -> Volunteer:
    """An active volunteer in Randers who can always, drives a car and speaks Danish."""
    volunteer = Volunteer(
        volunteer_id=an_id(word),
        status="active",
        pool="student",
        department="randers",
        languages=frozenset({"da"}),
        gender="female",
        competences=frozenset(),
        home_postcode="8900",
        range_metres=40_000,
        travel="car",
        availability=ALL_WEEK,
        away=frozenset(),
        weekly_limit=5,
        confidentiality_signed_on=date(2026, 9, 1),
        record_checked_on=date(2026, 9, 1),
        introduced_on=date(2026, 9, 1),
    )
    return msgspec.structs.replace(volunteer, **changes)


def a_referral(word: str = "referral", **needs: object) -> Referral:
    """A consented referral of somebody in Randers who speaks Danish and is met at home."""
    wanted = Needs(
        languages=("da",),
        gender_wish=None,
        mobility="independent",
        meeting="home",
        postcode="8920",
    )
    return Referral(
        referral_id=an_id(word),
        citizen_id=an_id(f"citizen of {word}"),
        pathway="escort",
        department="randers",
        consented=True,
        needs=msgspec.structs.replace(wanted, **needs),
    )


def a_booking(
    word: str = "appointment",
    referral: str = "referral",
    starts_at: datetime = NOW + timedelta(days=3, hours=2),
    minutes: int = 30,
) -> AppointmentBooked:
    """An appointment at the hospital in Randers."""
    return AppointmentBooked(
        referral_id=an_id(referral),
        citizen_id=an_id(f"citizen of {referral}"),
        appointment_id=an_id(word),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        location_id="randers-hospital",
    )


def rescheduled(booking: AppointmentBooked, starts_at: datetime) -> AppointmentRescheduled:
    """The same appointment at another time."""
    return AppointmentRescheduled(
        referral_id=booking.referral_id,
        citizen_id=booking.citizen_id,
        appointment_id=booking.appointment_id,
        starts_at=starts_at,
        ends_at=starts_at + (booking.ends_at - booking.starts_at),
        location_id=booking.location_id,
    )


def cancelled(booking: AppointmentBooked) -> AppointmentCancelled:
    """The appointment is off."""
    return AppointmentCancelled(
        referral_id=booking.referral_id,
        citizen_id=booking.citizen_id,
        appointment_id=booking.appointment_id,
    )


def completed(booking: AppointmentBooked) -> AppointmentCompleted:
    """The appointment has been."""
    return AppointmentCompleted(
        referral_id=booking.referral_id,
        citizen_id=booking.citizen_id,
        appointment_id=booking.appointment_id,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
    )


def missed(booking: AppointmentBooked) -> AppointmentMissed:
    """The citizen did not come."""
    return AppointmentMissed(
        referral_id=booking.referral_id,
        citizen_id=booking.citizen_id,
        appointment_id=booking.appointment_id,
    )


def consent_withdrawn(referral: str = "referral") -> ConsentWithdrawn:
    """The citizen's no."""
    return ConsentWithdrawn(referral_id=an_id(referral), citizen_id=an_id(f"citizen of {referral}"))


def referral_created(word: str = "referral", **needs: object) -> ReferralCreated:
    """The event that makes `a_referral(word)` known."""
    referral = a_referral(word, **needs)
    return ReferralCreated(
        referral_id=referral.referral_id,
        citizen_id=referral.citizen_id,
        pathway="escort",
        department=referral.department,
        municipality_code="0730",
        referrer_kind="gp",
        needs=referral.needs,
    )


def event(data: EventData, number: int = 0) -> Event:
    """The event as it comes out of Kafka."""
    # Every event of referral's topic has one; their protocol does not say so.
    subject: str = getattr(data, "referral_id")  # noqa: B009
    return Event(
        id=derived_id(
            "event", subject, data.EVENT_TYPE, str(number), bytes(encode_data(data)).hex()
        ),
        source="referral",
        type=data.EVENT_TYPE,
        subject=subject,
        time=NOW,
        dataschema=data.DATASCHEMA,
        correlationid=subject,
        sequence=number + 1,
        data=encode_data(data),
    )


def a_snapshot(
    *volunteers: Volunteer, commitments: Iterable[Commitment] = (), **known: object
) -> Snapshot:
    """These volunteers and what they have promised; `known` are further fields."""
    empty = Snapshot(roster=Roster(volunteers))
    snapshot = reduce(Snapshot.committed, commitments, empty)
    return msgspec.structs.replace(snapshot, **known)


def a_context(snapshot: Snapshot, referral: Referral | None = None, now: datetime = NOW) -> Context:
    """What a transition may look at."""
    return Context(now, POLICY, referral or a_referral(), snapshot)


async def query(database: Database, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement, in a transaction of its own."""
    async with database.connect() as connection:
        result = await connection.execute(text(statement), parameters)
        return [tuple(row) for row in result] if result.returns_rows else []


async def single(database: Database, statement: str, **parameters: object) -> Any:
    """The first value of the only row."""
    [row] = await query(database, statement, **parameters)
    return row[0]
