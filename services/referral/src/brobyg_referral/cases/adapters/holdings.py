"""All that referral holds of a citizen, for themselves (GDPR art. 15 and 20)."""

from collections.abc import Callable

from brobyg_kit.database import Transaction
from brobyg_kit.export import ATTENTION, OF_ANYBODY, Held, Holdings, Rows, held
from sqlalchemy import Table, select
from sqlalchemy.sql import ColumnElement

from brobyg_referral.cases.adapters.tables import (
    appointment,
    appointment_identifier,
    idempotency_key,
    referral,
)
from brobyg_referral.people.adapters.tables import access_log, citizen
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.ports import CitizenStore

#: What the sealed contact holds, and the record beside it.
_IDENTITY = ("given_name", "family_name", "language", "email", "phone", "address", "is_protected")
_EXEMPT = {
    "reference_entry": "Places, departments and pools: about nobody.",
    "intake_count": "Sums of messages.",
    "session": "Planned sessions, which are nobody's in particular.",
}


def _of(table: Table) -> Callable[[str], ColumnElement[bool]]:
    return lambda who: table.c.citizen_id == who


def _made(who: str) -> ColumnElement[bool]:
    referrals = select(referral.c.referral_id).where(referral.c.citizen_id == who)
    appointments = select(appointment.c.appointment_id).where(appointment.c.citizen_id == who)
    return idempotency_key.c.made_id.in_(referrals.union(appointments))


def holdings(citizens: CitizenStore) -> Holdings:
    """The sections; `citizens` opens who they are."""

    async def identity(tx: Transaction, citizen_id: str) -> Rows:
        contact = await citizens.contact(tx, citizen_id)
        return [] if contact is None else [_told(contact)]

    return Holdings(
        {
            "citizens": (
                Held("Who you are and how you are reached", ("citizen",), _IDENTITY, identity),
                held("What helpers must know", citizen, _of(citizen)),
                held("Referrals and consent", referral, _of(referral)),
                held("Appointments", appointment, _of(appointment)),
                held(
                    "What the hospital calls your appointments",
                    appointment_identifier,
                    lambda who: appointment_identifier.c.appointment_id.in_(
                        select(appointment.c.appointment_id).where(appointment.c.citizen_id == who)
                    ),
                ),
                held("Requests that were made about you", idempotency_key, _made),
                held("Who was told how you are reached", access_log, _of(access_log)),
                ATTENTION,
                *OF_ANYBODY,
            )
        },
        _EXEMPT,
    )


def _told(contact: Contact) -> dict[str, object]:
    address = contact.address
    return {name: getattr(contact, name) for name in _IDENTITY if name != "address"} | {
        "address": None if address is None else f"{address.line}, {address.postcode}"
    }
